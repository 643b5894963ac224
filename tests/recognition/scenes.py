"""Pictures of several faces, real and drawn, for the tests of detectors, tracker and follower."""

from __future__ import annotations

import cv2
import numpy as np

from emotion_cam.types import Box, Image

FPS = 30
"""Frames per second of the streams."""

EMPTY = np.full((480, 640, 3), 110, np.uint8)
"""A gray picture without a face."""


def with_portraits(portrait: Image, *centers: tuple[float, float], scale: float = 0.8) -> Image:
    """A gray picture, 640 × 480, with the portrait's head at each of these centers (x, y)."""
    image: Image = EMPTY.copy()
    head = np.asarray(cv2.resize(portrait[20:220, 124:324], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    side = head.shape[0]
    for x, y in centers:
        left, top = round(x - side / 2), round(y - side / 2)
        image[top : top + side, left : left + side] = head
    return image


def with_rectangles(*boxes: Box) -> Image:
    """A black picture, 160 × 120, with each box filled in a gray level of its own, the first one brightest."""
    image = np.zeros((120, 160, 3), np.uint8)
    for number, box in enumerate(boxes):
        image[box.y1 : box.y2, box.x1 : box.x2] = 250 - 40 * number
    return image


def rectangles_in(image: Image) -> list[Box]:
    """The upright rectangles around each gray level of a picture, black apart; the brightest first."""
    boxes = []
    for gray in np.unique(image[image > 0])[::-1]:
        rows, columns = np.nonzero(image[..., 0] == gray)
        boxes.append(Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1))
    return boxes
