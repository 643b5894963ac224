"""Text in OpenCV's fonts. Every size is derived from the height of a row of text in pixels."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import cv2
import numpy as np

from emotion_cam.drawing.colors import Color, text_color_on
from emotion_cam.types import Box, Image

REGULAR, BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX

CAPITAL_HEIGHT = 0.6
"""The height of a capital letter, as a share of the row."""


def row_height(box: Box, frame: Box) -> int:
    """The height of a row of text in pixels, for text that belongs to a box in a frame.

    It is an eighth of the box, so that seven bars with their border are as high as the box. Limits that depend on the
    frame keep text legible in large frames and small in small ones.
    """
    side = min(frame.width, frame.height)
    return round(min(max(box.height / 8, 10, side / 44), max(10, side / 30)))


def text_width(text: str, row: int) -> int:
    """The width of a text in pixels, in the wider font."""
    scale, stroke = _font_scale(row)
    return cv2.getTextSize(text, BOLD, scale, stroke)[0][0]


def write(image: Image, text: str, left_middle: tuple[int, float], row: int, *, color: Color, font: int = BOLD) -> None:
    """Write a line of ASCII text into a picture, in place.

    Args:
        image: uint8, (height, width, 3), BGR.
        text: the text.
        left_middle: x of the left end and y of the vertical middle of the capital letters, in pixels.
        row: the height of a row in pixels.
        color: the color of the text.
        font: REGULAR or BOLD.
    """
    scale, stroke = _font_scale(row)
    baseline = round(left_middle[1] + CAPITAL_HEIGHT * row / 2)
    cv2.putText(image, text, (left_middle[0], baseline), font, scale, color, stroke, cv2.LINE_AA)


def _font_scale(row: int) -> tuple[float, int]:
    """OpenCV's font scale, at which capital letters are 21 pixels high if it is 1, and the thickness of the strokes."""
    return CAPITAL_HEIGHT * row / 21, max(1, round(row / 20))


@lru_cache(maxsize=1024)
def chip(text: str, plate: Color, row: int) -> Image:
    """A text on a plate of one color, one and a half rows high: a cached picture, not to be changed."""
    picture = np.full((row + row // 2, text_width(text, row) + row, 3), plate, np.uint8)
    write(picture, text, (row // 2, picture.shape[0] / 2), row, color=text_color_on(plate))
    return picture


@lru_cache(maxsize=1024)
def to_ascii(text: str, max_length: int) -> str:
    """The text in ASCII, because OpenCV's fonts have no other letters.

    Accents are dropped, other letters become question marks, and a text that is too long ends in a period.
    """
    letters = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = letters.encode("ascii", "replace").decode()
    return plain if len(plain) <= max_length else plain[: max_length - 1] + "."
