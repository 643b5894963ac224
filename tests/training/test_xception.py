"""Xception: the published network, and the same in training, export and the classifier of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.card import read_card
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.training import backend, export, imagenet
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import EMOTIONS, load
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.networks import mini_xception, xception
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.teachers import Teachers
from emotion_cam.training.train import new_model, train
from emotion_cam.types import Image

Array: TypeAlias = npt.NDArray[Any]


@pytest.fixture(scope="module")
def original() -> keras.Model:
    """keras.applications.Xception with random weights, with which the scores differ and depend on the picture."""
    model = keras.applications.Xception(weights=None)
    rng = np.random.default_rng(0)
    weights = []
    for variable in model.weights:
        shape = variable.shape
        if len(shape) > 1:
            share = 1 / 9 if "depthwise" in variable.path else 2 / np.prod(shape[:-1])
            weights.append(rng.normal(0, np.sqrt(share), shape))
        elif variable.path.endswith(("gamma", "variance")):
            weights.append(rng.uniform(0.5, 1.5, shape))
        else:
            weights.append(rng.normal(0, 0.1, shape))
    weights[-2] /= 60
    model.set_weights(weights)
    return model


@pytest.fixture(scope="module")
def copied(original: keras.Model) -> keras.Model:
    network = xception((71, 71, 3))
    imagenet.copy_weights(network, original)
    return network


@pytest.fixture(scope="module")
def pictures() -> Array:
    return np.random.default_rng(1).uniform(0, 255, (2, 71, 71, 3)).astype(np.float32)


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_it_has_the_published_number_of_parameters() -> None:
    model = xception()
    assert (model.input_shape, model.output_shape) == ((None, 299, 299, 3), (None, 1000))
    assert (model.count_params(), trainable(model)) == (22_910_480, 22_855_952)
    assert model.get_layer("class_map").input.shape[1:] == (10, 10, 2048)
    faces = xception((71, 71, 1), 7)
    assert faces.count_params() == 22_910_480 - 9 * 2 * 32 - 2049 * 993
    assert faces.get_layer("class_map").output.shape[1:] == (3, 3, 7)


def test_it_computes_what_keras_applications_computes(
    original: keras.Model, copied: keras.Model, pictures: Array
) -> None:
    same_size = keras.applications.Xception(weights=None, input_shape=(71, 71, 3))
    same_size.set_weights(original.get_weights())
    expected = np.asarray(same_size(keras.applications.xception.preprocess_input(pictures.copy())))
    # With smaller scores a difference of 1e-5 would prove little.
    assert expected.max() > 0.1
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    assert np.asarray(copied(pictures)) == pytest.approx(expected, abs=1e-5)


def test_a_gray_network_scores_gray_pictures_as_the_color_network(
    original: keras.Model, copied: keras.Model, pictures: Array
) -> None:
    network, gray = xception((71, 71, 1)), pictures[..., :1]
    imagenet.copy_weights(network, original)
    assert np.asarray(network(gray)) == pytest.approx(np.asarray(copied(np.repeat(gray, 3, axis=-1))), abs=1e-5)


@pytest.mark.parametrize(("published", "with_top"), [(True, True), (True, False), (False, True)])
def test_weights_are_read_from_a_file_of_keras_applications(
    original: keras.Model, copied: keras.Model, tmp_path: Path, published: bool, with_top: bool
) -> None:
    whole = original
    if not with_top:
        whole = keras.applications.Xception(weights=None, include_top=False)
        whole.set_weights(original.get_weights()[:-2])
    file = tmp_path / ("imagenet.h5" if published else "imagenet.weights.h5")
    if published:  # in the format of the files that Keras publishes
        h5py = pytest.importorskip("h5py")
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(file, "w") as opened:
            legacy_h5_format.save_weights_to_hdf5_group(opened, whole)
    else:
        whole.save_weights(file)
    network = xception((71, 71, 3), 7)
    before = network.get_layer("class_map").get_weights()
    imagenet.load_imagenet(network, str(file))
    for mine, theirs in zip(network.get_weights()[:-2], copied.get_weights()[:-2], strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(network.get_layer("class_map").get_weights()[0], before[0])


def test_weights_that_cannot_be_read_or_do_not_fit_are_refused(
    original: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match="the published Xception only"):
        imagenet.copy_weights(xception((71, 71, 1), 7, middle_blocks=2), original)
    (tmp_path / "letter.h5").write_text("Dear all,")
    with pytest.raises(TrainingError, match=r"letter\.h5 has no weights of keras"):
        imagenet.load_imagenet(xception((71, 71, 1), 7, width=0.05), str(tmp_path / "letter.h5"))

    def offline(**_: object) -> None:
        raise Exception("URL fetch failure on https://…: None -- Temporary failure in name resolution")

    monkeypatch.setattr(keras.applications, "Xception", offline)
    with pytest.raises(TrainingError, match=r"could not be downloaded .*name resolution.*as `init`"):
        imagenet.load_imagenet(xception((71, 71, 1), 7, width=0.05))


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_the_papers_experiments() -> None:
    whole = xception((71, 71, 1), 7, width=0.1)
    bare = xception((71, 71, 1), 7, width=0.1, residual=False)
    assert (kinds(whole).count("Add"), kinds(bare).count("Add")) == (12, 0)
    shortcuts = sum(a * b + 4 * b for a, b in ((6, 13), (13, 26), (26, 73), (73, 102)))
    assert bare.count_params() == whole.count_params() - shortcuts
    middle = xception((71, 71, 1), 7, width=0.1, middle_activation=True)
    assert middle.count_params() == whole.count_params()
    assert kinds(middle).count("ReLU") == kinds(whole).count("ReLU") + 34
    plain = xception((71, 71, 1), 7, width=0.1, separable=False)
    assert "SeparableConv2D" not in kinds(plain)
    assert plain.count_params() > 6 * whole.count_params()


def test_shorter_and_narrower_ones() -> None:
    short, whole = (xception((71, 71, 1), 7, width=0.1, middle_blocks=blocks) for blocks in (2, 8))
    assert kinds(whole).count("SeparableConv2D") == kinds(short).count("SeparableConv2D") + 18 == 34
    assert short.get_layer("class_map").input.shape[1:] == (3, 3, 205)
    half = mini_xception((48, 48, 1), 7, width=0.5)
    assert half.get_layer("class_map").input.shape[-1] == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"input_shape": (70, 90, 1)}, "71×71"), ({"middle_blocks": -1}, "`middle_blocks`"), ({"width": 0}, "above 0")],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        xception(**changes)


# --- training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recipe(fer2013: Path) -> Recipe:
    return Recipe(
        task="emotion",
        data=(f"fer2013={fer2013}",),
        network="xception",
        size=71,
        width=0.05,
        middle_blocks=1,
        epochs=1,
        batch_size=28,
        optimizer="rmsprop",
        augmentation="shear",
        freeze=9,
        seed=2,
    )


@pytest.fixture(scope="module")
def model(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe, tmp_path_factory.mktemp("models") / "emotion")


def test_the_first_layers_stay_as_they_were_and_the_others_learn(model: Path, recipe: Recipe) -> None:
    keras.utils.set_random_seed(recipe.seed)
    before, after = new_model(recipe, 7), keras.models.load_model(model / "model.keras")
    same = [
        all(np.array_equal(one, other) for one, other in zip(a.get_weights(), b.get_weights(), strict=True))
        for a, b in zip(before.layers, after.layers, strict=True)
        if a.weights
    ]
    assert before.layers[8].name == "block2_sepconv1"
    assert same == [True] * 5 + [False] * (len(same) - 5)
    # A second run that starts from it trains all layers.
    assert all(layer.trainable for layer in after.layers)


def test_a_resumed_run_has_the_same_layers_frozen(recipe: Recipe, tmp_path: Path) -> None:
    frozen = new_model(recipe, 7)
    frozen.save(tmp_path / "last.keras")
    resumed = keras.models.load_model(tmp_path / "last.keras")
    with_weights = [layer.trainable for layer in resumed.layers if layer.weights]
    assert with_weights == [False] * 5 + [True] * (len(with_weights) - 5)


def test_classifier_evaluation_and_teaching_take_it(model: Path, fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "test")
    card = read_card(model)
    assert (card.size, card.network, card.training.settings["width"]) == ((71, 71), "xception", 0.05)
    with_litert, with_keras = (evaluate(model, faces, runtime=runtime) for runtime in ("litert", "keras"))
    assert np.abs(with_litert.scores - with_keras.scores).max() < 1e-4
    small = np.stack(faces.extracted((48, 48), 0.0))[..., None].astype(np.float32)
    scores = Teachers([model], EMOTIONS)(small)
    assert scores == pytest.approx(with_keras.scores, abs=0.05)


def test_the_trained_model_sees_a_smile(portrait: Image) -> None:
    folder = Path(__file__).parents[2] / "models" / "emotion-xception"
    card = read_card(folder)
    assert (card.network, card.parameters) == ("xception", 727_973)
    (face,) = Recognizer([folder])(portrait)
    assert face.predictions["emotion"].label == "happy"


def test_the_exported_map_averages_to_the_logits(model: Path, fer2013: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model / "model.tflite"))
    interpreter.allocate_tensors()
    (face,) = load("fer2013", fer2013, "test").extracted((71, 71), 0.0)[:1]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], face[None, ..., None].astype(np.float32))
    interpreter.invoke()
    outputs = [interpreter.get_tensor(out["index"]) for out in interpreter.get_output_details()]
    scores, class_map = sorted(outputs, key=np.ndim)
    assert class_map.shape == (1, 3, 3, 7)
    exponents = np.exp(class_map.mean(axis=(1, 2)))
    assert exponents / exponents.sum() == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 48}, "needs faces of 71×71 pixels or more: `size` 71"),
        ({"network": "mini_xception"}, "mini_xception has no `middle_blocks`"),
        ({"network": "mini_xception", "middle_blocks": 8, "init": "imagenet"}, "weights fit xception only"),
        ({"init": "nowhere"}, "nowhere is not a model"),
        ({"init": "imagenet", "width": 0.5}, "the published Xception only"),
        ({"optimizer": "sgd"}, "no optimizer “sgd”; choose `optimizer` from adamw, rmsprop"),
        ({"freeze": 1000}, "nothing to train: xception has 66"),
        ({"devices": 2}, "KERAS_BACKEND=jax"),
        ({"mixed_precision": True}, "on GPUs only"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(
    recipe: Recipe,
    original: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setattr(keras.applications, "Xception", lambda **_: original)
    monkeypatch.setattr(backend, "device", lambda: "tensorflow on a cpu")
    with pytest.raises((TrainingError, ModelError), match=message):
        train(replace(recipe, **changes), tmp_path / "emotion")
    assert not list(tmp_path.iterdir())


def test_mixed_precision_keeps_weights_and_scores_in_float32(recipe: Recipe) -> None:
    mixed = new_model(replace(recipe, mixed_precision=True), 7)
    assert mixed.get_layer("class_map").compute_dtype == "float16"
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    assert mixed.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_only_tensorflow_exports(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match="KERAS_BACKEND=tensorflow"):
        export.export(model, [])


def test_jax_trains_on_two_devices_in_mixed_precision(recipe: Recipe, fer2013: Path, tmp_path: Path) -> None:
    """With two virtual devices of the processor; 55 pictures, so that one is left over."""
    pytest.importorskip("jax")
    out = tmp_path / "emotion"
    options = {
        "task": "emotion",
        "data": recipe.data[0],
        "network": "xception",
        "size": 71,
        "width": 0.05,
        "middle-blocks": 1,
        "epochs": 1,
        "batch-size": 16,
        "devices": 2,
        "out": out,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    subprocess.run(
        [sys.executable, "-m", "emotion_cam", "train", *words, "--mixed-precision"],
        env=os.environ | environment,
        check=True,
    )
    training = json.loads((out / "model.json").read_text())["training"]
    assert (training["backend"], training["devices"], training["mixed_precision"]) == ("jax", 2, True)
    # Weights are the same for every backend: the file is exported and run by this process.
    export.export(out, load("fer2013", fer2013, "test").extracted((71, 71), 0.0))
    assert Classifier(out)([np.zeros((71, 71), np.uint8)]).shape == (1, 7)
