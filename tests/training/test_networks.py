from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

from emotion_cam.training.networks import mini_xception


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


def test_scaling_is_inside_the_network() -> None:
    scaled = mini_xception((48, 48, 1), 7).get_layer("scale")(np.array([0.0, 127.5, 255.0], np.float32))
    assert np.asarray(scaled) == pytest.approx([-1, 0, 1])


def test_the_class_map_averages_to_the_logits() -> None:
    import keras

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
