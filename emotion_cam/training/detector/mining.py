"""Hard negatives: places that a trained network takes for faces, in pictures where nobody is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from emotion_cam.detect.mini import MiniFace
from emotion_cam.training.detector.measure import overlaps
from emotion_cam.training.detector.scenes import Scene
from emotion_cam.training.detector.views import Focus
from emotion_cam.types import Image

DOUBTFUL = 0.8
"""A score from which an answer in a picture with faces may well be on a face that nobody has marked."""


def mine(find: Callable[[Image], Sequence[MiniFace]], scenes: Sequence[Scene], most: int = 4) -> list[Focus]:
    """What a detector takes for faces and is none.

    Args:
        find: the detector.
        scenes: training pictures.
        most: how many places of a picture at most; the surest.

    Returns:
        The places, by picture.
    """
    found = []
    for number, scene in enumerate(scenes):
        marked = np.vstack([scene.squares, scene.ignored])
        wrong = [face for face in find(scene.image) if _is_none(face, marked)]
        wrong.sort(key=lambda face: -face.score)
        found += [Focus(number, face.x, face.y, face.side) for face in wrong[:most]]
    return found


def _is_none(face: MiniFace, marked: np.ndarray) -> bool:
    """Whether an answer is neither on something marked nor likely to be on a face that was overlooked."""
    if not len(marked):
        return True
    square = np.array([face.x, face.y, face.side], np.float32)
    return face.score < DOUBTFUL and not (overlaps(square, marked) > 0.1).any()
