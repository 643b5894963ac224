from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
# PyTorch and TensorFlow in one process quarrel over threads, and Keras has one backend a process.
if os.environ.get("KERAS_BACKEND") != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)

import numpy as np
import torch

from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.networks import mini_xception
from emotion_cam.training.residual import residual_network
from emotion_cam.training.soft import SoftBatches, store
from emotion_cam.training.torch_run import TorchRecipe, _mixed, load_sets, mean_teacher, rate, train
from emotion_cam.training.twin import Twin


@pytest.mark.parametrize("inside", [0, 53, 64])
def test_twins_score_as_keras_does(inside: int) -> None:
    _assert_twin(mini_xception((48, 48, 1), 7, inside=inside))


def test_the_residual_networks_twin() -> None:
    _assert_twin(residual_network((48, 48, 1), 7, filters=(8, 12), blocks=(1, 2)))


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
    recipe = TorchRecipe("emotion", ("fer2013",), epochs=5, learning_rate=1.0)
    assert [rate(recipe, epoch) for epoch in (0, 1, 3, 5)] == pytest.approx([0.05, 1, 0.5, 0])


def test_cutmix_mixes_targets_by_area() -> None:
    recipe = TorchRecipe("emotion", ("fer2013",), cutmix=1.0)
    faces = torch.arange(8.0)[:, None, None, None].expand(8, 1, 48, 48)
    targets, rest = torch.eye(8), torch.ones(8)
    mixed, told, weights, shift = _mixed(recipe, (faces, targets, rest, torch.zeros(8, 8)), np.random.default_rng(3))
    means = mixed.mean((1, 2, 3))
    assert torch.allclose(told @ torch.arange(8.0), means, atol=1e-4)
    assert torch.equal(weights, rest)
    assert not shift.any()


def test_a_run_that_was_stopped_comes_to_the_same_result(fer2013: Path, tmp_path: Path) -> None:
    root = fer2013.parent
    if fer2013.name != "fer2013":
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "fer2013").symlink_to(fer2013)
        root = tmp_path / "data"
    file = tmp_path / "recipe.toml"
    file.write_text(
        'task = "emotion"\ndata = ["fer2013", "ferplus"]\nreference = ["ferplus"]\nepochs = 2\nbatch_size = 16\n'
        "cutmix = 0.5\nmixup = 0.2\n[options]\ninside = 50\n"
    )
    recipe = TorchRecipe.read(file)
    whole = train(recipe, root, tmp_path / "whole")
    with pytest.raises(TrainingError, match="no stopped run"):
        train(recipe, root, tmp_path / "stopped", resume=True)
    command = [sys.executable, "-c", _STOPPED.format(file=file, root=root, out=tmp_path / "stopped")]
    assert subprocess.run(command, check=False).returncode == 3
    with pytest.raises(TrainingError, match="a stopped run"):
        train(recipe, root, tmp_path / "stopped")
    resumed = train(recipe, root, tmp_path / "stopped", resume=True)
    one, two = (keras.models.load_model(folder / "model.keras").get_weights() for folder in (whole, resumed))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(one, two, strict=True))
    card = json.loads((whole / "model.json").read_text())
    assert card["training"]["options"] == {"inside": 50}
    assert [entry["name"] for entry in card["data"]] == ["fer2013", "ferplus"]


def test_what_teachers_said_is_learnt_from_a_store(fer2013: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013").symlink_to(fer2013)
    soft = tmp_path / "soft"
    recipe = TorchRecipe(
        "emotion", ("fer2013",), unlabelled=("ferplus",), soft=str(soft), epochs=2, batch_size=16, temperature=2.0
    )
    sets, _ = load_sets(recipe, tmp_path / "data")
    assert not sets[1].targets.any()
    seen: list[np.ndarray] = []

    def teacher(faces: np.ndarray) -> np.ndarray:
        seen.extend(faces)
        return np.tile(np.array([0.9, 0.1, 0, 0, 0, 0, 0], np.float32), (len(faces), 1))

    store(teacher, sets, 2, recipe.view_options(), soft)
    batches = SoftBatches(sets, recipe.view_options(), soft, batch_size=len(sets[0]) + len(sets[1]))
    faces, targets, _ = batches[0]
    assert {face.tobytes() for face in faces[..., 0]} == {face.tobytes() for face in _first_views(seen, sets)}
    assert batches.soft(0) == pytest.approx(np.tile([0.9, 0.1, 0, 0, 0, 0, 0], (len(targets), 1)), abs=1e-3)
    folder = train(recipe, tmp_path / "data", tmp_path / "taught")
    assert (folder / "model.keras").exists()
    sets[0].images[0] += 1
    with pytest.raises(TrainingError, match="other pictures"):
        SoftBatches(sets, recipe.view_options(), soft)


def _first_views(seen: list[np.ndarray], sets: list[FaceSet]) -> list[np.ndarray]:
    """Of what a teacher saw in the order of ``store``, two views of each set, the first of each picture."""
    first, second = len(sets[0]), len(sets[1])
    return [*seen[:first], *seen[2 * first : 2 * first + second]]


def test_teachers_are_asked_from_both_sides(tmp_path: Path) -> None:
    model = mini_xception((48, 48, 1), 7)
    model.save(tmp_path / "model.keras")
    face = np.random.default_rng(1).uniform(0, 255, (1, 48, 48)).astype(np.float32)
    score = mean_teacher([tmp_path])
    assert score(face) == pytest.approx(score(np.ascontiguousarray(face[:, :, ::-1])), abs=1e-6)


_STOPPED = """
import os
from pathlib import Path
from emotion_cam.training import torch_run
save = torch_run._State.save
def stop(state, file):
    save(state, file)
    os._exit(3)
torch_run._State.save = stop
torch_run.train(torch_run.TorchRecipe.read(Path("{file}")), Path("{root}"), Path("{out}"))
"""
