"""Keras to LiteRT for the detector: one file that takes pictures of any size."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.litert import open_interpreter
from emotion_cam.training.backend import keras
from emotion_cam.training.detector.network import STRIDES
from emotion_cam.types import Image

TOLERANCE = 1e-3
"""Largest difference between the two runtimes' answers, in logits and strides, that is accepted."""


def export(network: keras.Model, file: Path, pictures: Sequence[Image] = ()) -> float:
    """Write a network as TFLite, if both say the same.

    The file takes one picture at a time, whose size a program sets with ``resize_tensor_input``.

    Args:
        network: what ``mini_face`` gives.
        file: where to write.
        pictures: uint8, (height, width), gray, on which the two are compared too; each at least 32×32.

    Returns:
        The largest difference between the two runtimes' answers on noise of two sizes, and on the pictures.

    Raises:
        ModelError: the runtimes differ, or Keras does not run on TensorFlow.
        MissingExtraError: TensorFlow, whose converter this needs, is not installed.
    """
    written = converted(network)
    new = file.with_name(file.name + ".new")
    new.write_bytes(written)
    noise = [np.random.default_rng(0).integers(0, 256, size).astype(np.uint8) for size in ((96, 96), (128, 192))]
    difference = max(_difference(network, new, picture) for picture in (*noise, *pictures))
    if not difference <= TOLERANCE:  # written this way round, what is no number fails too
        new.unlink()
        raise ModelError(f"LiteRT and Keras differ by {difference:.1e}; nothing was written.")
    new.replace(file)
    return difference


def converted(network: keras.Model) -> bytes:
    """A network as TFLite with float32 weights."""
    try:
        import tensorflow as tf
    except ImportError:
        raise MissingExtraError("This command", "train") from None
    if keras.backend.backend() != "tensorflow":
        raise ModelError("Only TensorFlow can convert a network for LiteRT; run this with KERAS_BACKEND=tensorflow.")
    picture = keras.InputSpec(shape=(1, None, None, 1), dtype="float32", name="picture")
    with tempfile.TemporaryDirectory() as saved:
        network.export(saved, format="tf_saved_model", verbose=False, input_signature=[picture])
        result: bytes = tf.lite.TFLiteConverter.from_saved_model(saved).convert()
    return result


def _difference(network: keras.Model, file: Path, image: Image) -> float:
    height, width = (side // STRIDES[-1] * STRIDES[-1] for side in image.shape)
    picture = image[None, :height, :width, None].astype(np.float32)
    interpreter = open_interpreter(file, 1)
    (taken,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(taken["index"], picture.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], picture)
    interpreter.invoke()
    by_rows = {int(out["shape"][1]): interpreter.get_tensor(out["index"]) for out in interpreter.get_output_details()}
    expected = [np.asarray(output) for output in network(picture, training=False)]
    return max(float(np.abs(by_rows[output.shape[1]] - output).max()) for output in expected)
