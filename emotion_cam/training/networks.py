"""The networks, written as in the papers, as Keras functional models.

Every network takes grey or colour faces as float32 in [0, 255], shape (batch, height, width, channels), and
returns softmax scores, shape (batch, classes). Scaling to [-1, 1] is a layer inside, so no caller can get it wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import layers


def mini_xception(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    l2: float = 0.0,
    residual: bool = True,
    separable: bool = True,
    middle_activation: bool = False,
) -> keras.Model:
    """Mini-Xception: fully convolutional, residual, with depthwise separable convolutions.

    58,423 parameters for 7 classes, 52,658 for 2.

    Args:
        input_shape: height, width and channels of a face; any size from 48×48 up.
        num_classes: the number of softmax outputs.
        l2: weight decay as a penalty on every convolution; the authors' code uses 0.01.
        residual: keep the shortcuts around the blocks; without them, as in Chollet's experiment on residual
            connections.
        separable: keep the blocks' convolutions separable; plain 3×3 convolutions in their place otherwise.
        middle_activation: put a ReLU between each depthwise convolution and its pointwise one, as in Chollet's
            experiment on intermediate activations.

    Raises:
        ValueError: ``middle_activation`` without ``separable``, which leaves no middle.

    Source: Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion and Gender
    Classification", 2017, section III and figure 3; sizes as in the authors' released weights. The experiments:
    Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016, sections 4.6 and 4.7.
    """
    if middle_activation and not separable:
        raise ValueError("a plain convolution has no middle for an activation")
    regularizer = keras.regularizers.L2(l2) if l2 else None
    inputs = layers.Input(input_shape, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)

    for i in (1, 2):
        x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=regularizer, name=f"stem{i}_conv")(x)
        x = layers.BatchNormalization(name=f"stem{i}_bn")(x)
        x = layers.ReLU(name=f"stem{i}_relu")(x)

    for i, filters in enumerate((16, 32, 64, 128), start=1):
        shortcut = _shortcut(x, filters, f"block{i}", regularizer) if residual else None
        x = _block(x, filters, f"block{i}", regularizer, separable, middle_activation)
        if shortcut is not None:
            x = layers.Add(name=f"block{i}_add")([x, shortcut])

    # One feature map for each class: this is the class activation map that global pooling averages into logits.
    x = layers.Conv2D(num_classes, 3, padding="same", kernel_regularizer=regularizer, name="class_map")(x)
    x = layers.GlobalAveragePooling2D(name="logits")(x)
    scores = layers.Softmax(name="scores")(x)
    return keras.Model(inputs, scores, name="mini_xception")


Regularizer: TypeAlias = "keras.regularizers.Regularizer | None"


def _shortcut(x: Any, filters: int, name: str, regularizer: Regularizer) -> Any:
    """A strided 1×1 convolution past a block; halves height and width."""
    x = layers.Conv2D(
        filters, 1, strides=2, padding="same", use_bias=False, kernel_regularizer=regularizer, name=f"{name}_shortcut"
    )(x)
    return layers.BatchNormalization(name=f"{name}_shortcut_bn")(x)


def _block(x: Any, filters: int, name: str, regularizer: Regularizer, separable: bool, middle_activation: bool) -> Any:
    """Two convolutions and a max pooling; halves height and width."""
    convolution = _separable if separable else _plain
    if middle_activation:
        convolution = _separable_with_relu
    for i in (1, 2):
        conv = f"{name}_sepconv{i}" if separable else f"{name}_conv{i}"
        x = convolution(x, filters, conv, regularizer)
        x = layers.BatchNormalization(name=f"{conv}_bn")(x)
        if i == 1:
            x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)


def _separable(x: Any, filters: int, name: str, regularizer: Regularizer) -> Any:
    return layers.SeparableConv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        depthwise_regularizer=regularizer,
        pointwise_regularizer=regularizer,
        name=name,
    )(x)


def _separable_with_relu(x: Any, filters: int, name: str, regularizer: Regularizer) -> Any:
    x = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_regularizer=regularizer, name=f"{name}_depthwise"
    )(x)
    x = layers.ReLU(name=f"{name}_middle_relu")(x)
    return layers.Conv2D(filters, 1, use_bias=False, kernel_regularizer=regularizer, name=f"{name}_pointwise")(x)


def _plain(x: Any, filters: int, name: str, regularizer: Regularizer) -> Any:
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_regularizer=regularizer, name=name)(x)


NETWORKS: dict[str, Callable[..., keras.Model]] = {"mini_xception": mini_xception}
