"""train, evaluate and export as commands, one after the other, on a small data set."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from emotion_cam.recognition.classifier import shipped_models
from emotion_cam.cli import app
from emotion_cam.training.export import export
from emotion_cam.training.networks import mini_xception
from emotion_cam.types import Image


def emotion_cam(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_from_pictures_to_a_measured_model(fer2013: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "mine", f"fer2013={fer2013}"
    trained = emotion_cam("train", "--task", "emotion", "--data", data, "--epochs", "1", "--out", out)
    assert trained.exit_code == 0, trained.output
    assert "epoch 1 of 1: accuracy" in trained.stderr
    assert f"Wrote {out}" in trained.stdout

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
    assert "cards tell of the network alone" in refused.stderr

    calibrated = emotion_cam("export", out, "--data", data, "--calibrate")
    assert calibrated.exit_code == 0, calibrated.output
    assert "by the temperature" in calibrated.stdout
    assert json.loads((out / "model.json").read_text())["training"]["temperature"] > 0

    unwritable = emotion_cam("evaluate", out, "--data", data, "--json", tmp_path / "nowhere" / "figures.json")
    assert (unwritable.exit_code, unwritable.stderr.count("\n")) == (1, 1)


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
    assert {
        name: training[name]
        for name in ("mixup", "average", "teacher_share", "teachers", "width", "optimizer", "freeze")
    } == {
        "mixup": 0.2,
        "average": 0.5,
        "teacher_share": 0.3,
        "teachers": [teacher],
        "width": 0.5,
        "optimizer": "rmsprop",
        "freeze": 3,
    }
    assert (training["residual"], training["separable"], training["middle_activation"]) == (False, True, True)


@pytest.mark.parametrize(
    ("emphasis", "code", "told"),
    [("race=Black:1.5", 1, "There is no race “Black” to emphasise"), ("Black:1.5", 2, "not of the form")],
)
def test_a_group_to_emphasise_is_checked(fer2013: Path, tmp_path: Path, emphasis: str, code: int, told: str) -> None:
    arguments = ("--task", "gender", "--data", f"fer2013={fer2013}", "--out", tmp_path / "mine")
    result = emotion_cam("train", *arguments, "--emphasis", emphasis)
    assert result.exit_code == code
    assert told in " ".join(result.output.replace("│", "").split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--network", "xception"], "give --size 71"),
        (["--middle-blocks", "2"], "no middle blocks"),
        (["--devices", "2"], "KERAS_BACKEND=jax"),
        (["--devices", "0"], "KERAS_BACKEND=jax"),
        (["--mixed-precision"], "on a GPU alone"),
    ],
)
def test_options_that_do_not_fit_are_told(
    fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    from emotion_cam.training import train

    monkeypatch.setattr(train, "_device", lambda: "tensorflow on a cpu")
    result = emotion_cam(
        "train", "--task", "emotion", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", *options
    )
    assert result.exit_code == 1
    assert told in result.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_told_in_one_line(fer2013: Path, tmp_path: Path) -> None:
    for arguments in (
        ["train", "--task", "emotion", "--data", "fer2013=nowhere", "--out", tmp_path / "mine"],
        ["train", "--task", "emotion", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", "--network", "vgg"],
        ["evaluate", tmp_path / "nowhere", "--data", f"mnist={fer2013}"],
        ["evaluate", tmp_path / "nowhere", "--data", f"fer2013={fer2013}"],
        ["train", "--task", "x", "--data", f"fer2013={fer2013}", "--out", tmp_path / "x", "--teacher", "nowhere"],
        ["export", tmp_path / "nowhere", "--data", f"fer2013={fer2013}"],
    ):
        result = emotion_cam(*arguments)
        assert result.exit_code == 1, result.output
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "mine.training").exists()
