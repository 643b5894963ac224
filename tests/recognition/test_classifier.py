from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.recognition.classifier import Classifier, ModelCard, shipped_models
from emotion_cam.errors import ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Image


def change(folder: Path, **facts: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))


def test_shipped_models_are_found_and_whole() -> None:
    models = shipped_models()
    assert set(models) >= {"emotion", "gender"}
    for task, folder in models.items():
        assert ModelCard.load(folder).task == task
        assert {file.name for file in folder.iterdir()} >= {"model.keras", "model.tflite", "README.md"}
        assert list(folder.glob("*history.csv"))


def test_a_batch_gives_the_same_as_one_by_one(portrait: Image, face: Box) -> None:
    classifier = Classifier(shipped_models()["emotion"])
    faces = [extract_face(portrait, face.padded(margin), classifier.card.size) for margin in (-0.1, 0.0, 0.2, 0.5)]
    batch = classifier(faces)
    assert batch.shape == (4, len(classifier.card.labels))
    assert batch.dtype == np.float32
    assert batch.sum(axis=1) == pytest.approx(1, abs=1e-5)
    one_by_one = np.concatenate([classifier([face]) for face in faces])
    assert np.abs(batch - one_by_one).max() < 1e-5
    assert np.abs(classifier(faces[:2]) - batch[:2]).max() < 1e-5
    assert not np.allclose(batch[0], batch[3], atol=1e-3)


def test_no_face_gives_no_scores() -> None:
    assert Classifier(shipped_models()["gender"])([]).shape == (0, 2)


@pytest.mark.parametrize("task", ["emotion", "gender"])
def test_the_scores_are_those_of_the_maps(portrait: Image, face: Box, task: str) -> None:
    classifier = Classifier(shipped_models()[task])
    faces = [extract_face(portrait, face.padded(margin), classifier.card.size) for margin in (0.0, 0.2)]
    scores, maps = classifier.explain(faces)
    assert np.array_equal(scores, classifier(faces))
    assert maps is not None
    assert maps.dtype == np.float32
    exponents = np.exp(maps.mean(axis=(1, 2)))
    assert exponents / exponents.sum(axis=1, keepdims=True) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "model.tflite").unlink(), "has no model.tflite"),
        (lambda folder: (folder / "model.json").unlink(), "has no model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "not a model's card"),
        (lambda folder: (folder / "model.json").write_text("{}"), "does not say the model's task"),
        (lambda folder: (folder / "model.json").write_text("[]"), "not a model's card"),
        (lambda folder: (folder / "model.tflite").write_bytes(b"nonsense"), "no LiteRT model"),
        (lambda folder: (folder / "model.tflite").write_bytes(b""), "no LiteRT model"),
        (lambda folder: change(folder, labels=["good", "bad"]), "inconsistent"),
        (lambda folder: change(folder, size=[64, 64]), "inconsistent"),
        (lambda folder: change(folder, size=[48]), "not a model's card"),
        (lambda folder: change(folder, labels=["a"] * 7), "different labels"),
    ],
)
def test_a_spoilt_model_is_told_in_a_sentence(emotion_model: Path, spoil: object, told: str) -> None:
    spoil(emotion_model)  # type: ignore[operator]
    with pytest.raises(ModelError, match=told) as error:
        Classifier(emotion_model)
    assert "\n" not in str(error.value)
    assert str(emotion_model) in str(error.value)


def test_a_cut_off_network_is_told(emotion_model: Path) -> None:
    file = emotion_model / "model.tflite"
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(ModelError, match=r"model\.tflite"):
        Classifier(emotion_model)


def test_a_missing_folder_and_runtime_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Classifier(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="litert and keras"):
        Classifier(shipped_models()["emotion"], runtime="torch")


def test_litert_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    Classifier(shipped_models()["emotion"])([np.zeros((48, 48), np.uint8)])
    assert capfd.readouterr().err == ""
