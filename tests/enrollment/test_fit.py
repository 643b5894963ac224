"""Offsets are fitted to what a model gets wrong about a person, and kept only if they help on unseen pictures."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.enrollment.fit import FOLDS, ScoreTable, fit_offsets, solve
from emotion_cam.errors import DatasetError

LABELS = ("a", "b", "c", "d")
BIAS = np.array([1.5, -1.0, -0.5, 0.0])


def table(pictures: int, bias: np.ndarray = BIAS, *, signal: float = 2.0, seed: int = 0) -> ScoreTable:
    """Scores of a model whose logits are right but for a bias, which is taken from every picture's."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(LABELS)), pictures)
    logits = rng.normal(size=(len(truth), len(LABELS))) + signal * np.eye(len(LABELS))[truth] - bias
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return ScoreTable(LABELS, truth, scores.astype(np.float32))


def test_a_known_bias_is_found() -> None:
    # Gaussian logits around signal × one-hot with variance 1 have the posterior softmax(signal × logits).
    known = table(4000, signal=1.0)
    found = solve(np.log(known.scores, dtype=np.float64), known.truth, 1e-6)
    assert found == pytest.approx(BIAS - BIAS.mean(), abs=0.06)
    assert found.sum() == pytest.approx(0, abs=1e-6)


def test_a_penalty_makes_the_offsets_smaller() -> None:
    known = table(30)
    logits = np.log(known.scores, dtype=np.float64)
    sizes = [np.abs(solve(logits, known.truth, penalty)).max() for penalty in (0.001, 0.1, 10.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.1


def test_each_label_counts_the_same() -> None:
    known = table(30)
    rows = np.concatenate([np.arange(len(known)), np.flatnonzero(known.truth == 0)])  # the first label twice
    logits = np.log(known.scores, dtype=np.float64)
    assert solve(logits[rows], known.truth[rows], 0.1) == pytest.approx(solve(logits, known.truth, 0.1))


def test_offsets_that_help_are_kept() -> None:
    known = table(12)
    fit = fit_offsets(known)
    assert fit.helps
    assert fit.after > fit.before == known.balanced_accuracy
    assert np.argmax(fit.offsets) == np.argmax(BIAS)
    adapted = ScoreTable(LABELS, known.truth, np.exp(np.log(known.scores) + fit.offsets).astype(np.float32))
    fresh = table(400, seed=1)
    shifted = ScoreTable(LABELS, fresh.truth, np.exp(np.log(fresh.scores) + fit.offsets).astype(np.float32))
    assert adapted.balanced_accuracy > known.balanced_accuracy
    assert shifted.balanced_accuracy > fresh.balanced_accuracy + 0.05


def test_a_model_without_a_bias_is_hardly_ever_changed_and_never_made_worse() -> None:
    fresh = table(2000, np.zeros(4), seed=100)
    kept = 0
    for seed in range(20):
        fit = fit_offsets(table(12, np.zeros(4), seed=seed))
        if not fit.helps:
            assert not fit.offsets.any()
            continue
        kept += 1
        shifted = ScoreTable(LABELS, fresh.truth, np.exp(np.log(fresh.scores) + fit.offsets).astype(np.float32))
        assert shifted.balanced_accuracy > fresh.balanced_accuracy - 0.02
    assert kept <= 5


def test_scores_that_say_nothing_are_left_as_they_are() -> None:
    # The same picture for every label: offsets make the loss smaller, but no label right that was wrong.
    scores = np.tile(np.array([0.97, 0.01, 0.01, 0.01], np.float32), (40, 1))
    fit = fit_offsets(ScoreTable(LABELS, np.repeat(np.arange(4), 10), scores))
    assert not fit.helps
    assert not fit.offsets.any()


def test_too_few_pictures_are_refused() -> None:
    known = table(FOLDS)
    fit_offsets(known)
    with pytest.raises(DatasetError, match="At least 3 pictures of each label are needed, but “d” has 2;"):
        fit_offsets(ScoreTable(LABELS, known.truth[:-1], known.scores[:-1]))


def test_the_confusion_counts_pictures() -> None:
    scores = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]], np.float32)
    counted = ScoreTable(("a", "b"), np.array([0, 0, 1]), scores)
    assert counted.confusion.tolist() == [[1, 1], [0, 1]]
    assert counted.balanced_accuracy == 0.75
