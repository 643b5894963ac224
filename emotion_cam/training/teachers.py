"""Distillation: larger or other networks whose scores a network learns beside the labels (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from emotion_cam.recognition.classifier import ModelCard
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.types import Scores


class Teachers:
    """Models of the same labels, whose scores are averaged.

    They see what the pupil sees: the same crop with the same augmentation, brought to their own size. Two things are
    approximate in this: a teacher of a larger input sees no finer detail than the pupil, and a teacher's own margin
    is not heeded, so teach with teachers of the pupil's margin.

    Args:
        folders: the model folders, each with model.keras.
        labels: the pupil's classes.

    Raises:
        ModelError: a folder is missing or incomplete.
        TrainingError: a teacher has other labels.
    """

    def __init__(self, folders: Sequence[Path], labels: tuple[str, ...]) -> None:
        self._models = [_load(folder, labels) for folder in folders]

    def __call__(self, faces: npt.NDArray[np.float32]) -> Scores:
        """Score faces in one batch: float32 in [0, 255], (faces, height, width, 1) → (faces, classes), softmax."""
        return np.asarray(np.mean([_scores(model, faces) for model in self._models], axis=0), np.float32)


def _load(folder: Path, labels: tuple[str, ...]) -> keras.Model:
    card = ModelCard.load(folder)
    if card.labels != labels:
        raise TrainingError(f"The teacher {folder} tells {', '.join(card.labels)}, but the data {', '.join(labels)}.")
    if not (folder / "model.keras").is_file():
        raise ModelError(f"{folder} is incomplete: it has no model.keras to teach with.")
    return keras.models.load_model(folder / "model.keras", compile=False)


def _scores(model: keras.Model, faces: npt.NDArray[np.float32]) -> Scores:
    size = model.input_shape[1:3]
    if faces.shape[1:3] != size:
        faces = keras.ops.image.resize(faces, size, antialias=True)
    return np.asarray(model.predict_on_batch(faces), np.float32)
