"""The networks, written as in the papers, as Keras functional models.

Every network takes grey or colour faces as float32 in [0, 255], shape (batch, height, width, channels), and
returns softmax scores, shape (batch, classes). Scaling to [-1, 1] is a layer inside, so no caller can get it wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers


def mini_xception(input_shape: tuple[int, int, int], num_classes: int, *, l2: float = 0.0) -> keras.Model:
    """Mini-Xception: fully convolutional, residual, with depthwise separable convolutions.

    58,423 parameters for 7 classes, 52,658 for 2.

    Args:
        input_shape: height, width and channels of a face; any size from 48×48 up.
        num_classes: the number of softmax outputs.
        l2: weight decay as a penalty on every convolution; the authors' code uses 0.01.

    Source: Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion and Gender
    Classification", 2017, section III and figure 3; sizes as in the authors' released weights.
    """
    regularizer = keras.regularizers.L2(l2) if l2 else None
    inputs = layers.Input(input_shape, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)

    for i in (1, 2):
        x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=regularizer, name=f"stem{i}_conv")(x)
        x = layers.BatchNormalization(name=f"stem{i}_bn")(x)
        x = layers.ReLU(name=f"stem{i}_relu")(x)

    for i, filters in enumerate((16, 32, 64, 128), start=1):
        x = _residual_block(x, filters, f"block{i}", regularizer)

    # One feature map for each class: this is the class activation map that global pooling averages into logits.
    x = layers.Conv2D(num_classes, 3, padding="same", kernel_regularizer=regularizer, name="class_map")(x)
    x = layers.GlobalAveragePooling2D(name="logits")(x)
    scores = layers.Softmax(name="scores")(x)
    return keras.Model(inputs, scores, name="mini_xception")


def _residual_block(x: Any, filters: int, name: str, regularizer: keras.regularizers.Regularizer | None) -> Any:
    """Two separable convolutions and a max pooling, beside a strided 1×1 convolution; halves height and width."""
    shortcut = layers.Conv2D(
        filters, 1, strides=2, padding="same", use_bias=False, kernel_regularizer=regularizer, name=f"{name}_shortcut"
    )(x)
    shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)

    for i in (1, 2):
        x = layers.SeparableConv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            depthwise_regularizer=regularizer,
            pointwise_regularizer=regularizer,
            name=f"{name}_sepconv{i}",
        )(x)
        x = layers.BatchNormalization(name=f"{name}_sepconv{i}_bn")(x)
        if i == 1:
            x = layers.ReLU(name=f"{name}_relu")(x)

    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.Add(name=f"{name}_add")([x, shortcut])


NETWORKS: dict[str, Callable[..., keras.Model]] = {"mini_xception": mini_xception}
