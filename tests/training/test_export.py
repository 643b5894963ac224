"""Export to LiteRT and calibration, on a model that was trained for the test."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from emotion_cam.card import read_card
from emotion_cam.errors import ModelError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training import card
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import load
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.export import calibrate, export


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
    last.set_weights([30 * weights for weights in last.get_weights()])  # overconfident
    network.save(folder / "model.keras")
    validation, test = load("fer2013", fer2013, "validation"), load("fer2013", fer2013, "test")
    before = evaluate(folder, test, runtime="keras")
    card.write(folder, replace(read_card(folder), min_confidence=0.4))

    def negative_log_likelihood() -> float:
        figures = evaluate(folder, validation, runtime="keras")
        return -float(np.log(figures.scores[np.arange(14), figures.truth]).mean())

    loss_before = negative_log_likelihood()
    temperature, difference = calibrate(folder, [validation])
    assert temperature > 2
    assert negative_log_likelihood() < loss_before
    assert difference < 1e-4
    for runtime in ("litert", "keras"):
        after = evaluate(folder, test, runtime=runtime)
        assert np.array_equal(after.predicted, before.predicted)
        powers = before.scores.astype(np.float64) ** (1 / temperature)
        assert after.scores == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-3)

    calibrated = read_card(folder)
    assert calibrated.training.temperature == pytest.approx(temperature, abs=1e-4)
    assert calibrated.training.temperature_data == "fer2013 validation"
    assert calibrated.measured[0].accuracy > 0
    assert calibrated.measured[0].calibration is None
    # The threshold is chosen again: nine in ten validation pictures reach it.
    figures = evaluate(folder, validation, runtime="keras")
    assert figures.min_confidence == calibrated.min_confidence != 0.4
    assert figures.sure is not None
    assert figures.sure.coverage >= 0.9
    assert f"{calibrated.min_confidence:g}" in (folder / "README.md").read_text()
    assert not list(folder.glob("reliability*"))
    # A second time there is nothing left to correct.
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
