from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.types import Box, Image


def change(folder: Path, **fields: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def fill(file: Path, start: int, count: int, byte: int = 0) -> None:
    """Overwrite a part of a file with one byte, as a failing disk does."""
    content = bytearray(file.read_bytes())
    content[start : start + count] = bytes([byte]) * len(content[start : start + count])
    file.write_bytes(content)


def test_the_shipped_models_are_complete() -> None:
    models = shipped_models()
    assert set(models) >= {"emotion", "gender"}
    for task, folder in models.items():
        assert read_card(folder).task == task
        assert {file.name for file in folder.iterdir()} >= {"model.keras", "model.tflite", "README.md"}
        assert list(folder.glob("*history.csv"))


def test_a_batch_gives_the_same_scores_as_single_crops(portrait: Image, face: Box) -> None:
    classifier = Classifier(shipped_models()["emotion"])
    crops = [extract_face(portrait, face.padded(margin), classifier.card.size) for margin in (-0.1, 0.0, 0.2, 0.5)]
    batch = classifier(crops)
    assert batch.shape == (4, len(classifier.card.labels))
    assert batch.dtype == np.float32
    assert batch.sum(axis=1) == pytest.approx(1, abs=1e-5)
    singly = np.concatenate([classifier([crop]) for crop in crops])
    assert np.abs(batch - singly).max() < 1e-5
    assert np.abs(classifier(crops[:2]) - batch[:2]).max() < 1e-5
    assert not np.allclose(batch[0], batch[3], atol=1e-3)


def test_no_crops_give_no_scores() -> None:
    assert Classifier(shipped_models()["gender"])([]).shape == (0, 2)


@pytest.mark.parametrize("task", ["emotion", "gender"])
def test_the_scores_follow_from_the_class_maps(portrait: Image, face: Box, task: str) -> None:
    classifier = Classifier(shipped_models()[task])
    crops = [extract_face(portrait, face.padded(margin), classifier.card.size) for margin in (0.0, 0.2)]
    scores, maps = classifier.with_class_maps(crops)
    assert np.array_equal(scores, classifier(crops))
    assert maps is not None
    assert maps.dtype == np.float32
    exponentials = np.exp(maps.mean(axis=(1, 2)))
    assert exponentials / exponentials.sum(axis=1, keepdims=True) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.tflite").unlink(), "has no model.tflite"),
        (lambda folder: (folder / "model.json").unlink(), "has no model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "not valid JSON"),
        (lambda folder: change(folder, labels=["a"] * 7), "not a model card"),
        (lambda folder: (folder / "model.tflite").write_bytes(b"nonsense"), "not a LiteRT model"),
        (lambda folder: (folder / "model.tflite").write_bytes(b""), "not a LiteRT model"),
        (lambda folder: fill(folder / "model.tflite", 0, 250_000), "not a LiteRT model"),
        (lambda folder: fill(folder / "model.tflite", 60_000, 20_000, 0xFF), "scores are not numbers"),
        (lambda folder: change(folder, labels=["good", "bad"]), "inconsistent"),
        (lambda folder: change(folder, size=[64, 64]), "inconsistent"),
    ],
)
def test_a_damaged_model_gives_one_line_that_names_it(
    emotion_model: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(emotion_model)
    with pytest.raises(ModelError, match=message) as error:
        Classifier(emotion_model)
    assert "\n" not in str(error.value)
    assert str(emotion_model) in str(error.value)


def test_a_truncated_network_is_named(emotion_model: Path) -> None:
    file = emotion_model / "model.tflite"
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(ModelError, match=r"model\.tflite"):
        Classifier(emotion_model)


def test_a_model_can_be_replaced_while_it_is_in_use(emotion_model: Path) -> None:
    classifier = Classifier(emotion_model)
    crops = [np.full((48, 48), 90, np.uint8)]
    before = classifier(crops)
    (emotion_model / "model.tflite").write_bytes(b"")
    assert np.array_equal(classifier(crops), before)


def test_a_network_that_asks_for_endless_memory_is_refused_at_once(emotion_model: Path) -> None:
    file = emotion_model / "model.tflite"
    content, shape = file.read_bytes(), np.array([1, 48, 48, 1], "<i4").tobytes()
    assert shape in content
    file.write_bytes(content.replace(shape, np.array([1, 48 << 16, 48 << 8, 1], "<i4").tobytes()))
    with pytest.raises(ModelError, match=r"model\.tflite is damaged"):
        Classifier(emotion_model)


def test_a_missing_folder_and_an_unknown_runtime_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Classifier(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="litert and keras"):
        Classifier(shipped_models()["emotion"], runtime="torch")


def test_litert_prints_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    Classifier(shipped_models()["emotion"])([np.zeros((48, 48), np.uint8)])
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["checksum", "truncated", "zeros", "text", "another network"])
def test_a_damaged_keras_file_is_named(emotion_model: Path, damage: str) -> None:
    file = emotion_model / "model.keras"
    if damage == "checksum":
        fill(file, file.stat().st_size // 2, 8, 0xAA)
    elif damage == "another network":
        file.unlink()
        save_another_network(file)
    else:
        size = file.stat().st_size
        file.write_bytes({"truncated": file.read_bytes()[:-99], "zeros": bytes(size), "text": b"nonsense"}[damage])
    with pytest.raises(ModelError, match=r"model\.keras|inconsistent") as error:
        Classifier(emotion_model, runtime="keras")
    assert "\n" not in str(error.value)


def save_another_network(file: Path) -> None:
    import keras

    words = keras.Input((None,), dtype="string")
    keras.Model(words, keras.layers.Identity()(words)).save(file)
