"""Takes pictures in the forms in which programs have them, and refuses what is none."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np

from emotion_cam.checks import described
from emotion_cam.types import Image

_WANTED = "uint8 of shape (height, width, 3) in BGR order, as cv2.imread reads it"
_GRAY, _COLOR, _WITH_ALPHA = 1, 3, 4  # numbers of channels


def as_picture(image: Any, name: str = "image") -> Image:
    """A picture in the form that detectors and networks take. uint8 BGR is returned as it is.

    Other forms are converted if it is plain what they mean:

    - A fourth channel is transparency, as in BGRA; it is dropped, as ``cv2.imread`` does.
    - (height, width, 1) is gray, as (height, width) is.
    - bool: False is black, True is white.
    - Integers of any size except uint16, if all are in [0, 255].
    - Floating-point numbers: in [0, 1], or in [0, 255] if at least one is above 1.
    - A picture of Pillow, in any mode: its colors, as ``convert("RGB")`` gives them. It is not turned as its EXIF data
      say, so that boxes are in the pixels of the picture that was given.

    Args:
        image: the picture.
        name: the parameter's name for messages.

    Returns:
        uint8, (height, width, 3), BGR, or (height, width), gray.

    Raises:
        TypeError: it is not a picture.
        ValueError: its shape or its values are not those of a picture.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and _is_usual(image.shape):
        return image
    return _converted(image, name)


def as_bgr(image: Any, name: str = "image") -> Image:
    """As ``as_picture``, with gray pictures as BGR too: uint8, (height, width, 3)."""
    picture = as_picture(image, name)
    if picture.ndim == 3:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8) if picture.size else _empty(picture)


def _is_usual(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] == _COLOR)


def _converted(image: Any, name: str) -> Image:
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(image, pillow.Image):
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    if not isinstance(image, np.ndarray):
        raise TypeError(f"`{name}` must be a picture, {_WANTED}, or a picture of Pillow, not {described(image)}.")
    if image.ndim == 3 and image.shape[2] == _GRAY:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[2] == _WITH_ALPHA:
        image = image[..., :_COLOR]
    if not _is_usual(image.shape):
        hint = "; give one picture at a time" if image.ndim == 4 else ""
        raise ValueError(f"`{name}` must be {_WANTED}, not {described(image)}{hint}.")
    return np.ascontiguousarray(_as_bytes(image, name))


def _as_bytes(image: Any, name: str) -> Image:
    """The values as uint8; see ``as_picture``."""
    kind = image.dtype.kind
    if image.dtype == np.uint16 or kind not in "buif":
        hint = ": convert 16 bits to 8 with (image // 257).astype(np.uint8)" if image.dtype == np.uint16 else ""
        raise TypeError(f"`{name}` must be {_WANTED}, not {described(image)}{hint}.")
    if not image.size:
        return np.zeros(image.shape, np.uint8)
    if kind == "b":
        return np.asarray(image * np.uint8(255), np.uint8)
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 255):  # NaN is neither
        wanted = "[0, 255], or [0, 1]" if kind == "f" else "[0, 255]"
        raise ValueError(
            f"`{name}` must be {_WANTED}; this one is {described(image)}, and its values are not in {wanted}."
        )
    if kind == "f":
        image = np.rint(image * 255.0 if high <= 1 else image)
    return np.asarray(image, np.uint8)


def _empty(picture: Image) -> Image:
    return np.zeros((*picture.shape, _COLOR), np.uint8)
