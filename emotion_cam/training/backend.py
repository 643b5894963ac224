"""Keras, imported in a prepared environment and without the messages that TensorFlow prints when it starts.

Modules that need Keras write ``from emotion_cam.training.backend import keras``, so that no order of imports can start
TensorFlow before the environment is set.
"""

from __future__ import annotations

from emotion_cam.keras_files import read_newer_files
from emotion_cam.litert import silenced_stderr
from emotion_cam.training.environment import prepare

__all__ = ["keras"]

prepare()
with silenced_stderr():
    import keras

read_newer_files(keras)


def device() -> str:
    """What computes, as in "tensorflow on a cpu"."""
    return f"{keras.backend.backend()} on a {keras.distribution.list_devices()[0].partition(':')[0]}"
