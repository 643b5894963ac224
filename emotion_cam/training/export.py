"""Keras to LiteRT: the same weights in the format that the camera runs, and proof that the two agree."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from emotion_cam.recognition.classifier import Classifier, ModelCard
from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.training.calibration import at_temperature, best_temperature, threshold
from emotion_cam.training.card import record_temperature
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.evaluate import evaluate
from emotion_cam.types import Image

TOLERANCE = 1e-4
"""Largest difference between the two runtimes' softmax scores that is accepted."""


def export(folder: Path, faces: Sequence[Image]) -> float:
    """Write model.tflite from the folder's model.keras, if both say the same.

    The LiteRT model has two outputs: the scores, (faces, classes), and the class activation map, (faces, rows,
    columns, classes): the last convolution's feature maps, which global average pooling turns into the logits.

    Args:
        folder: a model folder with model.json and model.keras; an older model.tflite is replaced.
        faces: what to compare the runtimes on, as extract_face gives them: uint8, grey, of the model's size.

    Returns:
        The largest difference between the two runtimes' scores on these faces.

    Raises:
        ModelError: there is no Keras model in the folder, it has no class activation map, or the runtimes differ.
        MissingExtraError: TensorFlow, whose converter this needs, is not installed.
    """
    card = ModelCard.load(folder)
    if not (folder / "model.keras").is_file():
        raise ModelError(f"{folder} is incomplete: it has no model.keras to export.")
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place)
        for name in ("model.json", "model.keras"):
            shutil.copy(folder / name, trial / name)
        (trial / "model.tflite").write_bytes(_converted(keras.models.load_model(trial / "model.keras", compile=False)))
        scores = [Classifier(trial, runtime=runtime)(faces) for runtime in ("litert", "keras")]
        difference = float(np.abs(scores[0] - scores[1]).max(initial=0))
        # Written this way round, a score that is not a number fails too.
        if not difference <= TOLERANCE:
            raise ModelError(f"{card.folder}: LiteRT and Keras differ by {difference:.1e}; nothing was written.")
        new = folder / "model.tflite.new"
        shutil.copy(trial / "model.tflite", new)
    new.replace(folder / "model.tflite")
    return difference


def calibrate(folder: Path, sets: Sequence[FaceSet]) -> tuple[float, float]:
    """Divide the network's logits by the temperature that suits these pictures best, and export it again.

    The temperature goes into the weights of the last convolution, after which come global average pooling and
    softmax alone, so this is exact: the run-time needs to know nothing of it, and the most likely label stays.
    model.json keeps the temperature and the data it was found on, and "min_confidence", below which the network is to
    call itself unsure, as ``threshold`` finds it; what was measured of calibration before holds no more and leaves it.

    Args:
        folder: a model folder with model.json and model.keras; both files of the network are replaced, or neither.
        sets: validation splits, with the model's labels; where targets are distributions, the likeliest label counts.

    Returns:
        The temperature, above 1 if the model was too sure, and the runtimes' largest difference, as ``export``.

    Raises:
        ModelError: as ``export``.
        DatasetError: a data set's labels are not the model's.
        MissingExtraError: as ``export``.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    reports = [evaluate(folder, faces, runtime="keras") for faces in sets]
    scores = np.concatenate([report.scores for report in reports])
    temperature = best_temperature(scores, np.concatenate([report.truth for report in reports]))
    model = keras.models.load_model(folder / "model.keras", compile=False)
    last = _class_map(model)
    last.set_weights([weights / temperature for weights in last.get_weights()])
    card = ModelCard.load(folder)
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place)
        shutil.copy(folder / "model.json", trial / "model.json")
        model.save(trial / "model.keras")
        difference = export(trial, [face for faces in sets for face in faces.extracted(card.size, card.margin)])
        networks = [folder / name for name in ("model.keras", "model.tflite")]
        for file in networks:
            shutil.copy(trial / file.name, file.with_name(file.name + ".new"))
        for file in networks:
            file.with_name(file.name + ".new").replace(file)
    least = threshold(at_temperature(scores, temperature))
    record_temperature(folder, temperature, least, [faces.name for faces in sets])
    return temperature, difference


def _class_map(model: keras.Model) -> keras.layers.Layer:
    if "class_map" not in {layer.name for layer in model.layers}:
        raise ModelError("The Keras model has no layer “class_map”, the class activation map that becomes the logits.")
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
