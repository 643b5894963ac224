"""Rectangular parts of pictures."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from emotion_cam.types import Box, Image


def whole(image: Image) -> Box:
    """The box that covers a whole picture."""
    return Box(0, 0, image.shape[1], image.shape[0])


def region(image: npt.NDArray[Any], box: Box) -> npt.NDArray[Any]:
    """The part of a picture or map inside a box, which must not extend beyond it: a view, so that it can be changed."""
    return image[box.y1 : box.y2, box.x1 : box.x2]
