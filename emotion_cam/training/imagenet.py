"""Xception's weights from ImageNet, as keras.applications has them, for networks with other inputs and classes."""

from __future__ import annotations

import contextlib

import numpy as np

from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.recipe import IMAGENET

CLASSES = 1000
"""The number of ImageNet's classes."""


def load_imagenet(network: keras.Model, weights: str = IMAGENET) -> None:
    """Give a network of ``xception`` the weights of keras.applications.Xception.

    Weights of the class map are copied only if the network has ImageNet's 1000 classes. A network for gray pictures
    gets the kernels of the first convolution summed over red, green and blue. The three channels of a gray picture are
    equal, so the sum gives the same outputs.

    Args:
        network: an Xception of the published width and depth.
        weights: IMAGENET for the weights that keras.applications downloads, or a file of them, with or without top.

    Raises:
        TrainingError: the weights cannot be downloaded or read, or they do not fit this network.
    """
    if weights == IMAGENET:
        copy_weights(network, _downloaded())
    else:
        copy_weights(network, _read(weights, with_top=network.output_shape[-1] == CLASSES))


def copy_weights(network: keras.Model, original: keras.Model) -> None:
    """Like ``load_imagenet``, from a model of keras.applications.Xception, with or without its top."""
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
            "ImageNet's weights fit the published Xception only: its width, eight middle blocks, and shortcuts."
        ) from None


def _downloaded() -> keras.Model:
    try:
        return keras.applications.Xception(weights="imagenet")
    except Exception as error:  # Keras raises no narrower one when a download fails
        raise TrainingError(
            f"ImageNet's weights could not be downloaded ({error}); go online, or give their file as `init`."
        ) from error


def _read(file: str, with_top: bool) -> keras.Model:
    """The weights of a file; of the two kinds of file, the kind that is asked for is tried first."""
    other_kind = contextlib.suppress(ValueError, OSError, KeyError)
    with other_kind:
        return keras.applications.Xception(weights=file, include_top=with_top)
    with other_kind:
        return keras.applications.Xception(weights=file, include_top=not with_top)
    raise TrainingError(f"{file} has no weights of keras.applications.Xception, with or without its top.")
