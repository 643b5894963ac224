"""Everything drawn is legible on any picture, and for color-blind people too."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.drawing.colors import PALETTE
from emotion_cam.drawing.draw import annotate
from emotion_cam.types import Box
from tests.drawing.pixels import FER, blank, certain, changed, contrast, crop, extent, face, linear, text_contrast


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_text_and_box_stand_out_from_any_picture(ground: int) -> None:
    image, box = blank(1000, 1000, ground), Box(100, 300, 400, 600)
    for i in range(len(FER)):
        drawn = annotate(image, [face(box, certain(i))])
        mask = changed(image, drawn)
        label = extent(mask[: box.y1])
        first_letters = Box(label.x1, label.y1, label.x1 + 60, label.y2)
        assert text_contrast(crop(drawn, first_letters)) > 4.5, f"the label {FER[i]}"
        panel = mask.copy()
        panel[:, : box.x2] = False
        panel[: box.y1] = False
        bars = extent(panel)
        for row in range(len(FER)):
            middle = bars.y1 + bars.height * (2 * row + 2) // (2 * len(FER) + 2)
            name = Box(bars.x1, middle - 8, bars.x1 + 60, middle + 8)
            assert text_contrast(crop(drawn, name)) > 4.5, f"the name {FER[row]}"
        edge = drawn[450, box.x1 : box.x1 + 10]
        assert max(contrast(image[0, 0], pixel) for pixel in edge) > 3, "the box"


# Machado, Oliveira and Fernandes 2009, severity 1; the matrices apply to linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Linear RGB as CIELAB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    share = xyz / (0.9505, 1.0, 1.089)
    f = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colors_differ_for_every_kind_of_color_vision(vision: str) -> None:
    # A CIE76 distance of 2.3 is just noticeable; six times that is seen at a glance.
    seen = [lab(np.asarray(VISION[vision]) @ linear(color[::-1])) for color in PALETTE]
    closest = min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))
    assert closest > 6 * 2.3
