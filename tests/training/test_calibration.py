"""Calibration error and temperature, on scores whose calibration is known."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("scipy")

from emotion_cam.training.calibration import (
    at_temperature,
    best_temperature,
    expected_calibration_error,
    reliability,
    threshold,
)

Floats: TypeAlias = npt.NDArray[np.float64]


def softmax(logits: Floats) -> npt.NDArray[np.float32]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)


def sampled(pictures: int, seed: int = 0) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Logits of seven classes, and true classes drawn with exactly the probabilities of these logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (pictures, 7))
    truth = (rng.random((pictures, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(max=6)
    return logits, truth


def test_the_bins_hold_the_pictures_with_their_top_score() -> None:
    scores = np.array([[0.9, 0.1], [0.95, 0.05], [0.2, 0.8], [0.55, 0.45]], np.float32)
    bins = reliability(scores, np.array([0, 1, 1, 1]), bins=10)
    assert [(b.lower, b.upper, b.pictures) for b in bins] == [(0.5, 0.6, 1), (0.7, 0.8, 1), (0.8, 0.9, 1), (0.9, 1, 1)]
    assert [b.accuracy for b in bins] == [0, 1, 1, 0]
    assert [b.confidence for b in bins] == pytest.approx([0.55, 0.8, 0.9, 0.95])
    assert expected_calibration_error(bins) == pytest.approx((0.55 + 0.2 + 0.1 + 0.95) / 4)


def test_a_score_of_one_is_in_the_last_bin() -> None:
    (last,) = reliability(np.array([[1.0, 0.0]], np.float32), np.array([0]))
    assert (last.lower, last.upper, last.pictures, last.accuracy) == pytest.approx((14 / 15, 1, 1, 1))


def test_calibrated_scores_have_hardly_an_error_and_scores_that_are_too_high_have() -> None:
    logits, truth = sampled(20_000)
    assert expected_calibration_error(reliability(softmax(logits), truth)) < 0.015
    assert expected_calibration_error(reliability(softmax(3 * logits), truth)) > 0.1


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_cancels_a_factor_of_the_logits(factor: float) -> None:
    logits, truth = sampled(20_000)
    assert best_temperature(softmax(factor * logits), truth) == pytest.approx(factor, rel=0.05)


def test_the_threshold_leaves_one_in_ten_unsure() -> None:
    scores = softmax(sampled(5000)[0])
    assert (scores.max(axis=1) >= threshold(scores)).mean() == pytest.approx(0.9, abs=0.02)
    assert at_temperature(scores, 1.0) == pytest.approx(scores, abs=1e-6)
    assert threshold(at_temperature(scores, 3.0)) < threshold(scores)


def test_a_temperature_helps_on_other_pictures_and_changes_no_label() -> None:
    logits, truth = sampled(2000)
    temperature = best_temperature(softmax(3 * logits), truth)
    logits, truth = sampled(2000, seed=1)
    before, after = softmax(3 * logits), softmax(3 * logits / temperature)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    errors = [expected_calibration_error(reliability(scores, truth)) for scores in (before, after)]
    assert errors[1] < errors[0] / 3
