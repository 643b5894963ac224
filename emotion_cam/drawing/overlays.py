"""What the window writes on top of its picture: text in a corner, the list of keys, a recording dot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_cam.drawing.colors import DARK, PALE, PANEL_OPACITY, RED, WHITE
from emotion_cam.drawing.regions import whole
from emotion_cam.drawing.text import REGULAR, chip, row_height, text_width, to_ascii, write
from emotion_cam.types import Image

if TYPE_CHECKING:
    from cv2.typing import MatLike


def draw_corner_text(image: Image, text: str) -> None:
    """Write a line on a plate into the top left corner of a picture, in place; it is cut at the edge of the picture.

    Args:
        image: uint8, (height, width, 3), BGR.
        text: one line; letters without an ASCII form become question marks.
    """
    frame = whole(image)
    plate = chip(to_ascii(text, 80), DARK, row_height(frame, frame))[: frame.height, : frame.width]
    image[: plate.shape[0], : plate.shape[1]] = plate


def draw_recording_dot(image: Image) -> None:
    """Draw a red dot on a plate into the top right corner of a picture, in place: a recording is going on.

    Args:
        image: uint8, (height, width, 3), BGR.
    """
    frame = whole(image)
    row = row_height(frame, frame)
    side = row + row // 2
    plate = np.full((side, side, 3), DARK, np.uint8)
    cv2.circle(plate, (side // 2, side // 2), row // 2, RED, cv2.FILLED, cv2.LINE_AA)
    corner = image[:side, max(0, frame.width - side) :]
    corner[:] = plate[: corner.shape[0], : corner.shape[1]]


def draw_prompt(image: Image, headline: str, line: str) -> None:
    """Draw what a person is asked for over the bottom of a picture, in place: one large line, and one below it.

    Args:
        image: uint8, (height, width, 3), BGR.
        headline, line: texts; letters without an ASCII form become question marks. A headline that is too wide shrinks.
    """
    frame = whole(image)
    row = row_height(frame, frame)
    headline, line = to_ascii(headline, 40), to_ascii(line, 80)
    large = min(3 * row, max(1, 3 * row * (frame.width - 2 * row) // max(1, text_width(headline, 3 * row))))
    height = min(frame.height, 6 * row)
    area = image[frame.height - height :]
    area[:] = cv2.addWeighted(np.full_like(area, DARK), PANEL_OPACITY, area, 1 - PANEL_OPACITY, 0)
    for text, size, middle in ((headline, large, 1.8 * row), (line, 2 * row, 4.5 * row)):
        write(area, text, ((frame.width - text_width(text, size)) // 2, middle), size, color=WHITE)


def draw_keys(image: Image, keys: Mapping[str, str]) -> None:
    """Draw a list of keys into the bottom left corner of a picture, in place; it shrinks to fit into a small picture.

    Args:
        image: uint8, (height, width, 3), BGR.
        keys: what each key does, by the name of the key.
    """
    frame = whole(image)
    panel: MatLike = _keys_panel(tuple(keys.items()), row_height(frame, frame))
    height, width = panel.shape[:2]
    scale = min(1.0, frame.height / height, frame.width / width)
    if scale < 1:
        size = max(1, int(width * scale)), max(1, int(height * scale))
        panel = cv2.resize(panel, size, interpolation=cv2.INTER_AREA)
    area = image[frame.height - panel.shape[0] :, : panel.shape[1]]
    area[:] = cv2.addWeighted(panel, PANEL_OPACITY, area, 1 - PANEL_OPACITY, 0)


@lru_cache(maxsize=8)  # text takes long to draw
def _keys_panel(keys: tuple[tuple[str, str], ...], row: int) -> Image:
    border, line_height = row, row + row // 2
    left = 2 * border + max(text_width(name, row) for name, _ in keys)
    width = left + max(text_width(action, row) for _, action in keys) + border
    picture = np.full((line_height * len(keys) + border, width, 3), DARK, np.uint8)
    for i, (name, action) in enumerate(keys):
        middle = (border + line_height) / 2 + line_height * i
        write(picture, name, (border, middle), row, color=WHITE)
        write(picture, action, (left, middle), row, font=REGULAR, color=PALE)
    return picture
