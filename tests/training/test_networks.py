"""Mini-Xception: the published network, and its variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.networks import NETWORKS, mini_xception, network_options
from emotion_cam.training.recipe import Recipe


@pytest.mark.parametrize(
    ("size", "classes", "parameters", "trainable"),
    [(48, 7, 58_423, 56_951), (64, 7, 58_423, 56_951), (64, 2, 52_658, 51_186)],
)
def test_mini_xception_has_the_published_number_of_parameters(
    size: int, classes: int, parameters: int, trainable: int
) -> None:
    model = mini_xception((size, size, 1), classes)
    assert model.count_params() == parameters
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable


def test_mini_xception_has_the_published_shapes() -> None:
    model = mini_xception((48, 48, 1), 7)
    shapes = {
        "stem1_conv": (46, 46, 8),
        "stem2_conv": (44, 44, 8),
        "block1_sepconv1": (44, 44, 16),
        "block1_add": (22, 22, 16),
        "block2_add": (11, 11, 32),
        "block3_add": (6, 6, 64),
        "block4_add": (3, 3, 128),
        "class_map": (3, 3, 7),
        "logits": (7,),
        "scores": (7,),
    }
    assert {name: model.get_layer(name).output.shape[1:] for name in shapes} == shapes


def test_the_shipped_weights_fit_the_network_layer_by_layer() -> None:
    for folder in shipped_models().values():
        card = read_card(folder)
        shipped = keras.models.load_model(Path(folder) / "model.keras", compile=False)
        inside = card.training.settings.get("inside", 0)
        network = mini_xception((*card.size, 1), len(card.labels), inside=inside)
        names = [[layer.name for layer in model.layers if layer.weights] for model in (network, shipped)]
        assert names[0] == names[1]
        network.set_weights(shipped.get_weights())
        face = np.random.default_rng(0).uniform(0, 255, (1, *card.size, 1)).astype(np.float32)
        assert np.array_equal(np.asarray(network(face)), np.asarray(shipped(face)))


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_without_shortcuts_only_the_shortcuts_are_gone() -> None:
    whole, bare = mini_xception((48, 48, 1), 7), mini_xception((48, 48, 1), 7, residual=False)
    names = {layer.name for layer in whole.layers if "shortcut" not in layer.name and not layer.name.endswith("_add")}
    assert {layer.name for layer in bare.layers} == names
    shortcuts = sum(a * b + 4 * b for a, b in ((8, 16), (16, 32), (32, 64), (64, 128)))
    assert bare.count_params() == 58_423 - shortcuts


def test_plain_convolutions_take_the_place_of_separable_ones() -> None:
    plain = mini_xception((48, 48, 1), 7, separable=False)
    assert "SeparableConv2D" not in kinds(plain)
    steps = [(8, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    assert plain.count_params() == 58_423 + sum(9 * a * b - (9 * a + a * b) for a, b in steps)


def test_a_middle_activation_adds_a_relu_and_no_parameter() -> None:
    default, middle = mini_xception((48, 48, 1), 7), mini_xception((48, 48, 1), 7, middle_activation=True)
    assert middle.count_params() == default.count_params()
    assert kinds(middle).count("ReLU") == kinds(default).count("ReLU") + 8
    name = "block1_sepconv1"
    assert middle.get_layer(f"{name}_middle_relu").output is middle.get_layer(f"{name}_pointwise").input
    # Where the depthwise outputs are positive, the ReLU changes nothing.
    weights = [np.abs(w) if w.ndim == 4 else w for w in default.get_weights()]
    default.set_weights(weights)
    middle.set_weights(weights)
    face = np.full((1, 48, 48, 1), 255, np.float32)
    assert np.asarray(middle(face)) == pytest.approx(np.asarray(default(face)), abs=1e-5)


def test_a_plain_convolution_has_no_middle() -> None:
    with pytest.raises(ValueError, match="no middle"):
        mini_xception((48, 48, 1), 7, separable=False, middle_activation=True)


def test_scaling_is_inside_the_network() -> None:
    scaled = mini_xception((48, 48, 1), 7).get_layer("scale")(np.array([0.0, 127.5, 255.0], np.float32))
    assert np.asarray(scaled) == pytest.approx([-1, 0, 1])


def test_the_class_map_averages_to_the_logits() -> None:
    model = mini_xception((48, 48, 1), 7)
    both = keras.Model(model.input, [model.get_layer("class_map").output, model.output])
    faces = np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    class_map, scores = (np.asarray(output) for output in both(faces))
    exponents = np.exp(class_map.mean(axis=(1, 2)))
    assert exponents / exponents.sum(axis=1, keepdims=True) == pytest.approx(scores, abs=1e-5)


def test_l2_is_a_penalty_on_every_convolution() -> None:
    assert not mini_xception((48, 48, 1), 7).losses
    # 2 stem, 4 shortcuts, 8 separable with two kernels each, 1 class map
    assert len(mini_xception((48, 48, 1), 7, l2=0.01).losses) == 2 + 4 + 16 + 1


def test_a_recipe_gives_the_network_its_options_and_no_others() -> None:
    recipe = Recipe(width=0.5, residual=False)
    assert network_options(recipe) == {
        "l2": 0.0,
        "residual": False,
        "separable": True,
        "middle_activation": False,
        "width": 0.5,
        "inside": 0,
    }
    assert set(network_options(Recipe(network="xception", middle_blocks=2))) == set(NETWORKS["xception"].options)
    with pytest.raises(TrainingError, match="mini_xception has no `middle_blocks`; leave that option out"):
        network_options(Recipe(middle_blocks=2))
