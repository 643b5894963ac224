"""A whole training run, small but real: train, stop, resume, start from another model, learn from a teacher."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.augmentation import AUGMENTATIONS
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import DATASETS, EMOTIONS, load
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.journal import read_history, work_folder
from emotion_cam.training.networks import NETWORK_OPTIONS, NETWORKS, mini_xception
from emotion_cam.training.optimization import LOSSES, OPTIMIZERS, SCHEDULES
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.recipe_files import read_recipe_file
from emotion_cam.training.teachers import Teachers
from emotion_cam.training.train import train
from tests.training.callbacks import StopAfter


def test_help_names_everything_that_a_recipe_can_name() -> None:
    for name in (*NETWORKS, *DATASETS, *LOSSES, *OPTIMIZERS, *SCHEDULES, *AUGMENTATIONS):
        assert name in (Recipe.__doc__ or "")
    assert set(NETWORK_OPTIONS) <= set(Recipe.__dataclass_fields__)


def test_a_run_writes_a_folder_that_explains_itself(model: Path, recipe: Recipe) -> None:
    assert sorted(file.name for file in model.parent.iterdir()) == ["emotion"]
    assert {file.name for file in model.iterdir()} == {
        "model.keras",
        "model.tflite",
        "model.json",
        "recipe.toml",
        "README.md",
        "details.md",
        "training.md",
        "history.csv",
        "curves.png",
        "confusion-fer2013-validation.png",
        "reliability-fer2013-validation.png",
    }
    card = read_card(model)
    assert (card.task, card.parameters, card.training.settings["seed"]) == ("emotion", 58_423, 3)
    assert card.training.command == (
        f"emotion-cam train --task emotion --data {recipe.data[0]} --epochs 2 --batch-size 16 --votes 0.3 "
        f"--augmentation none --seed 3 --out {model}"
    )
    (stage,) = read_recipe_file(model / "recipe.toml").stages
    assert stage.making == recipe
    # One training picture is a copy of a test picture.
    assert (card.data[0].train, card.data[0].validation) == (55, 14)
    history = read_history(model / "history.csv")
    assert len(history) == recipe.epochs
    # The figure that chose the epoch is the one that the shipped file gives through the classifier of a run.
    best = max(epoch["val_accuracy"] for epoch in history)
    assert card.measured[0].accuracy == pytest.approx(best, abs=1e-4)
    assert f"{card.measured[0].accuracy:.4f}" in (model / "README.md").read_text()


def test_both_runtimes_run_it(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    with_litert, with_keras = (evaluate(model, faces, runtime=runtime) for runtime in ("litert", "keras"))
    assert np.abs(with_litert.scores - with_keras.scores).max() < 1e-4
    assert read_card(model).labels == faces.labels


def test_a_stopped_run_continues_as_if_it_had_not_been_stopped(model: Path, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "emotion"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, callbacks=[StopAfter(1)])
    assert not out.exists()
    with pytest.raises(TrainingError, match="continue it with `resume`"):
        train(recipe, out)
    with pytest.raises(TrainingError, match="another recipe: `epochs` 2, not 9"):
        train(replace(recipe, epochs=9), out, resume=True)
    # A recipe that an older version wrote may lack an option that is new; it then had its default.
    assert "residual" not in (work_folder(out) / "recipe.toml").read_text()
    with pytest.raises(TrainingError, match="another recipe: `residual` True, not False"):
        train(replace(recipe, residual=False), out, resume=True)
    train(recipe, out, resume=True)
    assert not work_folder(out).exists()

    losses = [[epoch["loss"] for epoch in read_history(folder / "history.csv")] for folder in (out, model)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_state_of_an_older_version_is_not_continued(recipe: Recipe, tmp_path: Path) -> None:
    work_folder(tmp_path / "emotion").mkdir()
    with pytest.raises(TrainingError, match="cannot be resumed; delete that folder"):
        train(recipe, tmp_path / "emotion", resume=True)
    with pytest.raises(TrainingError, match="or delete that folder"):
        train(recipe, tmp_path / "emotion")


class ClassMapWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the class map's weights after every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[np.ndarray[Any, Any]] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.weights.append(self.model.get_layer("class_map").get_weights()[0])


def test_validation_and_the_model_have_averaged_weights(recipe: Recipe, tmp_path: Path, fer2013: Path) -> None:
    steps = ClassMapWeights()
    out = train(replace(recipe, epochs=1, average=0.5), tmp_path / "emotion", callbacks=[steps])
    assert len(steps.weights) == 4
    average = steps.weights[0]
    for weights in steps.weights[1:]:
        average = average / 2 + weights / 2  # half an epoch is two steps
    network = keras.models.load_model(out / "model.keras", compile=False)
    assert network.get_layer("class_map").get_weights()[0] == pytest.approx(average, abs=1e-5)
    assert np.abs(steps.weights[-1] - average).max() > 1e-3

    figures = evaluate(out, load("fer2013", fer2013, "validation"), runtime="keras")
    (epoch,) = read_history(out / "history.csv")
    assert epoch["val_accuracy"] == pytest.approx(figures.accuracy, abs=1e-4)
    likelihoods = figures.scores[np.arange(14), figures.truth]
    assert epoch["val_loss"] == pytest.approx(-np.log(likelihoods).mean(), rel=1e-3)


def test_a_stopped_run_with_averages_continues_as_if_it_had_not_been_stopped(recipe: Recipe, tmp_path: Path) -> None:
    averaging = replace(recipe, average=1.0)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(averaging, whole)
    with pytest.raises(KeyboardInterrupt):
        train(averaging, stopped, callbacks=[StopAfter(1)])
    train(averaging, stopped, resume=True)
    histories = (read_history(folder / "history.csv") for folder in (whole, stopped))
    for one, other in zip(*histories, strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def test_an_older_model_stays_until_the_new_one_is_complete(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "emotion"
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        train(replace(recipe, epochs=1), out, callbacks=[StopAfter(0)])
    assert (out / "old").exists()
    train(replace(recipe, epochs=1), out, resume=True)
    assert (out / "model.tflite").exists()
    assert not (out / "old").exists()


def test_it_can_learn(recipe: Recipe, tmp_path: Path, fer2013: Path) -> None:
    """Each class has its own brightness in these pictures; chance is one in seven."""
    easy = replace(recipe, epochs=20, learning_rate=1e-2, batch_size=8, votes=0.0, schedule="plateau", patience=15)
    out = train(easy, tmp_path / "emotion")
    assert evaluate(out, load("fer2013", fer2013, "validation")).accuracy > 0.4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "resnet"}, "no network “resnet”; choose `network` from mini_xception, xception"),
        ({"loss": "hinge"}, "no loss “hinge”"),
        ({"schedule": "linear"}, "no schedule “linear”"),
        ({"augmentation": "wild"}, "no augmentation “wild”"),
        ({"data": ()}, "nothing to train on"),
        ({"separable": False, "middle_activation": True}, "no middle"),
        ({"teacher": ("nowhere",)}, "nowhere is not a model"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(
    recipe: Recipe, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((TrainingError, ModelError), match=message):
        train(replace(recipe, **changes), tmp_path / "emotion")
    assert not list(tmp_path.iterdir())


def test_a_group_to_emphasize_must_be_known(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no race “Black” for `emphasis`; the data do not give people's race"):
        train(replace(recipe, emphasis=("race=Black:1.5",)), tmp_path / "model")


def test_there_must_be_a_run_to_resume(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="without `resume`"):
        train(recipe, tmp_path / "emotion", resume=True)


def test_relative_data_sets_start_from_the_data_folder(recipe: Recipe, tmp_path: Path, fer2013: Path) -> None:
    relative = replace(recipe, data=("fer2013=fer2013",), epochs=1)
    out = train(relative, tmp_path / "emotion", data_folder=fer2013.parent)
    assert f"--data fer2013={fer2013} " in read_card(out).training.command
    assert 'data = ["fer2013=fer2013"]\n' in (out / "recipe.toml").read_text()


def test_a_run_starts_from_another_models_weights(model: Path, recipe: Recipe, tmp_path: Path) -> None:
    gentle = replace(recipe, epochs=1, learning_rate=1e-9, init=str(model))
    (tmp_path / "emotion").mkdir()
    (tmp_path / "emotion" / "notes.md").write_text("Ten epochs were too few.\n")
    out = train(gentle, tmp_path / "emotion")
    assert (out / "notes.md").read_text() == "Ten epochs were too few.\n"
    assert "(notes.md)" in (out / "README.md").read_text()
    faces = [np.random.default_rng(0).integers(0, 255, (48, 48), np.uint8)]
    # Batch normalization still moves its averages, so the two are near each other but not equal.
    assert np.abs(Classifier(out)(faces) - Classifier(model)(faces)).max() < 0.15
    before = read_card(out).before
    assert before is not None
    assert (before.training.settings["epochs"], before.data[0].name) == (2, "fer2013")
    third = train(replace(gentle, init=str(out)), tmp_path / "third")
    assert [(third / f"history-before-{run}.csv").read_text() for run in (1, 2)] == [
        (run / "history.csv").read_text() for run in (model, out)
    ]
    with pytest.raises(TrainingError, match="no weights that fit"):
        train(replace(gentle, init=str(shipped_models()["gender"])), tmp_path / "other")


def test_teachers_scores_are_averaged_at_their_own_size(model: Path, tmp_path: Path, fer2013: Path) -> None:
    other = Path(shutil.copytree(model, tmp_path / "other"))
    keras.utils.set_random_seed(0)
    mini_xception((64, 64, 1), 7).save(other / "model.keras")
    pictures = np.stack(list(load("fer2013", fer2013, "test").images))[..., None].astype(np.float32)
    one, two, both = (Teachers(folders, EMOTIONS)(pictures) for folders in ([model], [other], [model, other]))
    expected = Classifier(model, runtime="keras")([picture[..., 0].astype(np.uint8) for picture in pictures])
    assert one == pytest.approx(expected, abs=1e-5)
    assert np.abs(one - two).max() > 1e-3
    assert both == pytest.approx((one + two) / 2, abs=1e-6)


def test_a_network_learns_from_a_teacher(
    model: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    score = Teachers.__call__

    def counted(teachers: Teachers, faces: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        scored.append(len(faces))
        return score(teachers, faces)

    monkeypatch.setattr(Teachers, "__call__", counted)
    student = replace(recipe, epochs=1, teacher=(str(model),), teacher_share=1.0, augmentation="gentle", mixup=0.2)
    out = train(student, tmp_path / "emotion")
    facts = json.loads((out / "model.json").read_text())
    assert (facts["training"]["teacher"], facts["training"]["teacher_share"]) == ([str(model)], 1.0)
    assert facts["training"]["mixup"] == 0.2
    assert facts["teachers"][0]["training"]["epochs"] == 2
    assert scored[-4:] == [16, 16, 16, 7]  # Keras takes the first batch twice, to see its shape
    with pytest.raises(TrainingError, match="has the labels man, woman, but the data have angry"):
        train(replace(student, teacher=(str(shipped_models()["gender"]),)), tmp_path / "other")
    (out / "model.keras").unlink()
    with pytest.raises(ModelError, match="which teaching needs"):
        train(replace(student, teacher=(str(out),)), tmp_path / "other")
    assert not list(tmp_path.glob("other*"))


def test_data_sets_keep_their_own_label_frequencies(recipe: Recipe, fer2013: Path, tmp_path: Path) -> None:
    """Stopped and resumed, as the loss is then read from a file."""
    both = replace(recipe, data=(*recipe.data, f"ferplus={fer2013}"), prior=("ferplus",), votes=0.0, cutmix=0.3)
    with pytest.raises(KeyboardInterrupt):
        train(both, tmp_path / "model", callbacks=[StopAfter(1)])
    train(both, tmp_path / "model", resume=True)
    plain = train(replace(both, prior=()), tmp_path / "plain")
    mine, other = (read_history(folder / "history.csv") for folder in (tmp_path / "model", plain))
    assert len(mine) == 2
    assert mine[0]["loss"] != pytest.approx(other[0]["loss"], abs=1e-3)
    with pytest.raises(ValueError, match="`prior` must name a data set of `data`, not “rafdb”"):
        replace(recipe, prior=("rafdb",))


def test_pictures_of_held_out_sets_are_not_trained_on(recipe: Recipe, fer2013: Path, tmp_path: Path) -> None:
    other = tmp_path / "fer2013"
    shutil.copytree(fer2013, other, ignore=shutil.ignore_patterns("fer2013new.csv"))
    lines = (other / "fer2013.csv").read_text().splitlines()
    # Its pictures for validation are the first of this run's training pictures.
    swapped = [*lines[:1], *(line.replace("Training", "PublicTest") for line in lines[1:11])]
    (other / "fer2013.csv").write_text("\n".join([*swapped, lines[60], lines[80]]) + "\n")
    folder = train(replace(recipe, held_out=(f"fer2013={other}",), epochs=1), tmp_path / "model")
    assert read_card(folder).data[0].train == 55 - 9  # the first was left out before
