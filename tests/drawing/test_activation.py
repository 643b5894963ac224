"""Class activation maps: the regions that support a label are highlighted, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.drawing.activation import draw_activation
from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.view import View
from emotion_cam.types import Box, ClassMap, Face, Image, Prediction
from tests.builders import result
from tests.drawing.pixels import blank, crop, noise


def explained(box: Box, values: npt.NDArray[Any], covered: Box | None = None) -> Face:
    """A face with three labels, the most likely of which has an activation map; the maps of the others are 0."""
    maps = np.zeros((*values.shape, 3), np.float32)
    maps[..., 1] = values
    scores = np.array([0.2, 0.7, 0.1], np.float32)
    return Face(box, {"mood": Prediction(("a", "b", "c"), scores, class_map=ClassMap(maps, covered or box))})


def overlay(image: Image, face: Face) -> npt.NDArray[Any]:
    """The largest change of each pixel's channels by the explanation, (height, width)."""
    without, shown = (annotate(image, [face], View(bars=False, explain=explain)) for explain in (False, True))
    difference: npt.NDArray[Any] = np.abs(shown.astype(int) - without).max(axis=2)
    return difference


def peak(row: int, column: int, rows: int = 3) -> npt.NDArray[Any]:
    """A map that is positive in one field only."""
    values = np.full((rows, rows), -5.0, np.float32)
    values[row, column] = 8
    return values


@pytest.mark.parametrize("mirror", [False, True])
def test_the_region_that_supports_the_label_is_highlighted(mirror: bool) -> None:
    image, box = blank(400, 300, 128), Box(100, 60, 220, 180)
    face = explained(box, peak(0, 2))
    assert not overlay(image, Face(box, {"mood": replace(face.predictions["mood"], class_map=None)})).any()
    mirrored = result(image=image, faces=[face]).mirrored()
    difference = overlay(image, mirrored.faces[0] if mirror else face)
    if mirror:
        difference = difference[:, ::-1]
    ys, xs = np.nonzero(difference > 40)
    assert len(ys)
    assert 60 <= ys.min() <= ys.max() < 110
    assert 170 < xs.min() <= xs.max() < 220


def test_the_map_of_a_crop_that_was_turned_upright_is_turned_with_the_face() -> None:
    image, box = blank(400, 300, 128), Box(140, 90, 260, 210)
    face = explained(box, peak(0, 1))  # above the center
    mood = face.predictions["mood"]
    assert mood.class_map is not None
    turned = replace(face, predictions={"mood": replace(mood, class_map=replace(mood.class_map, roll=90.0))})
    ys, xs = np.nonzero(overlay(image, turned) > 40)
    assert 130 <= ys.min() <= ys.max() <= 170
    assert 200 < xs.min() <= xs.max() < 265  # to the right of it, as the head lies to the right
    beyond = explained(Box(340, 90, 460, 210), peak(1, 2), Box(340, 90, 460, 210))
    assert overlay(image, beyond).shape == image.shape[:2]


def test_a_map_may_cover_more_than_the_box_and_extend_beyond_the_picture() -> None:
    image, box = blank(200, 200, 128), Box(0, 50, 90, 150)
    difference = overlay(image, explained(box, peak(1, 2), Box(-60, 20, 120, 180)))
    assert difference[75:125, 95:115].min() > 20
    assert not difference[:, 120:].any()
    assert not difference[:, :40].any()
    assert not overlay(image, explained(box, peak(1, 2), Box(300, 300, 400, 400))).any()


@pytest.mark.parametrize("value", [-3.0, 0.0, -1e30])
def test_regions_without_positive_activation_stay_unchanged(value: float) -> None:
    image, box = blank(200, 200, 128), Box(50, 50, 150, 150)
    assert overlay(image, explained(box, np.full((4, 4), value, np.float32))).max() <= 1


def test_the_face_stays_recognizable_under_its_map(portrait: Image) -> None:
    image, face_box = portrait.copy(), Box(172, 66, 272, 166)
    draw_activation(image, np.ones((3, 3), np.float32), face_box)
    before, after = (cv2.cvtColor(crop(picture, face_box), cv2.COLOR_BGR2GRAY) for picture in (portrait, image))
    assert np.abs(after.astype(int) - before).mean() > 20
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99
    assert (image != portrait).any(axis=2).sum() == face_box.area


def test_a_prediction_with_bars_is_explained_rather_than_one_with_two_labels() -> None:
    image, box = blank(200, 200, 128), Box(50, 50, 150, 150)
    everywhere = ClassMap(np.ones((2, 2, 2), np.float32), box)
    two = Prediction(("a", "b"), np.array([0.2, 0.8], np.float32), class_map=everywhere)
    three = explained(box, peak(0, 0)).predictions["mood"]
    assert overlay(image, Face(box, {"two": two}))[90:110, 90:110].min() > 40
    assert overlay(image, Face(box, {"two": two, "three": three}))[90:110, 90:110].max() <= 1


def test_the_map_is_drawn_over_the_blur() -> None:
    box, image = Box(50, 50, 150, 150), noise(200, 200)
    face = explained(box, np.ones((2, 2), np.float32))
    blurred = annotate(image, [face], View(bars=False, blur=True))
    both = annotate(image, [face], View(bars=False, blur=True, explain=True))
    assert crop(both, box.padded(-0.1)).std(axis=(0, 1)).max() < 10
    assert np.abs(both.astype(int) - blurred)[100, 100].max() > 40
