"""The mean of the weights of models, and the folder that it is written to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.average import average
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet, load
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.train import train


@pytest.fixture(scope="module")
def validation(fer2013: Path) -> list[FaceSet]:
    return [load("fer2013", fer2013, "validation")]


@pytest.fixture(scope="module")
def pair(model: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small run, and another one that started from its weights."""
    place = tmp_path_factory.mktemp("pair")
    further = replace(recipe, epochs=1, init=str(model), seed=1)
    return model, train(further, place / "two")


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
    assert (out / "notes.md").read_text() == "Both were tried.\n"
    assert "(notes.md)" in (out / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["mean"]


def test_the_card_records_every_part(
    pair: tuple[Path, Path], recipe: Recipe, validation: list[FaceSet], tmp_path: Path
) -> None:
    out = average(pair, tmp_path / "mean", validation, command="emotion-cam average one two")
    card = read_card(out)
    assert [part.training.settings["seed"] for part in card.parts] == [3, 1]
    assert card.parts == tuple(read_card(folder).origin for folder in pair)
    assert card.training.command == "emotion-cam average one two"
    assert (card.training.settings["width"], card.training.epochs_run) == (1.0, None)
    assert [entry.name for entry in card.data] == ["fer2013"]
    assert [measured.data for measured in card.measured] == ["fer2013 validation"]
    training = (out / "training.md").read_text()
    assert "## Part 2 of 2\n\nThe weights are the mean of the weights of several models." in training
    # The second run started from the first one, which is described once.
    _, second = training.split("## Part 2 of 2")
    assert "### Before that\n" in second
    assert f"This run is described above. Its command:\n\n```\n{card.parts[0].training.command}\n```" in second
    assert "curves.png" not in training
    assert sorted(file.name for file in out.glob("*.csv")) == [
        "part-1-history.csv",
        "part-2-history-before-1.csv",
        "part-2-history.csv",
    ]
    # A run that starts from it keeps all of this.
    further = train(replace(recipe, epochs=1, init=str(out)), tmp_path / "further")
    assert {file.name for file in out.glob("*.csv")} | {"history.csv"} == {file.name for file in further.glob("*.csv")}
    before = read_card(further).before
    assert before is not None
    assert len(before.parts) == 2


def test_only_models_that_match_have_a_mean(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="two models or more"):
        average(pair[:1], tmp_path / "mean", [])
    with pytest.raises(TrainingError, match=r"gender and .*emotion differ in task; average models that match\."):
        average([pair[0], shipped_models()["gender"]], tmp_path / "mean", [])
    other = Path(shutil.copytree(pair[1], tmp_path / "other"))
    (other / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"other is incomplete: it has no model\.keras to average"):
        average([pair[0], other], tmp_path / "mean", [])
    assert not list(tmp_path.glob("mean*"))


def test_a_failed_check_leaves_the_old_model_in_place(
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
