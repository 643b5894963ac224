"""The views from gradients, checked against values worked out by hand, and on a real face."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("keras")

from emotion_cam.card import shipped_models
from emotion_cam.errors import ModelError
from emotion_cam.explain.draw import draw
from emotion_cam.explain.explainer import Explainer, Explanation
from emotion_cam.explain.gradients import grad_cam, guided, guided_backpropagation
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.backend import keras
from emotion_cam.types import Box, Image
from tests.command import emotion_cam

layers = keras.layers
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("test_explain")]


def network(kernel: int = 1, classes: int = 3) -> keras.Model:
    """A convolution with a ReLU, a class activation map, global average pooling, softmax."""
    keras.utils.set_random_seed(1)
    inputs = layers.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", name="features")(inputs)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(classes, kernel, padding="same", bias_initializer="random_normal", name="class_map")(x)
    x = layers.GlobalAveragePooling2D(name="logits")(x)
    return keras.Model(inputs, layers.Softmax(name="scores")(x))


def pixels(seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (1, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_grad_cam_of_a_1x1_class_map_is_its_positive_part(index: int) -> None:
    model, face = network(), pixels()
    class_map = keras.Model(model.input, model.get_layer("class_map").output)(face)
    bias = model.get_layer("class_map").bias.numpy()[index]
    expected = np.maximum(np.asarray(class_map)[0, ..., index] - bias, 0) / 64
    assert expected.max() > 0
    assert grad_cam(model, face, index) == pytest.approx(expected, abs=1e-6)


def test_grad_cam_is_zero_if_nothing_supports_the_class() -> None:
    model = network()
    last = model.get_layer("class_map")
    kernel, bias = last.get_weights()
    last.set_weights([-np.abs(kernel), bias])
    assert not grad_cam(model, pixels(), 0).any()


def test_guided_backpropagation_by_hand() -> None:
    """One of three neurons is active and supports the class, one is active and opposes it, one is inactive."""
    inputs = layers.Input((1, 1, 1))
    x = layers.Conv2D(3, 1, use_bias=False, name="features")(inputs)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(2, 1, use_bias=False, name="class_map")(x)
    x = layers.GlobalAveragePooling2D(name="logits")(x)
    model = keras.Model(inputs, layers.Softmax(name="scores")(x))
    into = np.array([2.0, 3.0, -5.0], np.float32).reshape(1, 1, 1, 3)
    out = np.array([[0.5, -7.0, 11.0], [-1.0, 0.25, 0.0]], np.float32).T.reshape(1, 1, 3, 2)
    model.get_layer("features").set_weights([into])
    model.get_layer("class_map").set_weights([out])
    face = np.ones((1, 1, 1, 1), np.float32)
    assert guided_backpropagation(guided(model), face, 0).item() == pytest.approx(2.0 * 0.5)
    assert guided_backpropagation(guided(model), face, 1).item() == pytest.approx(3.0 * 0.25)
    # The plain gradient also passes through the neuron that opposes the class.
    assert guided_backpropagation(model, face, 0).item() == pytest.approx(2.0 * 0.5 - 3.0 * 7.0)


def test_the_guided_copy_gives_the_same_scores_and_the_original_stays() -> None:
    model, face = network(kernel=3), pixels()
    before = guided_backpropagation(model, face, 0)
    copy = guided(model)
    assert np.asarray(copy(face)) == pytest.approx(np.asarray(model(face)), abs=1e-6)
    assert np.array_equal(guided_backpropagation(model, face, 0), before)
    assert np.abs(guided_backpropagation(copy, face, 0) - before).max() > 1e-3


def test_eyes_and_mouth_support_the_label(portrait: Image, face: Box) -> None:
    folder = shipped_models()["emotion"]
    explanation = Explainer(folder)(portrait, face, "she")
    assert explanation.title.startswith("she\nhappy ")
    (scores,), maps = Classifier(folder).with_class_maps([explanation.face])
    assert maps is not None
    assert explanation.class_map == pytest.approx(maps[0, ..., int(scores.argmax())], abs=1e-3)
    assert (explanation.grad_cam.shape, explanation.grad_cam.min()) == ((4, 4), 0)
    strength = np.abs(explanation.guided)
    eyes_and_mouth = strength[[*range(13, 22), *range(33, 44)]].mean()
    forehead_and_chin = strength[[*range(4, 11), *range(45, 48)]].mean()
    assert eyes_and_mouth > 2 * forehead_and_chin
    assert explanation.guided_grad_cam.shape == explanation.face.shape == (48, 48)


@pytest.mark.parametrize("value", [0.0, -4.0])
def test_maps_without_a_positive_value_are_drawn(value: float) -> None:
    few, many = np.full((3, 3), value, np.float32), np.zeros((48, 32), np.float32)
    face = np.full((48, 32), 90, np.uint8)
    picture = draw([Explanation("a\nb", face, few, np.zeros_like(few), many)] * 2)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert (picture == 90).all(axis=2).sum() > 10_000


def test_the_command_writes_a_row_for_each_face_and_model(portrait: Image, tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "why.png"
    cv2.imwrite(str(photo), np.hstack((portrait, portrait)))
    result = emotion_cam("explain", photo, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"1 picture, 2 faces\nWrote {out}\n"
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (4 * 230 + 30, 1100, 3)


def test_tensorflow_prints_nothing(portrait: Image, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), portrait)
    command = [sys.executable, "-m", "emotion_cam", "explain", str(photo), "--out", str(tmp_path / "why.png")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("1 picture, 1 face\n")
    assert run.stderr == ""


def test_an_error_is_one_line_and_writes_nothing(portrait: Image, emotion_model: Path, tmp_path: Path) -> None:
    photo, nobody = tmp_path / "photo.png", tmp_path / "nobody.png"
    cv2.imwrite(str(photo), portrait)
    cv2.imwrite(str(nobody), np.full((200, 200, 3), 90, np.uint8))
    (emotion_model / "model.keras").unlink()
    files = sorted(tmp_path.iterdir())
    before = photo.read_bytes()
    out = tmp_path / "why.png"
    for arguments, message in (
        ((nobody, "--out", out), "no face"),
        ((tmp_path / "nowhere.png", "--out", out), "nowhere.png"),
        ((photo, "--out", tmp_path / "why.csv"), ".png or .jpg"),
        ((photo, "--out", tmp_path), ".png"),
        ((photo, "--out", photo), "photo.png is an input"),
        ((photo, "--out", tmp_path / "nowhere" / "why.png"), "nowhere"),
        ((photo, "--out", out, "--model", emotion_model), "model.keras"),
        ((photo, "--out", out, "--model", tmp_path), "model.json"),
    ):
        result = emotion_cam("explain", *arguments)
        assert result.exit_code == 1, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert sorted(tmp_path.iterdir()) == files
    assert photo.read_bytes() == before


def test_a_network_without_a_class_map_is_refused(emotion_model: Path) -> None:
    inputs = layers.Input((48, 48, 1))
    keras.Model(inputs, layers.Dense(7, "softmax")(layers.Flatten()(inputs))).save(emotion_model / "model.keras")
    with pytest.raises(ModelError, match="class_map"):
        Explainer(emotion_model)
    scores, maps = Classifier(emotion_model, runtime="keras").with_class_maps([np.zeros((48, 48), np.uint8)] * 2)
    assert (scores.shape, maps) == ((2, 7), None)


@pytest.mark.parametrize("task", ["emotion", "gender"])
def test_both_runtimes_give_the_same_maps(portrait: Image, task: str) -> None:
    folder = shipped_models()[task]
    height, width = Classifier(folder).card.size
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)[66:166, 172:272]
    face: Image = np.asarray(cv2.resize(gray, (width, height)), np.uint8)
    litert, with_keras = (
        Classifier(folder, runtime=runtime).with_class_maps([face, face])[1] for runtime in ("litert", "keras")
    )
    assert litert == pytest.approx(with_keras, abs=1e-3)
