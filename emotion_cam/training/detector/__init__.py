"""Trains the face detector: pictures with boxes, views of them, the network, its losses, training and measuring.

The camera imports none of it; what runs the trained network is ``emotion_cam/detect/mini.py``. Light to import.
"""

from __future__ import annotations

from pathlib import Path

CARD = "detector.json"
"""The card in a detector's folder. Its name is not model.json, which makes a folder the model of a task with labels."""

COMMAND = "train-detector"
"""The ``command`` of the stages in a detector's recipe file."""


def is_detector(folder: Path) -> bool:
    """Whether a folder is a detector's."""
    return (folder / CARD).is_file()


def is_detector_recipe(file: Path) -> bool:
    """Whether a recipe file is a detector's. One that is no recipe file at all is not; its reader says why."""
    import msgspec

    try:
        stages = msgspec.toml.decode(file.read_text(encoding="utf-8"))["stages"]
        return any(stage["command"] == COMMAND for stage in stages)
    except (OSError, KeyError, TypeError, ValueError, ImportError):
        return False
