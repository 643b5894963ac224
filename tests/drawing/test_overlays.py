"""What the window writes on top of its picture: it stays in its corner, and is legible."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.drawing.overlays import draw_corner_text, draw_keys, draw_prompt, draw_recording_dot
from tests.drawing.pixels import blank, changed, extent, text_contrast

KEYS = {"q": "quit", "space": "pause, go on", "h": "these keys"}


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 120), (16, 16), (5, 3)])
def test_corner_text_stays_in_its_corner(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_corner_text(image, "30 fps")
    area = extent(changed(blank(width, height, 255), image))
    assert (area.x1, area.y1) == (0, 0)
    assert area.height <= max(15, height // 15)


@pytest.mark.parametrize("ground", [0, 255])
def test_corner_text_is_legible(ground: int) -> None:
    image = blank(640, 480, ground)
    draw_corner_text(image, "30 fps")
    assert text_contrast(image[:20, :50]) > 4.5


def test_corner_text_accepts_any_letters() -> None:
    image = blank(640, 480)
    draw_corner_text(image, "é 映像\n")
    assert image.any()


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 120), (16, 16), (5, 3)])
def test_the_recording_dot_stays_in_the_other_corner(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_recording_dot(image)
    area = extent(changed(blank(width, height, 255), image))
    assert (area.x2, area.y1) == (width, 0)
    assert area.height <= max(15, height // 15)
    if height > 5:
        assert (image[..., 2].astype(int) - image[..., 1] > 150).any()


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (640, 480), (160, 30), (48, 320), (16, 16), (1, 1)])
def test_the_keys_fit_into_any_picture(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_keys(image, KEYS)
    area = extent(changed(blank(width, height, 255), image))
    assert (area.x1, area.y2) == (0, height)
    assert area.area < 0.15 * width * height or height < 480


@pytest.mark.parametrize("ground", [0, 255])
def test_the_keys_are_legible(ground: int) -> None:
    image = blank(640, 480, ground)
    draw_keys(image, KEYS)
    assert text_contrast(image[-60:, :100]) > 4.5


def test_a_prompt_covers_the_bottom_and_fits_any_picture() -> None:
    for width, height in ((640, 480), (1920, 1080), (160, 120), (20, 10)):
        image = np.full((height, width, 3), 200, np.uint8)
        draw_prompt(image, "an expression with a long name", "in 3")
        rows = np.flatnonzero((image != 200).any(axis=(1, 2)))
        assert rows[-1] == height - 1
        if height > 100:
            assert rows[0] >= height / 2
            band = image[rows[0] :]
            assert (band == 255).any()
            assert (band[:, :4] < 100).all()  # the headline ends before the edge
            assert (band[:, -4:] < 100).all()
