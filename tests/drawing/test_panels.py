"""Panels are whole, inside the picture, and cover neither faces nor each other where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.drawing.colors import PALETTE, PANEL_OPACITY
from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.view import View
from emotion_cam.types import Box, Image
from tests.drawing.pixels import blank, changed, contains, crop, extent, face, longest_run

BAR = PANEL_OPACITY * np.array(PALETTE[3])
"""The color of the bar of the most likely label, on a black picture."""

POSITIONS = [(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]


def panels_with_room(frame_side: int, side: int) -> tuple[Image, Image]:
    """The label panel and the bar panel of a square face with room all around it.

    Args:
        frame_side: the shorter side of the frame.
        side: the side of the face.
    """
    frame = blank(4 * frame_side, frame_side)
    x, y = 2 * frame_side, (frame_side - side) // 2
    drawn = annotate(frame, [face(Box(x, y, x + side, y + side))])
    above, right = changed(frame, drawn), changed(frame, drawn)
    above[y:] = False
    right[:y] = False
    right[:, : x + side] = False
    return crop(drawn, extent(above)), crop(drawn, extent(right))


@pytest.mark.parametrize(
    ("width", "height", "side"), [(320, 240, 90), (640, 480, 120), (640, 480, 300), (360, 640, 80)]
)
def test_label_and_bars_are_whole_wherever_the_face_is(width: int, height: int, side: int) -> None:
    label, bars = panels_with_room(min(width, height), side)
    for right, down in POSITIONS:
        x, y = round(right * (width - side)), round(down * (height - side))
        drawn = annotate(blank(width, height), [face(Box(x, y, x + side, y + side))])
        assert contains(drawn, label), f"the label is cut or covered for a face at {x}, {y}"
        assert contains(drawn, bars), f"the bars are cut or covered for a face at {x}, {y}"


@pytest.mark.parametrize(("width", "height"), [(160, 120), (320, 240), (640, 480), (480, 854)])
def test_a_face_that_fills_the_frame_has_its_panels_inside(width: int, height: int) -> None:
    drawn = annotate(blank(width, height), [face(Box(0, 0, width, height))])
    assert longest_run(drawn, BAR) > 25, "no bar for the most likely label"
    assert longest_run(drawn, np.array(PALETTE[3])) > 40, "no label"


def test_the_label_lies_on_top_of_the_bars_where_both_do_not_fit() -> None:
    image, faces = blank(110, 100), [face(Box(0, 0, 110, 100))]
    label_only, both = annotate(image, faces, View(bars=False)), annotate(image, faces)
    assert np.array_equal(both[:30, :60], label_only[:30, :60])
    assert not np.array_equal(both[30:], label_only[30:])


def test_labels_that_do_not_fit_on_one_line_take_two() -> None:
    heights = []
    for width in (640, 120):
        image, box = blank(width, 300), Box(20, 150, 100, 230)
        heights.append(extent(changed(image, annotate(image, [face(box)], View(bars=False)))[: box.y1]).height)
    assert heights[1] == 2 * heights[0]


def test_a_tiny_face_in_a_4k_frame_has_legible_rows() -> None:
    image = blank(3840, 2160)
    drawn = extent(changed(image, annotate(image, [face(Box(1000, 1000, 1040, 1040))])))
    assert drawn.height > 300  # seven rows, each a fiftieth of the frame


def test_a_large_face_does_not_have_huge_panels() -> None:
    image = blank(640, 480)
    drawn = annotate(image, [face(Box(120, 40, 520, 440))])
    assert changed(image, drawn)[60:420, 140:400].sum() == 0, "the panels reach into the face"


def test_bars_stand_to_the_right_or_else_to_the_left() -> None:
    image = blank(640, 480)
    for box, free in ((Box(100, 150, 250, 300), slice(250, None)), (Box(490, 150, 640, 300), slice(0, 490))):
        mask = changed(image, annotate(image, [face(box)]))
        assert mask[200:280, free].any()
        assert not mask[160:290, box.x1 + 10 : box.x2 - 10].any()


@pytest.mark.parametrize(
    "boxes",
    [
        (Box(200, 200, 300, 300), Box(310, 200, 410, 300)),  # side by side
        (Box(200, 200, 300, 300), Box(220, 330, 320, 430)),  # one above the other
        (Box(150, 200, 250, 300), Box(270, 190, 370, 290), Box(390, 200, 490, 300)),  # three in a row
        (Box(0, 30, 100, 130), Box(110, 30, 210, 130)),  # no room to the left of the first
    ],
)
def test_panels_of_neighbors_cover_no_face_and_no_other_panel(boxes: tuple[Box, ...]) -> None:
    image = blank(640, 480)
    drawn = annotate(image, [face(box) for box in boxes])
    for box in boxes:
        assert not crop(changed(image, drawn), box.padded(-0.05)).any(), "a panel lies over a face"

    # All panels are whole if the frame has as many of their pixels as pictures with one face each have together.
    alone = [annotate(image, [face(box)]) for box in boxes]
    bars = [int((np.abs(picture - BAR) <= 2).all(axis=2).sum()) for picture in (drawn, *alone)]
    assert bars[0] == sum(bars[1:])
    area = [int(changed(image, picture).sum()) for picture in (drawn, *alone)]
    assert area[0] == sum(area[1:]), "panels overlap"
