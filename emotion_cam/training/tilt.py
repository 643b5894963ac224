"""Measures what tilted heads cost a model, and how much of it turning their crops upright gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
from sklearn import metrics

from emotion_cam.card import TiltFigures
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.scores import score
from emotion_cam.types import Box, Image, Scores, landmarks_of

DEGREES = (15, 30, 45)
"""By how much the pictures are turned."""

CROPS = ("as it is", "turned by the true roll", "turned by the detector's roll")
"""What is done with the crops."""

Rolls = npt.NDArray[np.float64]
"""float64, (pictures,): degrees, clockwise as seen."""


def measure_tilt(
    classifier: Classifier,
    faces: FaceSet,
    upright: Scores,
    *,
    mirrored: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
) -> Iterator[TiltFigures]:
    """Turn the pictures of a data set, every other one to the left, and score them with each of CROPS.

    The detector is ``MiniFaceDetector``, which looks for each face at its place. The crop of a face that it does not
    find is not turned.

    Args:
        classifier: the model.
        faces: the pictures, with the model's labels. What was outside of a picture is filled with its edge pixels.
        upright: the scores of the pictures as they are.
        mirrored: average each face's scores with those of its mirror image, as Recognizer does.
        progress: called after each batch with the number of pictures in it.
    """
    truth, before = faces.targets.argmax(axis=1), upright.argmax(axis=1)
    detector = MiniFaceDetector()
    for degrees in DEGREES:
        rolls = np.where(np.arange(len(faces)) % 2, -degrees, degrees).astype(float)
        images = np.stack([turned(image, faces.box, roll) for image, roll in zip(faces.images, rolls, strict=True)])
        found = np.array([_detected_roll(detector, image, faces.box) for image in images])
        tilted = replace(faces, images=images)
        for crop, known in zip(CROPS, (np.zeros_like(rolls), rolls, found), strict=True):
            scores = score(classifier, tilted, rolls=known, mirrored=mirrored, progress=progress)
            predicted = scores.argmax(axis=1)
            yield TiltFigures(
                degrees=degrees,
                crop=crop,
                balanced_accuracy=float(metrics.recall_score(truth, predicted, average="macro", zero_division=0)),
                same_label=float(np.mean(predicted == before)),
            )


def turned(image: Image, box: Box, degrees: float) -> Image:
    """A gray picture turned clockwise around the center of a box; it keeps its size."""
    center = (box.x1 + box.x2 - 1) / 2, (box.y1 + box.y2 - 1) / 2
    turn = cv2.getRotationMatrix2D(center, -degrees, 1)
    return np.asarray(cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _detected_roll(detector: MiniFaceDetector, image: Image, box: Box) -> float:
    """The roll of a face by its landmarks; 0 if it is not found."""
    found = detector.find_near(image, box)
    landmarks = None if found is None else landmarks_of(found)
    return 0.0 if landmarks is None else landmarks.roll
