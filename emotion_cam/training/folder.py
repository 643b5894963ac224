"""A model folder: finished beside its place, measured, and put there whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from emotion_cam.recognition.classifier import ModelCard
from emotion_cam.training import card
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.export import export


def origin(model: ModelCard) -> dict[str, Any]:
    """What a model's card says of how the model came to be."""
    return {
        key: model.written[key] for key in ("data", "training", "before", "parts", "teachers") if key in model.written
    }


def finish(new: Path, out: Path, written: dict[str, Any], validation_sets: Sequence[FaceSet]) -> None:
    """Give a folder with model.keras its card, model.tflite and what validation says, and put it in its place.

    Args:
        new: the folder, on the same disk as ``out``; it is gone afterwards.
        out: where it goes. What stands there already is replaced, but for the notes that people wrote.
        written: what model.json is to hold.
        validation_sets: on which to compare the runtimes, and to measure.

    Raises:
        ModelError: the runtimes differ, see ``export``.
    """
    if (out / card.NOTES).exists():
        shutil.copy(out / card.NOTES, new / card.NOTES)
    card.write(new, written)
    # Only TensorFlow can convert a network for LiteRT; after a run of another backend `emotion-cam export` does so.
    runtime = "litert" if keras.backend.backend() == "tensorflow" else "keras"
    if runtime == "litert":
        model = ModelCard.load(new)
        export(new, [face for faces in validation_sets for face in faces.extracted(model.size, model.margin)])
    for faces in validation_sets:
        card.record(new, evaluate(new, faces, runtime=runtime))
    replaced = new.with_name(new.name + ".replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.rename(replaced)
    new.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)
