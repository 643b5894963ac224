"""Distillation: models whose scores a network learns beside the labels (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion_cam.card import read_card
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.types import Scores


class Teachers:
    """Models of the same labels, whose scores are averaged.

    They get the same augmented crops as the student, resized to their own input. This is approximate in two ways: a
    teacher with a larger input sees no more detail than the student, and a teacher's own margin is not applied. So use
    teachers that were trained with the student's margin.

    Args:
        folders: the model folders, each with model.keras.
        labels: the student's labels.

    Raises:
        ModelError: a folder is missing or incomplete.
        TrainingError: a teacher has other labels.
    """

    def __init__(self, folders: Sequence[Path], labels: tuple[str, ...]) -> None:
        self._models = [_load(folder, labels) for folder in folders]

    def __call__(self, faces: npt.NDArray[np.float32]) -> Scores:
        """Score faces in one batch: float32 in [0, 255], (faces, height, width, 1) → softmax, (faces, classes)."""
        return np.asarray(np.mean([_scores(model, faces) for model in self._models], axis=0), np.float32)


def _load(folder: Path, labels: tuple[str, ...]) -> keras.Model:
    card = read_card(folder)
    if card.labels != labels:
        raise TrainingError(
            f"The teacher {folder} has the labels {', '.join(card.labels)}, but the data have {', '.join(labels)}."
        )
    if not (folder / "model.keras").is_file():
        raise ModelError(f"{folder} is incomplete: it has no model.keras, which teaching needs.")
    return keras.models.load_model(folder / "model.keras", compile=False)


def _scores(model: keras.Model, faces: npt.NDArray[np.float32]) -> Scores:
    size = model.input_shape[1:3]
    if faces.shape[1:3] != size:
        faces = keras.ops.image.resize(faces, size, antialias=True)
    return np.asarray(model.predict_on_batch(faces), np.float32)
