"""train, average, evaluate and export as commands, on a small data set."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.card import read_card, shipped_models
from emotion_cam.training import backend
from emotion_cam.training.backend import keras
from emotion_cam.training.export import export
from emotion_cam.training.networks import mini_xception
from emotion_cam.types import Image
from tests.command import emotion_cam


def test_from_pictures_to_a_measured_model(fer2013: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "mine", f"fer2013={fer2013}"
    trained = emotion_cam("train", "--task", "emotion", "--data", data, "--epochs", "1", "--out", out)
    assert trained.exit_code == 0, trained.output
    assert "epoch 1 of 1: accuracy" in trained.stderr
    assert trained.stdout == f"Wrote {out}\n"

    figures = tmp_path / "figures.json"
    measured = emotion_cam("evaluate", out, "--data", data, "--json", figures, "--framing", "--card")
    assert measured.exit_code == 0, measured.output
    (report,) = json.loads(figures.read_text())
    assert f"fer2013 test: accuracy {report['accuracy']:.4f}" in measured.stdout
    assert sum(map(sum, report["confusion"])) == report["pictures"] == 14
    assert f"calibration error {report['calibration']['error']:.4f}" in measured.stdout
    framing = report.pop("framing")
    assert f"mean {framing['mean_loss']:.4f}, worst {framing['worst_loss']:.4f}" in measured.stdout
    assert f"{report['accuracy']:.4f}" in emotion_cam("info", out).stdout

    (out / "model.tflite").unlink()
    assert emotion_cam("evaluate", out, "--data", data).exit_code == 1
    assert emotion_cam("export", out, "--data", data).exit_code == 0
    again = tmp_path / "again.json"
    assert emotion_cam("evaluate", out, "--data", data, "--json", again).exit_code == 0
    assert json.loads(again.read_text()) == [report]
    assert emotion_cam("evaluate", out, "--data", data, "--mirrored").exit_code == 0
    refused = emotion_cam("evaluate", out, "--data", data, "--mirrored", "--card")
    assert refused.exit_code == 2
    assert "figures of the network alone; leave out --mirrored, --adapt or --card" in refused.stderr

    calibrated = emotion_cam("export", out, "--data", data, "--calibrate")
    assert calibrated.exit_code == 0, calibrated.output
    assert "by the temperature" in calibrated.stdout
    assert json.loads((out / "model.json").read_text())["training"]["temperature"] > 0

    unwritable = emotion_cam("evaluate", out, "--data", data, "--json", tmp_path / "nowhere" / "figures.json")
    assert (unwritable.exit_code, unwritable.stderr.count("\n")) == (1, 1)

    mean = emotion_cam("average", out, out, "--data", data, "--out", tmp_path / "mean")
    assert mean.exit_code == 0, mean.output
    assert read_card(tmp_path / "mean").training.command == (
        f"emotion-cam average {out} {out} --data {data} --out {tmp_path / 'mean'}"
    )


def test_a_recipe_file_instead_of_options(fer2013: Path, tmp_path: Path) -> None:
    """What a run recorded can be run again."""
    first, recipe = tmp_path / "first", tmp_path / "recipe.toml"
    recipe.write_text('task = "emotion"\ndata = ["fer2013=fer2013"]\nepochs = 1\nseed = 4\n')
    options = ("--recipe", recipe, "--data-folder", fer2013.parent)
    trained = emotion_cam("train", *options, "--out", first)
    assert trained.exit_code == 0, trained.output
    assert trained.stdout == f"Wrote {first}\n"
    assert (first / "recipe.toml").read_text() == recipe.read_text()
    again = emotion_cam("train", *options, "--out", first)
    assert (again.exit_code, again.stdout) == (0, f"Wrote {first}\n")
    assert f"{first} is finished" in again.stderr
    assert "epoch 1" not in again.stderr

    recipe.write_text(recipe.read_text().replace("seed = 4", "seed = 5"))
    changed = emotion_cam("train", *options, "--out", first)
    assert changed.exit_code == 1
    assert "has a model of another recipe (--seed 4, not 5). --restart replaces it" in changed.stderr
    mixed = emotion_cam("train", *options, "--epochs", "3", "--out", first)
    assert mixed.exit_code == 2
    assert "leave out --epochs" in mixed.stderr
    assert emotion_cam("train", "--task", "x", "--restart", "--out", first).exit_code == 2
    recipe.write_text("epochs = 0")
    broken = emotion_cam("train", *options, "--out", first)
    assert (broken.exit_code, broken.stderr.count("\n")) == (1, 1)
    assert "is not a recipe: --epochs must be at least 1" in broken.stderr


def test_a_task_of_ones_own_with_its_own_labels_and_size(portrait: Image, tmp_path: Path) -> None:
    mask, photo, table = tmp_path / "mask", tmp_path / "photo.png", tmp_path / "faces.jsonl"
    mask.mkdir()
    card = {"task": "mask", "labels": ["mask", "none", "half"], "size": [56, 72], "margin": 0.1}
    (mask / "model.json").write_text(json.dumps(card))
    keras.utils.set_random_seed(0)
    mini_xception((56, 72, 1), 3).save(mask / "model.keras")
    export(mask, [np.zeros((56, 72), np.uint8)])
    cv2.imwrite(str(photo), portrait)
    result = emotion_cam("--image", photo, "--out", table, "--model", mask, "--group", "some=mask,half")
    assert result.exit_code == 0, result.output
    predictions = json.loads(table.read_text())["faces"][0]["predictions"]
    assert list(predictions) == ["emotion", "gender", "mask"]
    assert list(predictions["mask"]["scores"]) == ["some", "none"]


def test_the_options_of_training_are_in_the_card(fer2013: Path, tmp_path: Path) -> None:
    out, teacher = tmp_path / "mine", str(shipped_models()["emotion"])
    options: dict[str, str | float] = {"mixup": 0.2, "average": 0.5, "teacher": teacher, "teacher-share": 0.3}
    options |= {"width": 0.5, "optimizer": "rmsprop", "freeze": 3}
    given = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    data = f"fer2013={fer2013}"
    trained = emotion_cam(
        "train", "--task", "emotion", "--data", data, "--epochs", "1", "--out", out, *given, "--no-residual",
        "--middle-activation",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    training = json.loads((out / "model.json").read_text())["training"]
    expected = {name.replace("-", "_"): value for name, value in options.items()} | {"teacher": [teacher]}
    assert {name: training[name] for name in expected} == expected
    assert (training["residual"], training["separable"], training["middle_activation"]) == (False, True, True)


@pytest.mark.parametrize(
    ("emphasis", "code", "message"),
    [
        ("race=Black:1.5", 1, "There is no race “Black” for --emphasis"),
        ("Black:1.5", 2, "--emphasis must be written as in race=Black:1.5"),
    ],
)
def test_a_group_to_emphasize_is_checked(fer2013: Path, tmp_path: Path, emphasis: str, code: int, message: str) -> None:
    arguments = ("--task", "gender", "--data", f"fer2013={fer2013}", "--out", tmp_path / "mine")
    result = emotion_cam("train", *arguments, "--emphasis", emphasis)
    assert result.exit_code == code
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "xception"], "needs faces of 71×71 pixels or more: --size 71"),
        (["--middle-blocks", "2"], "mini_xception has no --middle-blocks"),
        (["--devices", "2"], "KERAS_BACKEND=jax"),
        (["--devices", "0"], "KERAS_BACKEND=jax"),
        (["--mixed-precision"], "on GPUs only; leave out --mixed-precision"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setattr(backend, "device", lambda: "tensorflow on a cpu")
    result = emotion_cam(
        "train", "--task", "emotion", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", *options
    )
    assert result.exit_code == 1
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named_in_one_line(fer2013: Path, tmp_path: Path) -> None:
    commands: tuple[list[str | Path], ...] = (
        ["train", "--task", "emotion", "--data", "fer2013=nowhere", "--out", tmp_path / "mine"],
        ["train", "--task", "emotion", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", "--network", "vgg"],
        ["evaluate", tmp_path / "nowhere", "--data", f"mnist={fer2013}"],
        ["evaluate", tmp_path / "nowhere", "--data", f"fer2013={fer2013}"],
        ["train", "--task", "x", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", "--teacher", "nowhere"],
        ["train", "--recipe", tmp_path / "nowhere.toml", "--out", tmp_path / "x"],
        ["export", tmp_path / "nowhere", "--data", f"fer2013={fer2013}"],
    )
    for arguments in commands:
        result = emotion_cam(*arguments)
        assert result.exit_code == 1, result.output
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "mine.training").exists()
