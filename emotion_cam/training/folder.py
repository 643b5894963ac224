"""Complete a model folder beside its place, and put it there whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from emotion_cam.card import ModelCard
from emotion_cam.training import card as cards
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.export import export


def finish(new: Path, out: Path, card: ModelCard, validation_sets: Sequence[FaceSet]) -> None:
    """Add model.tflite, the card and its measurements to a folder with model.keras, and put it in its place.

    Args:
        new: the folder, on the same disk as ``out``; it is moved.
        out: its place. What is there is replaced, except for notes.md.
        card: the card, without measurements.
        validation_sets: the faces on which the runtimes are compared and the model is measured.

    Raises:
        ModelError: the runtimes disagree, see ``export``, or the card is not valid.
    """
    if (out / cards.NOTES).exists():
        shutil.copy(out / cards.NOTES, new / cards.NOTES)
    cards.write(new, card)
    # Only TensorFlow can convert a network for LiteRT; after a run with another backend `emotion-cam export` does it.
    runtime = "litert" if keras.backend.backend() == "tensorflow" else "keras"
    if runtime == "litert":
        export(new, [face for faces in validation_sets for face in faces.extracted(card.size, card.margin)])
    for faces in validation_sets:
        cards.record(new, evaluate(new, faces, runtime=runtime))
    put_in_place(new, out)


def put_in_place(new: Path, out: Path) -> None:
    """Move a complete folder to its place on the same disk; what is there is replaced."""
    old = out.with_name(f"{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)
