"""Blurring: no detail of a face is left, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.detect.haar import HaarDetector
from emotion_cam.drawing.blur import blur_face
from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.view import View
from emotion_cam.types import Box, Face, Image
from tests.drawing.pixels import changed, crop, extent, noise


def test_no_detail_of_a_blurred_face_is_left() -> None:
    # Waves of many frequencies and phases, with the largest amplitude that a picture can have.
    side = 96
    box = Box(side, side, 2 * side, 2 * side)
    y, x = np.mgrid[: 3 * side, : 3 * side] / side

    def blurred(wave: npt.NDArray[Any]) -> npt.NDArray[Any]:
        image = np.repeat((127.5 + 120 * wave).astype(np.uint8)[..., None], 3, axis=2)
        blur_face(image, box)
        return crop(image, box).astype(int)

    plain = blurred(np.zeros_like(x))
    for along in (x, y, (x + y) / np.sqrt(2)):
        for periods in (4, 5, 6, 8, 12, 24):
            for phase in range(6):
                assert np.abs(blurred(np.sin(2 * np.pi * periods * along + phase)) - plain).max() <= 1


def test_a_blurred_face_is_not_detected_and_the_rest_of_the_picture_is_unchanged(portrait: Image) -> None:
    (box,) = HaarDetector()(portrait)
    image = annotate(portrait, [Face(box)], View(blur=True))
    assert not HaarDetector()(image)
    changes = changed(portrait, image)
    assert extent(changes) == box.padded(0.25)
    assert crop(changes, box.padded(0.25)).mean() > 0.95


@pytest.mark.parametrize(
    "box", [Box(-50, -50, 50, 50), Box(40, 20, 300, 280), Box(90, 70, 92, 71), Box(0, 0, 120, 90), Box(200, 0, 250, 50)]
)
def test_a_face_anywhere_can_be_blurred(box: Box) -> None:
    image = noise(120, 90)
    before = image.copy()
    blur_face(image, box)
    inside = box.clipped(120, 90)
    assert changed(before, image).any() == bool(inside.area)
    if inside.area:
        assert inside.width < 3 or crop(image, inside).std() < 0.2 * crop(before, inside).std()
