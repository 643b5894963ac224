"""Grad-CAM and guided backpropagation, for networks with the layers ``class_map`` and ``logits``."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import MissingExtraError
from emotion_cam.training.backend import keras

try:
    import tensorflow as tf
except ImportError:
    raise MissingExtraError("This command", "train") from None

Map: TypeAlias = npt.NDArray[np.float32]
"""float32, (rows, columns)."""


def grad_cam(model: keras.Model, pixels: npt.NDArray[np.float32], index: int) -> Map:
    """Grad-CAM: the features before the last convolution, each weighted by its overall effect on a class.

    The features are the input of the layer ``class_map``. The weight of a feature is the mean, over its map, of the
    gradient of the class's logit; negative sums become 0. If ``class_map`` were a 1×1 convolution, this would be the
    positive part of the class activation map without the bias, divided by the number of its fields (section 3.1). In
    Mini-Xception it is 3×3, so Grad-CAM misses the effect of neighboring fields.

    Args:
        model: a network with the layers ``class_map`` and ``logits``.
        pixels: one face, float32 in [0, 255], (1, height, width, 1).
        index: the class.

    Returns:
        (rows, columns), at least 0.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017,
    section 3, equations 1 and 2.
    """
    both = keras.Model(model.input, [model.get_layer("class_map").input, model.get_layer("logits").output])
    with tf.GradientTape() as tape:
        features, logits = both(pixels, training=False)
        logit = logits[:, index]
    weights = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2))
    return np.asarray(tf.nn.relu(tf.einsum("nhwk,nk->nhw", features, weights))[0], np.float32)


def guided_backpropagation(model: keras.Model, pixels: npt.NDArray[np.float32], index: int) -> Map:
    """Guided backpropagation: the pixels that raise the logit of a class through neurons that all support it.

    Args:
        model: the result of ``guided`` for a network with the layer ``logits``.
        pixels: one face, float32 in [0, 255], (1, height, width, 1).
        index: the class.

    Returns:
        (height, width): the change of the logit for a pixel that is brighter by 1; above 0 where it rises.

    Source: Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2015, section 3.4.
    """
    face = tf.constant(pixels)
    with tf.GradientTape() as tape:
        tape.watch(face)
        logit = first_layers(model, "logits")(face, training=False)[:, index]
    return np.asarray(tape.gradient(logit, face)[0, ..., 0], np.float32)


def guided(model: keras.Model) -> keras.Model:
    """A copy of a network whose ReLU layers pass on positive gradients only, and only where they were active."""

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.ReLU):
            return _GuidedReLU(name=layer.name)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def first_layers(model: keras.Model, last: str) -> keras.Model:
    """The network up to and including a layer."""
    return keras.Model(model.input, model.get_layer(last).output)


class _GuidedReLU(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return _guided_relu(inputs)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _guided_relu(inputs: Any) -> Any:
    def gradient(upstream: Any) -> Any:
        return tf.nn.relu(upstream) * tf.cast(inputs > 0, upstream.dtype)

    return tf.nn.relu(inputs), gradient
