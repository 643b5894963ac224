"""Brings the sides of the network's squares to those of the cascade, on training pictures in which both see a face."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from emotion_cam.detect.base import Detector
from emotion_cam.detect.mini import STRIDES, MiniFaceDetector
from emotion_cam.training.backend import keras
from emotion_cam.training.detector.scenes import Scene
from emotion_cam.types import Box

SAME = 0.3
"""From which IoU two boxes are on the same face."""


def side_ratio(detector: MiniFaceDetector, cascade: Detector, scenes: Sequence[Scene], most: int = 300) -> float:
    """By how much the detector's squares are too small: the median of the cascade's sides over the detector's.

    Args:
        detector: the network's.
        cascade: whose squares the classifiers know.
        scenes: training pictures; those with one face of 50 pixels or more, which the edge does not cut, are used.
        most: how many of these at most.

    Returns:
        The ratio; 1 if there is no such face.
    """
    ratios: list[float] = []
    for scene, box in list(_single_faces(scenes))[:most]:
        by_cascade = max(cascade(scene.image), key=box.iou, default=None)
        if by_cascade and by_cascade.iou(box) > SAME and (face := detector.look(scene.image, by_cascade, 0.3)):
            ratios.append(by_cascade.width / face.side)
    return float(np.median(ratios)) if ratios else 1.0


def scale_sides(network: keras.Model, factor: float) -> None:
    """Make all sides that a network says so many times as large: it says their logarithms, so that is a bias."""
    for stride in STRIDES:
        layer = network.get_layer(f"faces{stride}")
        kernel, bias = layer.get_weights()
        bias[3] += math.log(factor)
        layer.set_weights([kernel, bias])


def _single_faces(scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Box]]:
    for scene in scenes:
        if len(scene.squares) == 1 and scene.squares[0, 2] >= 50:
            x, y, side = scene.squares[0].tolist()
            left, top = round(x - side / 2), round(y - side / 2)
            box = Box(left, top, left + round(side), top + round(side))
            height, width = scene.image.shape
            if box.clipped(width, height) == box:
                yield scene, box
