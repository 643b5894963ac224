"""A teacher: a plain residual network of dense 3×3 convolutions, which processors run better than separable ones."""

from __future__ import annotations

from typing import Any

from emotion_cam.training.backend import keras

layers = keras.layers


FILTERS = (24, 48, 96, 256)
BLOCKS = (1, 1, 2, 1)
"""The filters of the four stages, and how many residual blocks of two convolutions each stage has."""


def residual_network(input_shape: tuple[int, int, int], num_classes: int, *, width: float = 1.0) -> keras.Model:
    """A residual network that halves height and width before every stage, by pooling.

    Gray faces as float32 in [0, 255], (batch, height, width, channels) → softmax scores, (batch, classes). As in the
    other networks the class map comes before global average pooling, so that its activations can be shown.

    Args:
        input_shape: height, width and channels of a face.
        num_classes: the number of softmax outputs.
        width: factor for the number of filters of every convolution, above 0.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016, figure 1b (batch normalization and ReLU
    before each convolution); the stem and the pooling are simpler.
    """
    filters = [max(2, round(width * number)) for number in FILTERS]
    inputs = layers.Input(input_shape, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = _convolution(x, filters[0] // 2, "stem")
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for stage, (wide, count) in enumerate(zip(filters, BLOCKS, strict=True), start=1):
        x = _convolution(x, wide, f"stage{stage}_conv")
        x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
        for number in range(1, count + 1):
            x = _block(x, wide, f"stage{stage}_block{number}")
    x = layers.BatchNormalization(name="last_bn")(x)
    x = layers.ReLU(name="last_relu")(x)
    x = layers.Conv2D(num_classes, 1, name="class_map")(x)
    x = layers.GlobalAveragePooling2D(name="logits")(x)
    return keras.Model(inputs, layers.Softmax(name="scores", dtype="float32")(x), name="residual")


def _block(x: Any, filters: int, name: str) -> Any:
    """Two convolutions, each after batch normalization and ReLU, added to their input."""
    result = x
    for i in (1, 2):
        result = layers.BatchNormalization(name=f"{name}_bn{i}")(result)
        result = layers.ReLU(name=f"{name}_relu{i}")(result)
        result = _convolution(result, filters, f"{name}_conv{i}")
    return layers.Add(name=f"{name}_add")([x, result])


def _convolution(x: Any, filters: int, name: str) -> Any:
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
