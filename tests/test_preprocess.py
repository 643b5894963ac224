from __future__ import annotations

import cv2
import numpy as np
import pytest

from emotion_cam.preprocess import crop, crop_gray, extract_face, roll_to_correct
from emotion_cam.types import Box, FaceBox, Image, Landmarks


def gradient(height: int = 40, width: int = 60) -> Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.asarray(rows * 2 + columns * 2, np.uint8)


def test_a_box_of_the_target_size_is_cropped_without_change() -> None:
    image = gradient()
    face = extract_face(image, Box(10, 5, 34, 29), (24, 24))
    assert face.dtype == np.uint8
    assert np.array_equal(face, image[5:29, 10:34])


def test_color_becomes_gray_by_luminance_in_bgr_order() -> None:
    blue = np.zeros((24, 24, 3), np.uint8)
    blue[..., 0] = 255
    assert extract_face(blue, Box(0, 0, 24, 24), (24, 24)).tolist() == [[29] * 24] * 24


def test_a_face_at_the_edge_is_filled_with_edge_pixels_not_moved_or_squeezed() -> None:
    image = gradient()
    face = extract_face(image, Box(-8, -4, 16, 20), (24, 24))
    assert np.array_equal(face[4:, 8:], image[:20, :16])
    assert (face[4:, :8] == image[:20, :1]).all()
    assert (face[:4, 8:] == image[:1, :16]).all()


def test_a_crop_keeps_color_and_its_gray_twin_does_not(portrait: Image) -> None:
    box = Box(-30, 66, 272, 166)
    color = crop(portrait, box)
    assert color.shape == (100, 302, 3)
    assert np.array_equal(color[:, 30:], portrait[66:166, :272])
    assert np.array_equal(crop_gray(portrait, box), cv2.cvtColor(color, cv2.COLOR_BGR2GRAY))


def test_the_margin_is_a_share_of_the_box() -> None:
    image = gradient()
    assert np.array_equal(extract_face(image, Box(12, 12, 22, 22), (20, 20), margin=0.5), image[7:27, 7:27])


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((480, 480), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(extract_face(stripes, Box(0, 0, 480, 480), (48, 48))) <= 1


def test_a_wide_box_fills_a_square_input(portrait: Image) -> None:
    assert extract_face(portrait, Box(100, 100, 300, 200), (48, 48)).shape == (48, 48)
    assert extract_face(portrait, Box(100, 100, 110, 110), (64, 48)).shape == (64, 48)


def test_changes_to_the_face_leave_the_picture_alone() -> None:
    image = gradient()
    extract_face(image, Box(0, 0, 24, 24), (24, 24))[:] = 0
    assert np.array_equal(image, gradient())


def test_the_result_is_that_of_opencv_step_by_step(portrait: Image, face: Box) -> None:
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    part = gray[face.y1 : face.y2, face.x1 : face.x2]
    assert np.array_equal(
        extract_face(portrait, face, (64, 64)), cv2.resize(part, (64, 64), interpolation=cv2.INTER_AREA)
    )
    halves = cv2.resize(part, (50, 50), interpolation=cv2.INTER_AREA)
    assert np.array_equal(
        extract_face(portrait, face, (48, 48)), cv2.resize(halves, (48, 48), interpolation=cv2.INTER_AREA)
    )


@pytest.mark.parametrize("side", [95, 96, 97, 201, 511])
def test_large_faces_are_shrunk_almost_exactly(side: int) -> None:
    rows, columns = np.mgrid[0:side, 0:side] / side
    image = (128 + 60 * np.sin(9 * rows) * np.cos(7 * columns)).astype(np.uint8)
    exact = cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(extract_face(image, Box(0, 0, side, side), (48, 48)) - exact).max() <= 5


@pytest.mark.parametrize("box", [Box(5, 5, 5, 9), Box(100, 0, 120, 20)])
def test_a_box_without_a_pixel_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="no pixel"):
        extract_face(gradient(), box, (48, 48))


@pytest.mark.parametrize("degrees", [-45, 20, 45])
@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_a_tilted_face_is_turned_upright_around_its_center(
    portrait: Image, face: Box, degrees: float, margin: float
) -> None:
    center = (face.x1 + face.x2 - 1) / 2, (face.y1 + face.y2 - 1) / 2
    turn = cv2.getRotationMatrix2D(center, -degrees, 1)  # clockwise
    tilted = np.asarray(cv2.warpAffine(portrait, turn, portrait.shape[1::-1]), np.uint8)
    upright = extract_face(portrait, face, (48, 48), margin).astype(int)
    turned_back = extract_face(tilted, face, (48, 48), margin, roll=degrees)
    assert np.abs(turned_back - upright).mean() < 3
    assert np.abs(extract_face(tilted, face, (48, 48), margin) - upright).mean() > 20


def test_a_face_at_the_edge_may_be_turned_too() -> None:
    flat = np.full((40, 60), 90, np.uint8)
    assert (extract_face(flat, Box(-8, -8, 16, 16), (24, 24), roll=30) == 90).all()


def test_a_roll_is_corrected_from_some_degrees_on_where_it_is_known() -> None:
    by_30 = Landmarks((-0.37, -0.5), (0.5, 0.0), (0, 0), (-0.87, 0.37), (0.0, 0.87))
    assert by_30.roll == pytest.approx(30, abs=0.2)
    box = FaceBox(0, 0, 9, 9, by_30)
    assert [roll_to_correct(box, least) for least in (None, 31, 29, 0)] == [0, 0, by_30.roll, by_30.roll]
    assert roll_to_correct(FaceBox(0, 0, 9, 9, by_30.mirrored(9)), 29) == pytest.approx(-by_30.roll)
    assert roll_to_correct(Box(0, 0, 9, 9), 0) == 0
