from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import EMOTIONS, FaceSet
from emotion_cam.training.optimization import Accuracy, AdjustedCrossentropy
from emotion_cam.training.priors import LEAST, offsets, prior
from emotion_cam.types import Box


def faces(counts: list[int]) -> FaceSet:
    targets = np.repeat(np.eye(7, dtype=np.float32), counts, axis=0)
    return FaceSet("made up", np.zeros((len(targets), 8, 8), np.uint8), targets, EMOTIONS, Box(0, 0, 8, 8))


def test_a_prior_is_the_share_of_every_class_and_none_is_nil() -> None:
    assert prior([faces([1, 1, 1, 1, 1, 1, 1]), faces([7, 0, 0, 0, 0, 0, 0])])[0] == pytest.approx(8 / 14)
    lacking = prior([faces([10, 0, 0, 0, 0, 0, 90])])
    assert lacking.sum() == pytest.approx(1)
    assert lacking[1] == pytest.approx(LEAST / 1.05)


def test_offsets_are_nothing_for_the_reference_itself() -> None:
    life, posed = faces([5, 1, 4, 30, 10, 10, 40]), faces([10] * 7)
    same, other = offsets([life, posed], [life])
    assert not same.any()
    # Neutral is rarer among posed faces than in life, disgust more frequent.
    assert other.shape == (70, 7)
    assert np.all((other[:, 6] < 0) & (other[:, 1] > 0))
    assert np.exp(other[0] + np.log(prior([life]))) == pytest.approx(np.full(7, 1 / 7), rel=1e-5)


def test_every_source_has_a_prior_of_its_own() -> None:
    life, mixed = faces([10] * 7), faces([10, 0, 0, 0, 10, 0, 20])
    mixed.groups["set"] = np.array(["two"] * 20 + ["one"] * 20)
    _, other = offsets([life, mixed], [life])
    assert other[0] == pytest.approx(np.log(prior([faces([10, 0, 0, 0, 10, 0, 0])]) * 7), abs=1e-5)
    assert other[39] == pytest.approx(np.log(prior([faces([0, 0, 0, 0, 0, 0, 20])]) * 7), abs=1e-5)


def test_the_loss_adds_to_the_logits_what_follows_the_targets() -> None:
    rng = np.random.default_rng(1)
    logits, shifts = rng.normal(size=(2, 4, 7)).astype(np.float32)
    targets = np.eye(7, dtype=np.float32)[:4]
    loss, plain = AdjustedCrossentropy(), keras.losses.CategoricalCrossentropy()
    scores, shifted = (keras.ops.softmax(x) for x in (logits, logits + shifts))
    both = np.concatenate([targets, shifts], axis=1)
    assert float(loss(both, scores)) == pytest.approx(float(plain(targets, shifted)), abs=1e-4)
    assert float(loss(targets, scores)) == pytest.approx(float(plain(targets, scores)), abs=1e-6)


def test_a_model_learns_the_label_frequencies_of_its_prior() -> None:
    """Nothing is to be seen in the pictures, so that the scores are the frequencies that the model learned."""
    life, posed = faces([2, 2, 2, 20, 10, 4, 24]), faces([28, 2, 2, 2, 26, 2, 2])
    shifts = np.concatenate(offsets([life, posed], [life]))
    targets = np.concatenate([np.concatenate([life.targets, posed.targets]), shifts], 1)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(7), keras.layers.Softmax()])
    model.compile(keras.optimizers.Adam(0.1), AdjustedCrossentropy(), metrics=[Accuracy("accuracy")])
    history = model.fit(np.zeros((128, 1)), targets, batch_size=128, epochs=150, verbose=0).history
    assert np.asarray(model.predict_on_batch(np.zeros((1, 1))))[0] == pytest.approx(prior([life]), abs=0.02)
    assert history["accuracy"][-1] == pytest.approx(26 / 128)  # neutral, the most frequent
