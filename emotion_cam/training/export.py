"""Keras to LiteRT: the same weights in the format that a run uses, checked to give the same scores."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotion_cam.card import CARD, read_card
from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.backend import keras
from emotion_cam.training.calibration import at_temperature, best_temperature, threshold
from emotion_cam.training.card import record_temperature
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.evaluate import evaluate
from emotion_cam.types import Image

TOLERANCE = 1e-4
"""The largest accepted difference between the softmax scores of the two runtimes."""


def export(folder: Path, faces: Sequence[Image]) -> float:
    """Write model.tflite from the folder's model.keras, if both give the same scores.

    The LiteRT model has two outputs: the scores, (faces, classes), and the class activation map, (faces, rows,
    columns, classes): the feature maps of the last convolution, which global average pooling turns into the logits.

    Args:
        folder: a model folder with model.json and model.keras; an older model.tflite is replaced.
        faces: the faces on which the runtimes are compared, as extract_face returns them: uint8, gray, of the model's
            size.

    Returns:
        The largest difference between the scores of the two runtimes on these faces.

    Raises:
        ModelError: the folder has no Keras model, it has no class activation map, or the runtimes disagree.
        MissingExtraError: TensorFlow, which has the converter, is not installed.
    """
    read_card(folder)
    if not (folder / "model.keras").is_file():
        raise ModelError(f"{folder} is incomplete: it has no model.keras to export.")
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place)
        for name in (CARD, "model.keras"):
            shutil.copy(folder / name, trial / name)
        (trial / "model.tflite").write_bytes(_converted(keras.models.load_model(trial / "model.keras", compile=False)))
        try:
            scores = [Classifier(trial, runtime=runtime)(faces) for runtime in ("litert", "keras")]
        except ModelError as error:
            raise ModelError(f"{folder}: the exported network cannot be run; nothing was written.") from error
        difference = float(np.abs(scores[0] - scores[1]).max(initial=0))
        # Written this way round, a score that is not a number is refused too.
        if not difference <= TOLERANCE:
            raise ModelError(f"{folder}: LiteRT and Keras differ by {difference:.1e}; nothing was written.")
        new = folder / "model.tflite.new"
        shutil.copy(trial / "model.tflite", new)
    new.replace(folder / "model.tflite")
    return difference


def calibrate(folder: Path, sets: Sequence[FaceSet]) -> tuple[float, float]:
    """Divide the logits of a network by the temperature that fits these pictures best, and export it again.

    The last convolution is followed only by global average pooling and softmax, so its weights can be divided by the
    temperature: the result is exact, a run needs no extra step, and the most likely label stays the same. The card
    records the temperature, the data it was fitted on, and "min_confidence" as ``threshold`` finds it; earlier figures
    of calibration are removed from it.

    Args:
        folder: a model folder with model.json and model.keras; both files of the network are replaced, or neither.
        sets: validation splits with the model's labels; where targets are distributions, the most likely label counts.

    Returns:
        The temperature, above 1 if the scores were too high, and the largest difference, as from ``export``.

    Raises:
        ModelError: as ``export``.
        DatasetError: the labels of a data set are not those of the model.
        MissingExtraError: as ``export``.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    evaluations = [evaluate(folder, faces, runtime="keras") for faces in sets]
    scores = np.concatenate([evaluation.scores for evaluation in evaluations])
    temperature = best_temperature(scores, np.concatenate([evaluation.truth for evaluation in evaluations]))
    model = keras.models.load_model(folder / "model.keras", compile=False)
    last = _class_map(model)
    last.set_weights([weights / temperature for weights in last.get_weights()])
    card = read_card(folder)
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place)
        shutil.copy(folder / CARD, trial / CARD)
        model.save(trial / "model.keras")
        difference = export(trial, [face for faces in sets for face in faces.extracted(card.size, card.margin)])
        networks = [folder / name for name in ("model.keras", "model.tflite")]
        for file in networks:
            shutil.copy(trial / file.name, file.with_name(file.name + ".new"))
        for file in networks:
            file.with_name(file.name + ".new").replace(file)
    min_confidence = threshold(at_temperature(scores, temperature))
    record_temperature(folder, temperature, min_confidence, [faces.name for faces in sets])
    return temperature, difference


def _class_map(model: keras.Model) -> keras.layers.Layer:
    if "class_map" not in {layer.name for layer in model.layers}:
        raise ModelError("The Keras model has no layer “class_map”, whose feature maps are averaged to the logits.")
    return model.get_layer("class_map")


def _converted(model: keras.Model) -> bytes:
    try:
        import tensorflow as tf
    except ImportError:
        raise MissingExtraError("This command", "train") from None
    if keras.backend.backend() != "tensorflow":
        raise ModelError("Only TensorFlow can convert a network for LiteRT; run this with KERAS_BACKEND=tensorflow.")
    both = keras.Model(model.inputs, [model.outputs[0], _class_map(model).output], name=model.name)
    with tempfile.TemporaryDirectory() as saved:
        both.export(saved, format="tf_saved_model", verbose=False)
        converted: bytes = tf.lite.TFLiteConverter.from_saved_model(saved).convert()
    return converted
