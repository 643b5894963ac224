"""Xception's weights from ImageNet, as keras.applications has them, for networks of other pictures and classes."""

from __future__ import annotations

import contextlib

import keras
import numpy as np

from emotion_cam.errors import TrainingError

IMAGENET = "imagenet"
"""What stands for the weights that keras.applications downloads."""

CLASSES = 1000
"""ImageNet's."""


def load_imagenet(network: keras.Model, weights: str = IMAGENET) -> None:
    """Give a network of ``xception`` the weights of keras.applications.Xception.

    Of the class map they are taken only if the network has ImageNet's 1000 classes. A network of grey pictures gets
    the first convolution's kernels summed over red, green and blue: in a grey picture these three are the same, so
    the sum does to it exactly what the three did.

    Args:
        network: an Xception of the published width and depth.
        weights: IMAGENET, for what keras.applications downloads, or else a file of its weights, with or without top.

    Raises:
        TrainingError: they cannot be had, the file has others, or they do not fit this network.
    """
    if weights == IMAGENET:
        copy_weights(network, _downloaded())
    else:
        copy_weights(network, _read(weights, with_top=network.output_shape[-1] == CLASSES))


def copy_weights(network: keras.Model, original: keras.Model) -> None:
    """As ``load_imagenet``, from a model of keras.applications.Xception, with or without its top."""
    before, given = network.get_weights(), original.get_weights()
    if network.input_shape[-1] == 1:
        given[0] = given[0].sum(axis=2, keepdims=True)
    top = given[len(before) - 2 :]  # the kernel, (channels, classes), and the bias, of a fully connected layer
    same_classes = bool(top) and top[-1].shape == before[-1].shape
    top = [np.reshape(top[0], before[-2].shape), top[1]] if same_classes else before[-2:]
    try:
        network.set_weights([*given[: len(before) - 2], *top])
    except ValueError:
        raise TrainingError(
            "ImageNet's weights fit the published Xception alone: of its width, eight middle blocks and shortcuts."
        ) from None


def _downloaded() -> keras.Model:
    try:
        return keras.applications.Xception(weights="imagenet")
    except Exception as error:  # Keras raises no narrower one when a download fails
        raise TrainingError(
            f"ImageNet's weights could not be downloaded ({error}); go online, or give their file with --init FILE."
        ) from error


def _read(file: str, with_top: bool) -> keras.Model:
    """The weights of a file, with their top if it has one and this is wanted."""
    for_another = contextlib.suppress(ValueError, OSError, KeyError)
    with for_another:
        return keras.applications.Xception(weights=file, include_top=with_top)
    with for_another:
        return keras.applications.Xception(weights=file, include_top=not with_top)
    raise TrainingError(f"{file} has no weights of keras.applications.Xception, neither with its top nor without.")
