"""The detector's network: single-shot, without anchors, fully convolutional, as a Keras functional model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emotion_cam.training.backend import keras

layers = keras.layers

STRIDES = (8, 16, 32)
"""How many pixels of the picture lie between two places of each output."""

VALUES = 14
"""What the network says of a place: a logit; the square's center (x, y) and the logarithm of its side; five points."""


def mini_face(
    widths: Sequence[int] = (16, 24, 40, 64, 64), units: Sequence[int] = (1, 3, 3, 2), neck: int = 48
) -> keras.Model:
    """The detector: a small backbone of depthwise separable units, a top-down path, a head on each of three strides.

    It takes gray pictures, float32 in [0, 255], (batch, height, width, 1), of any size in multiples of 32, and evens
    out their light itself. It gives three outputs, (batch, height / stride, width / stride, VALUES) float32, of strides
    8, 16 and 32. Of each place, seen from its center and in strides: the logit that the place sees a face and places it
    well; x and y of the center of the face's square; the natural logarithm of the square's side; x and y of the right
    eye, the left eye, the nose's tip and the mouth's right and left corner (the person's own right).

    Args:
        widths: filters of the stem (stride 2) and of the stages at strides 4, 8, 16 and 32.
        units: how many units each stage has after the one that halves height and width.
        neck: filters of the top-down path and of the heads.

    Sources: units of a pointwise and a depthwise convolution as in YuNet (Wu, Peng and Yu 2023); places in the place of
    anchors as in FCOS (Tian et al. 2019); the top-down path as in Feature Pyramid Networks (Lin et al. 2017).
    """
    inputs = layers.Input((None, None, 1), name="picture")
    # Light and contrast are evened out over the whole picture, so that a dim room looks as a bright one does.
    x = layers.LayerNormalization(axis=(1, 2, 3), epsilon=4.0, center=False, scale=False, name="light")(inputs)
    x = _normalised(layers.Conv2D(widths[0], 3, 2, padding="same", use_bias=False, name="stem_conv")(x), "stem")
    x = layers.ReLU(name="stem_relu")(x)
    stages = []
    for number, (filters, count) in enumerate(zip(widths[1:], units, strict=True), start=1):
        x = _unit(x, filters, f"stage{number}_down", strides=2)
        for i in range(1, count + 1):
            x = _unit(x, filters, f"stage{number}_unit{i}")
        stages.append(x)

    outputs: list[Any] = []
    above = None
    for stride, x in zip(reversed(STRIDES), reversed(stages), strict=False):
        side = layers.Conv2D(neck, 1, use_bias=False, name=f"lateral{stride}_conv")(x)
        side = _normalised(side, f"lateral{stride}")
        if above is not None:
            side = layers.Add(name=f"merge{stride}")([side, layers.UpSampling2D(name=f"up{stride}")(above)])
        above = _unit(layers.ReLU(name=f"lateral{stride}_relu")(side), neck, f"neck{stride}")
        head = _unit(above, neck, f"head{stride}")
        # A face is rare: a network that starts by believing so does not spend its first steps on learning it.
        rare = keras.initializers.Constant([-4.0] + [0.0] * (VALUES - 1))
        outputs.append(layers.Conv2D(VALUES, 1, bias_initializer=rare, name=f"faces{stride}")(head))
    return keras.Model(inputs, outputs[::-1], name="mini_face")


def _unit(x: Any, filters: int, name: str, strides: int = 1) -> Any:
    """A pointwise and a depthwise 3×3 convolution; with a shortcut where the shape stays."""
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_pointwise")(x)
    y = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = _normalised(y, name)
    if strides == 1 and x.shape[-1] == filters:
        y = layers.Add(name=f"{name}_add")([y, x])
    return layers.ReLU(name=f"{name}_relu")(y)


def _normalised(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.98, name=f"{name}_bn")(x)
