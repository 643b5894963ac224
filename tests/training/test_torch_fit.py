"""Training with PyTorch. Needs KERAS_BACKEND=torch, for Keras has one backend a process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
if os.environ.get("KERAS_BACKEND") != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)

import numpy as np
import torch

from emotion_cam.card import read_card
from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.journal import read_history, work_folder
from emotion_cam.training.networks import NETWORKS, mini_xception
from emotion_cam.training.optimization import AdjustedCrossentropy
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.torch_fit import _loss, learning_rate
from emotion_cam.training.train import train
from emotion_cam.training.twin import Twin
from tests.training.callbacks import StopAfter


@pytest.mark.parametrize("inside", [0, 53, 64])
def test_twins_score_as_keras_does(inside: int) -> None:
    _assert_twin(mini_xception((48, 48, 1), 7, inside=inside))


def test_the_residual_networks_twin() -> None:
    _assert_twin(NETWORKS["residual"]((48, 48, 1), 7, width=0.25))


def _assert_twin(model: keras.Model) -> None:
    rng = np.random.default_rng(1)
    # Not of the random start, which is another in every run.
    model.set_weights([0.1 * rng.random(w.shape, np.float32) + (w.ndim == 1) for w in model.get_weights()])
    faces = rng.uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    twin = Twin(model).eval()
    with torch.no_grad():
        scores = torch.softmax(twin(torch.from_numpy(faces).permute(0, 3, 1, 2)), 1).numpy()
    assert scores == pytest.approx(np.asarray(model.predict_on_batch(faces)), abs=1e-4)
    before = model.get_weights()
    twin.give_weights(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_rate_rises_in_the_first_epoch_and_falls_to_nothing() -> None:
    recipe = Recipe("emotion", epochs=5, learning_rate=1.0)
    assert [learning_rate(recipe, epoch) for epoch in (0, 1, 3, 5)] == pytest.approx([0.05, 1, 0.5, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("width", [7, 14])
def test_the_loss_is_that_of_keras(smoothing: float, width: int) -> None:
    rng = np.random.default_rng(2)
    logits, weights = torch.from_numpy(rng.normal(size=(5, 7)).astype(np.float32)), np.ones(5, np.float32)
    labels, shifts = np.eye(7, dtype=np.float32)[:5], rng.normal(size=(5, 7)).astype(np.float32)
    targets = np.concatenate([labels, shifts], axis=1)[:, :width]
    ours = _loss(logits, torch.from_numpy(targets), torch.from_numpy(weights), smoothing)
    loss = AdjustedCrossentropy(label_smoothing=smoothing)
    assert float(ours) == pytest.approx(float(loss(targets, torch.softmax(logits, 1))), abs=1e-4)


def test_a_run_that_was_stopped_comes_to_the_same_result(recipe: Recipe, fer2013: Path, tmp_path: Path) -> None:
    recipe = replace(
        recipe,
        data=(*recipe.data, f"ferplus={fer2013}"),
        prior=("ferplus",),
        augmentation="gentle",
        cutmix=0.5,
        mixup=0.2,
        average=1.0,
        inside=50,
    )
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", callbacks=[StopAfter(1)])
    assert len(read_history(work_folder(tmp_path / "stopped") / "history.csv")) == 1
    resumed = train(recipe, tmp_path / "stopped", resume=True)
    one, two = (keras.models.load_model(folder / "model.keras").get_weights() for folder in (whole, resumed))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(one, two, strict=True))
    assert [row["val_accuracy"] for row in read_history(whole / "history.csv")] == pytest.approx(
        [row["val_accuracy"] for row in read_history(resumed / "history.csv")]
    )
    assert read_card(whole).training.backend == "torch"
    assert not work_folder(whole).exists()


def test_training_learns(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(replace(recipe, epochs=12, learning_rate=5e-3, votes=0.0), tmp_path / "model")
    assert max(row["accuracy"] for row in read_history(folder / "history.csv")) > 0.6


def test_what_pytorch_cannot_do_is_named(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="With PyTorch there is no `schedule`"):
        train(replace(recipe, schedule="plateau"), tmp_path / "model")
