"""How good a detector is on whole pictures: average precision, recall at few false alarms, and false boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.mini import MiniFace
from emotion_cam.training.detector.scenes import Floats, Scene
from emotion_cam.types import Image

Find: TypeAlias = Callable[[Image], Sequence[MiniFace]]
"""Takes a picture, uint8 gray or BGR, and gives its faces with their scores."""

ENOUGH = 0.5
"""From which IoU a square is on the face."""


@dataclass(frozen=True)
class Matches:
    """What a detector's answers on some pictures were worth.

    Attributes:
        scores: float32, (answers,), of those that count; the surest first.
        is_face: bool, (answers,): whether each is on a face that no surer one is on.
        found_at: float32, (faces,): the score of the answer on each face that counts; 0 if there is none.
        pictures: how many there were.
    """

    scores: Floats
    is_face: npt.NDArray[np.bool_]
    found_at: Floats
    pictures: int

    @property
    def average_precision(self) -> float:
        """The area under the curve of precision over recall, precision never rising (PASCAL VOC 2010)."""
        faces = max(1, len(self.found_at))
        right = np.cumsum(self.is_face)
        precision = right / np.arange(1, len(right) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float((envelope * self.is_face).sum() / faces)

    def recall_at(self, false_a_picture: float) -> float:
        """The share of the faces that are found at the threshold that lets so many false boxes through a picture."""
        return float(np.mean(self.found_at >= max(1e-9, self.threshold_at(false_a_picture))))

    def threshold_at(self, false_a_picture: float) -> float:
        """The score from which on there are at most so many false boxes a picture."""
        wrong = self.scores[~self.is_face]
        allowed = math.floor(false_a_picture * self.pictures + 1e-9)
        return float(np.nextafter(wrong[allowed], np.float32(2))) if len(wrong) > allowed else 0.0

    def recall(self, threshold: float) -> float:
        """The share of the faces that are found with at least that score."""
        return float(np.mean(self.found_at >= max(threshold, 1e-9))) if len(self.found_at) else math.nan

    def false_boxes(self, threshold: float) -> float:
        """How many boxes a picture are on no face, with at least that score."""
        return float((~self.is_face & (self.scores >= threshold)).sum() / max(1, self.pictures))


def matched(find: Find, scenes: Sequence[Scene], least: float = MIN_FACE) -> Matches:
    """Compare a detector's answers with the faces that are there.

    Faces smaller than ``least`` of the picture's shorter side, and what the data set ignores, count neither as missed
    nor, if found, as false; nor do answers that are smaller.
    """
    scores: list[float] = []
    is_face: list[bool] = []
    found_at: list[float] = []
    for scene in scenes:
        smallest = least * min(scene.image.shape)
        wanted = scene.squares[scene.squares[:, 2] >= smallest]
        spared = np.vstack([scene.squares[scene.squares[:, 2] < smallest], scene.ignored])
        best = np.zeros(len(wanted))
        for face in sorted(find(scene.image), key=lambda face: -face.score):
            square = np.array([face.x, face.y, face.side], np.float32)
            overlap = overlaps(square, wanted)
            overlap[best > 0] = 0
            if len(wanted) and overlap.max() >= ENOUGH:
                best[overlap.argmax()] = face.score
                scores.append(face.score)
                is_face.append(True)
            elif face.side >= smallest and not (overlaps(square, spared, of_first=True) >= ENOUGH).any():
                scores.append(face.score)
                is_face.append(False)
        found_at.extend(best.tolist())
    order = np.argsort(-np.array(scores), kind="stable")
    return Matches(
        np.array(scores, np.float32)[order],
        np.array(is_face, bool)[order],
        np.array(found_at, np.float32),
        len(scenes),
    )


def overlaps(square: Floats, others: Floats, *, of_first: bool = False) -> Floats:
    """The IoU of a square (3,) with others (count, 3); with ``of_first`` what they share of the first one's area."""
    if not len(others):
        return np.zeros(0, np.float32)
    low = np.maximum(square[:2] - square[2] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(square[:2] + square[2] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = (high - low).clip(0).prod(axis=1)
    return np.asarray(shared / (square[2] ** 2 + (0 if of_first else others[:, 2] ** 2 - shared)), np.float32)


def in_less_light(image: Image, share: float, seed: int = 0) -> Image:
    """A picture with so much of its light and a dark room's noise, as ``benchmarks/detectors.py`` makes it."""
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.asarray(np.clip(image * share + noise, 0, 255), np.uint8)


def tilted(scene: Scene, degrees: float) -> Scene:
    """A scene as a camera sees it that leans to the side; faces whose center leaves the picture are ignored."""
    height, width = scene.image.shape
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), np.float64)
    image = np.asarray(cv2.warpAffine(scene.image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    squares, ignored = _turned(scene.squares, turn), _turned(scene.ignored, turn)
    is_inside = ((squares[:, :2] > 0) & (squares[:, :2] < [width, height])).all(axis=1)
    points = np.asarray(scene.points @ turn[:, :2].T + turn[:, 2], np.float32)
    return Scene(
        image,
        squares[is_inside],
        points[is_inside],
        np.vstack([ignored, squares[~is_inside]]),
        scene.source,
        scene.name,
    )


def _turned(squares: Floats, turn: npt.NDArray[np.float64]) -> Floats:
    return np.column_stack([squares[:, :2] @ turn[:, :2].T + turn[:, 2], squares[:, 2]]).astype(np.float32)
