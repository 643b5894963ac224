"""What the tests of drawing share: faces to draw, and measurements of the pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.types import Box, Face, Image, Prediction

FER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
HAPPY = (0.02, 0.0, 0.03, 0.8, 0.05, 0.04, 0.06)


def blank(width: int, height: int, value: int = 0) -> Image:
    """A gray picture."""
    return np.full((height, width, 3), value, np.uint8)


def noise(width: int, height: int) -> Image:
    """A picture of random colors, always the same one."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def labeled(labels: tuple[str, ...], scores: tuple[float, ...], min_confidence: float = 0.0) -> Prediction:
    return Prediction(labels, np.array(scores, np.float32), min_confidence)


def face(box: Box, scores: tuple[float, ...] = HAPPY, labels: tuple[str, ...] = FER, track: int | None = None) -> Face:
    """A face with an emotion of seven labels and a gender of two."""
    return Face(box, {"emotion": labeled(labels, scores), "gender": labeled(("man", "woman"), (0.1, 0.9))}, track)


def certain(index: int) -> tuple[float, ...]:
    """Scores that are all on one label."""
    return tuple(float(index == other) for other in range(len(FER)))


def changed(before: Image, after: Image) -> npt.NDArray[Any]:
    """Which pixels differ, bool, (height, width)."""
    differs: npt.NDArray[Any] = (before != after).any(axis=2)
    return differs


def extent(mask: npt.NDArray[Any]) -> Box:
    """The smallest box around all True values."""
    ys, xs = np.nonzero(mask)
    return Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def crop(image: npt.NDArray[Any], box: Box) -> npt.NDArray[Any]:
    return image[box.y1 : box.y2, box.x1 : box.x2]


def contains(whole: Image, part: Image) -> bool:
    """Whether a picture contains another one, pixel by pixel."""
    distance = cv2.matchTemplate(whole, part, cv2.TM_SQDIFF)
    y, x = np.unravel_index(np.argmin(distance), distance.shape)
    return np.array_equal(whole[y : y + part.shape[0], x : x + part.shape[1]], part)


def longest_run(image: Image, color: npt.NDArray[Any]) -> int:
    """The largest number of neighbors in one row that have a color, up to rounding."""
    near = (np.abs(image.astype(int) - color) <= 2).all(axis=2)
    best = run = np.zeros(near.shape[0], int)
    for column in near.T:
        run = np.where(column, run + 1, 0)
        best = np.maximum(best, run)
    return int(best.max())


def linear(color: npt.NDArray[Any] | tuple[int, int, int]) -> npt.NDArray[Any]:
    """An sRGB color in [0, 255] as linear RGB in [0, 1]."""
    share = np.asarray(color) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(color: npt.NDArray[Any]) -> float:
    """The relative luminance of a BGR color in [0, 255], as in WCAG 2."""
    return float(linear(color) @ (0.0722, 0.7152, 0.2126))


def contrast(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """The contrast ratio of WCAG 2, in [1, 21]; it requires 4.5 for text and 3 for graphics."""
    dark, bright = sorted((luminance(a), luminance(b)))
    return (bright + 0.05) / (dark + 0.05)


def text_contrast(plate: Image) -> float:
    """The largest contrast of the most common color with any other color."""
    colors, counts = np.unique(plate.reshape(-1, 3), axis=0, return_counts=True)
    ground = colors[np.argmax(counts)]
    return max(contrast(ground, color) for color in colors)
