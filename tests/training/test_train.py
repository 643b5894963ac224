"""A whole run, small but real: train, stop, resume, evaluate, export, and use what came out."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion_cam.recognition.classifier import Classifier, ModelCard, shipped_models
from emotion_cam.errors import DatasetError, ModelError, TrainingError
from emotion_cam.training import card
from emotion_cam.training.datasets import EMOTIONS, GENDERS, load
from emotion_cam.training.evaluate import Report, evaluate, reframed
from emotion_cam.training.export import calibrate, export
from emotion_cam.training.networks import mini_xception
from emotion_cam.training.teachers import Teachers
from emotion_cam.training.train import Recipe, train
from emotion_cam.types import Box


@pytest.fixture(scope="module")
def recipe(fer2013: Path) -> Recipe:
    return Recipe(
        task="emotion",
        data=(("fer2013", str(fer2013)),),
        epochs=2,
        batch_size=16,
        votes=0.3,
        augmentation="none",
        seed=3,
    )


@pytest.fixture(scope="module")
def model(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe, tmp_path_factory.mktemp("models") / "emotion", command="emotion-cam train …")


def read_history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open(newline="") as lines:
        return [{key: float(value) for key, value in epoch.items()} for epoch in csv.DictReader(lines)]


class StopAfter(keras.callbacks.Callback):  # type: ignore[misc]
    """Pulls the plug in the first batch after so many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._epochs -= batch == 0
        if self._epochs < 0:
            raise KeyboardInterrupt


def test_a_run_writes_a_folder_that_explains_itself(model: Path, recipe: Recipe) -> None:
    assert sorted(file.name for file in model.parent.iterdir()) == ["emotion"]
    assert {file.name for file in model.iterdir()} == {
        "model.keras",
        "model.tflite",
        "model.json",
        "README.md",
        "history.csv",
        "curves.png",
        "confusion-fer2013-validation.png",
        "reliability-fer2013-validation.png",
    }
    facts = json.loads((model / "model.json").read_text())
    assert (facts["task"], facts["parameters"], facts["training"]["seed"]) == ("emotion", 58_423, 3)
    assert facts["training"]["command"] == "emotion-cam train …"
    # One training picture is a copy of a test picture.
    assert (facts["data"][0]["train"], facts["data"][0]["validation"]) == (55, 14)
    history = read_history(model)
    assert len(history) == recipe.epochs
    # The figure that chose the epoch is the one that the shipped file gives through the run-time's classifier.
    best = max(epoch["val_accuracy"] for epoch in history)
    assert facts["measured"][0]["accuracy"] == pytest.approx(best, abs=1e-4)
    readme = (model / "README.md").read_text()
    assert f"| fer2013 validation | 14 | {facts['measured'][0]['accuracy']:.4f} |" in readme


def test_both_runtimes_run_it(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    with_litert, with_keras = (evaluate(model, faces, runtime=runtime) for runtime in ("litert", "keras"))
    assert np.abs(with_litert.scores - with_keras.scores).max() < 1e-4
    assert ModelCard.load(model).labels == faces.labels


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(model: Path, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "emotion"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, callbacks=[StopAfter(1)])
    assert not out.exists()
    with pytest.raises(TrainingError, match="--resume"):
        train(recipe, out)
    with pytest.raises(TrainingError, match="another epochs"):
        train(replace(recipe, epochs=9), out, resume=True)
    # As a run looks that was started before networks had variants.
    written = out.with_name("emotion.training") / "recipe.json"
    older = {key: value for key, value in json.loads(written.read_text()).items() if key != "residual"}
    written.write_text(json.dumps(older))
    with pytest.raises(TrainingError, match="another residual"):
        train(replace(recipe, residual=False), out, resume=True)
    train(recipe, out, resume=True)
    assert not out.with_name("emotion.training").exists()

    losses = [[epoch["loss"] for epoch in read_history(folder)] for folder in (out, model)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the class map's weights after every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.seen.append(self.model.get_layer("class_map").get_weights()[0])


def test_validation_and_the_model_have_averaged_weights(recipe: Recipe, tmp_path: Path, fer2013: Path) -> None:
    watch = Watch()
    out = train(replace(recipe, epochs=1, average=0.5), tmp_path / "emotion", callbacks=[watch])
    assert len(watch.seen) == 4
    average = watch.seen[0]
    for weights in watch.seen[1:]:
        average = average / 2 + weights / 2  # half an epoch is two steps
    network = keras.models.load_model(out / "model.keras", compile=False)
    assert network.get_layer("class_map").get_weights()[0] == pytest.approx(average, abs=1e-5)
    assert np.abs(watch.seen[-1] - average).max() > 1e-3

    report = evaluate(out, load("fer2013", fer2013, "validation"), runtime="keras")
    (epoch,) = read_history(out)
    assert epoch["val_accuracy"] == pytest.approx(report.accuracy, abs=1e-4)
    likelihoods = report.scores[np.arange(14), report.truth]
    assert epoch["val_loss"] == pytest.approx(-np.log(likelihoods).mean(), rel=1e-3)


def test_a_stopped_run_with_averages_goes_on_as_if_it_had_not_been_stopped(recipe: Recipe, tmp_path: Path) -> None:
    averaging = replace(recipe, average=1.0)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(averaging, whole)
    with pytest.raises(KeyboardInterrupt):
        train(averaging, stopped, callbacks=[StopAfter(1)])
    train(averaging, stopped, resume=True)
    for one, other in zip(read_history(whole), read_history(stopped), strict=True):
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
    """Brightness tells the class in these pictures; chance is one in seven."""
    easy = replace(recipe, epochs=20, learning_rate=1e-2, batch_size=8, votes=0.0, schedule="plateau", patience=15)
    out = train(easy, tmp_path / "emotion")
    assert evaluate(out, load("fer2013", fer2013, "validation")).accuracy > 0.4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": "resnet"}, "no network “resnet”"),
        ({"schedule": "linear"}, "no schedule"),
        ({"augmentation": "wild"}, "no augmentation"),
        ({"data": ()}, "nothing to train on"),
        ({"epochs": 0}, "at least one epoch"),
        ({"separable": False, "middle_activation": True}, "no middle"),
        ({"average": -1}, "below 0"),
        ({"mixup": -0.1}, "below 0"),
        ({"teachers": ("nowhere",), "teacher_share": 1.5}, "between 0 and 1"),
    ],
)
def test_a_recipe_without_sense_is_told(recipe: Recipe, tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        train(replace(recipe, **changes), tmp_path / "emotion")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_group_to_emphasise_must_be_known(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no race “Black” to emphasise; the data do not say of what race"):
        train(replace(recipe, emphasis=(("race", "Black", 1.5),)), tmp_path / "model")


def test_there_must_be_a_run_to_resume(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="without --resume"):
        train(recipe, tmp_path / "emotion", resume=True)


def test_a_run_starts_from_another_models_weights(model: Path, recipe: Recipe, tmp_path: Path) -> None:
    gentle = replace(recipe, epochs=1, learning_rate=1e-9, init=str(model))
    (tmp_path / "emotion").mkdir()
    (tmp_path / "emotion" / "notes.md").write_text("Ten epochs were too few.\n")
    out = train(gentle, tmp_path / "emotion")
    assert "## What was tried\n\nTen epochs were too few.\n" in (out / "README.md").read_text()
    assert (out / "notes.md").exists()
    faces = [np.random.default_rng(0).integers(0, 255, (48, 48), np.uint8)]
    # Batch normalisation still moves its averages, so the two are near each other but not equal.
    assert np.abs(Classifier(out)(faces) - Classifier(model)(faces)).max() < 0.15
    before = json.loads((out / "model.json").read_text())["before"]
    assert (before["training"]["epochs"], before["data"][0]["name"]) == (2, "fer2013")
    assert "## Before that" in (out / "README.md").read_text()
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
    pictures = np.stack(load("fer2013", fer2013, "test").images)[..., None].astype(np.float32)
    one, two, both = (Teachers(folders, EMOTIONS)(pictures) for folders in ([model], [other], [model, other]))
    expected = Classifier(model, runtime="keras")([picture[..., 0] for picture in pictures])
    assert one == pytest.approx(expected, abs=1e-5)
    assert np.abs(one - two).max() > 1e-3
    assert both == pytest.approx((one + two) / 2, abs=1e-6)


def test_a_network_learns_of_a_teacher(
    model: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    score = Teachers.__call__
    monkeypatch.setattr(Teachers, "__call__", lambda self, faces: asked.append(len(faces)) or score(self, faces))
    taught = replace(recipe, epochs=1, teachers=(str(model),), teacher_share=1.0, augmentation="gentle", mixup=0.2)
    out = train(taught, tmp_path / "emotion")
    facts = json.loads((out / "model.json").read_text())
    assert (facts["training"]["teachers"], facts["training"]["teacher_share"]) == ([str(model)], 1.0)
    assert facts["training"]["mixup"] == 0.2
    assert facts["teachers"][0]["training"]["epochs"] == 2
    assert "## Teacher 1" in (out / "README.md").read_text()
    assert asked[-4:] == [16, 16, 16, 7]  # Keras asks for the first batch before, to see its shape
    with pytest.raises(TrainingError, match="tells man, woman, but the data angry"):
        train(replace(taught, teachers=(str(shipped_models()["gender"]),)), tmp_path / "other")
    (out / "model.keras").unlink()
    with pytest.raises(ModelError, match="to teach with"):
        train(replace(taught, teachers=(str(out),)), tmp_path / "other")
    assert not list(tmp_path.glob("other*"))


def test_figures_are_those_of_the_counts() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]], np.float32)
    report = Report("some test", "litert", GENDERS, np.array([0, 0, 0, 1, 1]), scores)
    assert report.confusion.tolist() == [[2, 1], [1, 1]]
    assert report.accuracy == pytest.approx(3 / 5)
    assert report.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    man, woman = report.per_class
    assert (man["label"], man["precision"], man["recall"], man["pictures"]) == (
        "man",
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        3,
    )
    assert (woman["precision"], woman["recall"], woman["f1"]) == pytest.approx((0.5, 0.5, 0.5))


def test_groups_have_figures_of_their_own() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.5, 0.5]], np.float32)
    groups = {"race": np.array(["a", "a", "b", "b", "b", "c", ""])}
    report = Report("some test", "litert", GENDERS, np.array([0, 0, 0, 1, 1, 0, 1]), scores, groups)
    figures = report.as_dict()["groups"]["race"]
    assert figures["groups"] == [
        {"group": "a", "pictures": 2, "accuracy": 1, "balanced_accuracy": 1, "recall": {"man": 1, "woman": None}},
        {
            "group": "b",
            "pictures": 3,
            "accuracy": round(1 / 3, 4),
            "balanced_accuracy": 0.25,
            "recall": {"man": 0, "woman": 0.5},
        },
        {"group": "c", "pictures": 1, "accuracy": 0, "balanced_accuracy": 0, "recall": {"man": 0, "woman": None}},
    ]
    assert (figures["worst"], figures["mean"], figures["worst_below_mean"]) == ("c", 0.4167, 0.4167)
    ages = replace(report, groups={"age": np.array(["10-19", "3-9", "more than 70", "20-29", "0-2", "3-9", ""])})
    assert [row["group"] for row in ages.per_group["age"]] == ["0-2", "3-9", "10-19", "20-29", "more than 70"]
    for none in ({}, {"race": np.array([""] * 7)}):
        assert "groups" not in replace(report, groups=none).as_dict()


def test_boxes_are_reframed_by_what_is_said() -> None:
    assert reframed(Box(10, 20, 50, 60)) == {
        "left": Box(7, 20, 47, 60),
        "right": Box(13, 20, 53, 60),
        "up": Box(10, 17, 50, 57),
        "down": Box(10, 23, 50, 63),
        "× 0.85": Box(13, 23, 47, 57),
        "× 1.15": Box(7, 17, 53, 63),
    }


def test_framing_is_measured_by_moving_the_box(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    report = evaluate(model, faces, framing=True)
    for name, box in reframed(faces.box).items():
        assert report.framing[name] == evaluate(model, replace(faces, box=box)).balanced_accuracy
    figures = replace(report, framing={"left": report.balanced_accuracy - 0.1, "right": report.balanced_accuracy})
    assert figures.as_dict()["framing"]["mean_loss"] == pytest.approx(0.05)
    assert figures.as_dict()["framing"]["worst_loss"] == pytest.approx(0.1)


def test_mirror_images_are_measured_too(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    turned = replace(faces, images=np.asarray(faces.images)[:, :, ::-1])
    one, other, both = (
        evaluate(model, given, mirrored=mirrored).scores
        for given, mirrored in ((faces, False), (turned, False), (faces, True))
    )
    assert np.abs(one - other).max() > 1e-4
    assert both == pytest.approx((one + other) / 2, abs=1e-5)


def test_the_card_tells_groups_and_framing(model: Path, fer2013: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    faces = load("fer2013", fer2013, "test")
    races = np.array(["Black", "White"])[np.arange(14) % 2]
    report = evaluate(folder, replace(faces, groups={"race": races}), framing=True)
    card.record(folder, report)
    readme, facts = (folder / "README.md").read_text(), report.as_dict()
    groups, framing = facts["groups"]["race"], facts["framing"]
    assert f"the worst group is {groups['worst']}, {groups['worst_below_mean']:.4f} below the mean" in readme
    for row in groups["groups"]:
        assert f"| {row['group']} | 7 | {row['accuracy']:.3f} | {row['balanced_accuracy']:.3f} |" in readme
    for row in framing["changes"]:
        assert f"| {row['box']} | {row['balanced_accuracy']:.4f} | {row['loss']:.4f} |" in readme
    assert f"{framing['mean_loss']:.4f} in the mean and by {framing['worst_loss']:.4f} at worst" in readme
    assert card.error_names(GENDERS) == ["man called woman", "woman called man"]


def test_a_recorded_figure_replaces_the_one_before(model: Path, fer2013: Path, tmp_path: Path) -> None:
    report = evaluate(model, load("fer2013", fer2013, "test"))
    for _ in range(2):
        card.record(model, report)
    facts = json.loads((model / "model.json").read_text())
    assert [entry["data"] for entry in facts["measured"]] == ["fer2013 validation", "fer2013 test"]
    for plot in ("confusion", "reliability"):
        assert (model / f"{plot}-fer2013-test.png").stat().st_size > 1000
        assert f"({plot}-fer2013-test.png)" in (model / "README.md").read_text()
    assert facts["measured"][1]["calibration"]["error"] == pytest.approx(report.calibration_error, abs=1e-4)
    assert "fer2013 test" in (model / "README.md").read_text()


def test_labels_must_fit(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    with pytest.raises(DatasetError, match="labels a, b"):
        evaluate(model, replace(faces, labels=("a", "b")))


def test_export_refuses_a_network_that_it_cannot_prove_equal(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    before = (folder / "model.tflite").read_bytes()
    network = keras.models.load_model(folder / "model.keras")
    network.get_layer("class_map").set_weights(
        [np.full_like(w, np.nan) for w in network.get_layer("class_map").get_weights()]
    )
    network.save(folder / "model.keras")
    with pytest.raises(ModelError, match="nothing was written"):
        export(folder, [np.zeros((48, 48), np.uint8)])
    assert (folder / "model.tflite").read_bytes() == before


def test_export_writes_scores_and_the_class_activation_map(model: Path, fer2013: Path, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / "model.tflite").unlink()
    faces = load("fer2013", fer2013, "test").extracted((48, 48), 0.0)
    assert export(folder, faces) < 1e-4
    outputs = Interpreter(str(folder / "model.tflite")).get_output_details()
    assert sorted(tuple(output["shape_signature"]) for output in outputs) == [(-1, 3, 3, 7), (-1, 7)]
    assert Classifier(folder)(faces).shape == (14, 7)


def test_calibration_makes_the_truth_likelier_and_changes_no_label(model: Path, fer2013: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    network = keras.models.load_model(folder / "model.keras")
    last = network.get_layer("class_map")
    last.set_weights([30 * weights for weights in last.get_weights()])  # far too sure
    network.save(folder / "model.keras")
    validation, test = load("fer2013", fer2013, "validation"), load("fer2013", fer2013, "test")
    before = evaluate(folder, test, runtime="keras")
    card.write(folder, {**json.loads((folder / "model.json").read_text()), "min_confidence": 0.4})

    def surprise() -> float:
        report = evaluate(folder, validation, runtime="keras")
        return -float(np.log(report.scores[np.arange(14), report.truth]).mean())

    surprise_before = surprise()
    temperature, difference = calibrate(folder, [validation])
    assert temperature > 2
    assert surprise() < surprise_before
    assert difference < 1e-4
    for runtime in ("litert", "keras"):
        after = evaluate(folder, test, runtime=runtime)
        assert np.array_equal(after.predicted, before.predicted)
        powers = before.scores.astype(np.float64) ** (1 / temperature)
        assert after.scores == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-3)

    facts = json.loads((folder / "model.json").read_text())
    assert facts["training"]["temperature"] == pytest.approx(temperature, abs=1e-4)
    assert facts["training"]["temperature_data"] == "fer2013 validation"
    assert facts["measured"][0]["accuracy"] > 0
    assert "calibration" not in facts["measured"][0]
    # The threshold is chosen anew: nine in ten validation pictures reach it.
    report = evaluate(folder, validation, runtime="keras")
    assert report.min_confidence == facts["min_confidence"] != 0.4
    assert report.sure["coverage"] >= 0.9
    assert f"below {facts['min_confidence']:g}" in (folder / "README.md").read_text()
    assert not list(folder.glob("reliability*"))
    # A second time there is nothing left to do.
    assert calibrate(folder, [validation])[0] == pytest.approx(1, abs=1e-2)


def test_calibration_that_cannot_be_exported_changes_nothing(
    model: Path, fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    before = {file: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr("emotion_cam.training.export.TOLERANCE", -1)
    with pytest.raises(ModelError, match="nothing was written"):
        calibrate(folder, [load("fer2013", fer2013, "validation")])
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_export_needs_the_keras_file(emotion_model: Path) -> None:
    (emotion_model / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"no model\.keras"):
        export(emotion_model, [])
