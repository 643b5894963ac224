"""The contact sheet shows each face above the labels that the models give it."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from emotion_cam.training.datasets import GENDERS, FaceSet
from emotion_cam.types import Box

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "contact_sheet.py"))


def test_right_labels_are_green_and_wrong_ones_red() -> None:
    images = np.stack([np.full((80, 80), shade, np.uint8) for shade in (60, 120, 180)])
    faces = FaceSet("some validation", images, np.eye(2, dtype=np.float32)[[0, 1, 1]], GENDERS, Box(8, 8, 72, 72))
    always_man = TOOL["Scored"]("old", GENDERS, np.tile(np.array([0.8, 0.2], np.float32), (3, 1)))
    other_order = TOOL["Scored"]("new", ("woman", "man"), np.array([[0.1, 0.9], [0.7, 0.3], [0.6, 0.4]], np.float32))
    assert [always_man.recall("man", [0]), always_man.recall("woman", [1, 2])] == [1, 0]
    assert other_order.recall("woman", [1, 2]) == 1
    sheet = TOOL["sheet"](faces, [always_man, other_order], count=2, seed=0)
    side, row, gap, left = (TOOL[name] for name in ("SIDE", "ROW", "GAP", "LEFT"))
    strip = side + 2 * row + 2 * gap
    assert sheet.shape == (2 * row + 2 * strip, left + 2 * (side + gap), 3)

    def verdicts(label: int, column: int) -> list[str]:
        """What the lines of one face say by their color, green or red, from the top down."""
        top, x = 2 * row + label * strip + side, left + column * (side + gap)
        lines = [sheet[top + number * row : top + (number + 1) * row, x : x + side] for number in range(2)]
        return ["right" if line[..., 1].sum() > line[..., 2].sum() else "wrong" for line in lines]

    assert verdicts(0, 0) == ["right", "right"]
    assert verdicts(1, 0) == verdicts(1, 1) == ["wrong", "right"]
    for label, column, shade in ((0, 0, 60), (1, 0, 120), (1, 1, 180)):
        corner = 2 * row + label * strip, left + column * (side + gap)
        assert (sheet[corner[0] : corner[0] + side, corner[1] : corner[1] + side] == shade).all()
