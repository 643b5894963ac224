"""The colors of labels, plates and text, all in BGR order."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from emotion_cam.types import Prediction

Color: TypeAlias = tuple[int, int, int]
"""Blue, green and red, each in [0, 255]."""

PALETTE: tuple[Color, ...] = (
    (0x00, 0x5E, 0xD5),  # vermilion
    (0x73, 0x9E, 0x00),  # bluish green
    (0xA7, 0x79, 0xCC),  # reddish purple
    (0x42, 0xE4, 0xF0),  # yellow
    (0xB2, 0x72, 0x00),  # blue
    (0xE9, 0xB4, 0x56),  # sky blue
    (0xD8, 0xD8, 0xD8),  # light gray instead of the original black, which would not show on a dark plate
    (0x00, 0x9F, 0xE6),  # orange
)
"""A color for each label, by its index: Okabe and Ito's palette, which color-blind people can distinguish too."""

WHITE: Color = (255, 255, 255)
PALE: Color = (205, 205, 205)
GRAY: Color = (64, 64, 64)
DARK: Color = (24, 24, 24)
RED: Color = (40, 40, 230)

PANEL_OPACITY = 0.85
"""The opacity of panels: the picture shows through, and white text stays legible even on a white picture."""


def label_color(index: int) -> Color:
    """The color of a label; from the ninth label on, colors repeat."""
    return PALETTE[index % len(PALETTE)]


def is_multiclass(prediction: Prediction) -> bool:
    """Whether a prediction has more than two labels, so that the highest score does not imply the others."""
    return len(prediction.labels) > 2


def plate_color(prediction: Prediction) -> Color:
    """The background color of a prediction's label: gray if it is unsure, dark if it has two labels only."""
    if not prediction.is_sure:
        return GRAY
    return label_color(int(np.argmax(prediction.scores))) if is_multiclass(prediction) else DARK


def text_color_on(plate: Color) -> Color:
    """Dark or white text, depending on the luma of the plate (ITU-R BT.601)."""
    blue, green, red = plate
    return DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 100 else WHITE
