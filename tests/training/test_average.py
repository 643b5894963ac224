"""The mean of models' weights, and the folder that comes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion_cam.recognition.classifier import Classifier, ModelCard, shipped_models
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.training.average import average
from emotion_cam.training.datasets import FaceSet, load
from emotion_cam.training.train import Recipe, train


@pytest.fixture(scope="module")
def validation(fer2013: Path) -> list[FaceSet]:
    return [load("fer2013", fer2013, "validation")]


@pytest.fixture(scope="module")
def pair(fer2013: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small run, and another that went on from it."""
    place = tmp_path_factory.mktemp("pair")
    recipe = Recipe(task="emotion", data=(("fer2013", str(fer2013)),), epochs=1, batch_size=16, augmentation="none")
    one = train(recipe, place / "one", command="emotion-cam train one")
    return one, train(replace(recipe, init=str(one), seed=1), place / "two")


def test_the_weights_are_the_mean(pair: tuple[Path, Path], validation: list[FaceSet], tmp_path: Path) -> None:
    out = tmp_path / "mean"
    out.mkdir()
    (out / "notes.md").write_text("Both were tried.\n")
    assert average(pair, out, validation, command="emotion-cam average one two") == out
    one, two, mean = (keras.models.load_model(folder / "model.keras").get_weights() for folder in (*pair, out))
    for a, b, c in zip(one, two, mean, strict=True):
        assert c == pytest.approx((a + b) / 2, abs=1e-6)
    faces = validation[0].extracted((48, 48), 0.0)
    assert Classifier(out)(faces) == pytest.approx(Classifier(out, runtime="keras")(faces), abs=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["mean"]


def test_the_card_tells_of_every_part(
    pair: tuple[Path, Path], validation: list[FaceSet], fer2013: Path, tmp_path: Path
) -> None:
    out = average(pair, tmp_path / "mean", validation, command="emotion-cam average one two")
    written = json.loads((out / "model.json").read_text())
    assert [part["training"]["seed"] for part in written["parts"]] == [0, 1]
    assert written["training"]["command"] == "emotion-cam average one two"
    assert [entry["data"] for entry in written["measured"]] == ["fer2013 validation"]
    readme = (out / "README.md").read_text()
    assert "## Part 2 of 2\n\nThe weights are the mean of several models'" in readme
    # The second went on from the first, which is not told of twice.
    _, second = readme.split("## Part 2 of 2")
    assert "### Before that\n" in second
    assert "It was told of above, with its command:\n\n```\nemotion-cam train one\n```" in second
    assert "curves.png" not in readme
    assert sorted(file.name for file in out.glob("*.csv")) == [
        "part-1-history.csv",
        "part-2-history-before-1.csv",
        "part-2-history.csv",
    ]
    # A run that goes on from it keeps all of this.
    recipe = Recipe(task="emotion", data=(("fer2013", str(fer2013)),), epochs=1, init=str(out))
    further = train(recipe, tmp_path / "further")
    assert {file.name for file in out.glob("*.csv")} | {"history.csv"} == {file.name for file in further.glob("*.csv")}
    assert len(ModelCard.load(further).written["before"]["parts"]) == 2


def test_only_like_models_have_a_mean(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="two models or more"):
        average(pair[:1], tmp_path / "mean", [])
    with pytest.raises(TrainingError, match=r"has another task than .*one; average like models"):
        average([pair[0], shipped_models()["gender"]], tmp_path / "mean", [])
    other = Path(shutil.copytree(pair[1], tmp_path / "other"))
    (other / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"other is incomplete: it has no model\.keras to average"):
        average([pair[0], other], tmp_path / "mean", [])
    assert not list(tmp_path.glob("mean*"))


def test_a_measurement_that_fails_leaves_what_was_there(
    pair: tuple[Path, Path], validation: list[FaceSet], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(pair[0], tmp_path / "mean"))
    before = (out / "model.keras").read_bytes()
    broken = Path(shutil.copytree(pair[1], tmp_path / "broken"))
    model = keras.models.load_model(broken / "model.keras")
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    model.save(broken / "model.keras")
    with pytest.raises(ModelError, match="nothing was written"):
        average([pair[0], broken], out, validation)
    assert (out / "model.keras").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"mean", "broken"}
