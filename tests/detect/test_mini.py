"""The project's own detector: how the network's answers become faces, and what the shipped network finds."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.detect import open_detector
from emotion_cam.detect.base import Floats, StreamDetector
from emotion_cam.detect.mini import MiniFaceDetector, decoded, merged, places
from emotion_cam.errors import DetectorError
from emotion_cam.types import Box, FaceBox, Image

MODEL = Path(__file__).parents[2] / "models" / "face" / "model.tflite"

UPRIGHT = np.array([[-0.17, -0.09], [0.17, -0.09], [0, 0.12], [-0.13, 0.28], [0.13, 0.28]], np.float32)
"""The landmarks of an upright face, seen from the square's center, as shares of its side."""


@pytest.fixture(scope="module")
def detector() -> MiniFaceDetector:
    return MiniFaceDetector()


def tilted(image: Image, box: Box, degrees: float) -> Image:
    """A picture turned clockwise around the center of a box, which stays where it is."""
    turn = cv2.getRotationMatrix2D(((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2), -degrees, 1)
    return np.asarray(cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def said(rows: dict[int, tuple[float, float, float, float]], height: int = 64, width: int = 96) -> Floats:
    """The network's answer that sees nothing but, by the place's number: logit, center and side in strides."""
    result = np.zeros((len(places(height, width)[0]), 14), np.float32)
    result[:, 0] = -20
    for place, (logit, x, y, side) in rows.items():
        result[place] = [logit, x, y, math.log(side), *(side * UPRIGHT + (x, y)).ravel()]
    return result


def test_places_lie_in_the_middle_of_their_cells_finest_first() -> None:
    centers, strides = places(64, 96)
    assert len(centers) == 8 * 12 + 4 * 6 + 2 * 3
    assert centers[0].tolist() == [4, 4]
    assert centers[13].tolist() == [12, 12]
    assert (centers[96].tolist(), strides[96].tolist()) == ([8, 8], [16])
    assert (centers[-1].tolist(), strides[-1].tolist()) == ([80, 48], [32])


def test_an_answer_in_strides_becomes_a_face_in_pixels() -> None:
    scores, values = decoded(said({13: (2, 0.5, -0.25, 4), 97: (-3, 0, 0, 2)}), *places(64, 96), threshold=0.5)
    (face,) = merged(scores, values)
    assert face.score == pytest.approx(1 / (1 + math.exp(-2)))
    assert (face.x, face.y, face.side) == pytest.approx((16, 10, 32))
    assert face.points == pytest.approx(np.array([16, 10]) + 32 * UPRIGHT)
    assert face.box.xyxy == (0, -6, 32, 26)
    assert face.box.landmarks.left_mouth == pytest.approx((16 + 32 * 0.13, 10 + 32 * 0.28))


def test_answers_that_overlap_are_one_face_near_the_surest() -> None:
    rows = {13: (4.0, 0.0, 0.0, 3.0), 14: (3.0, -1.0, 0.2, 3.0), 22: (1.0, 0.0, 0.0, 2.0)}
    near, far = merged(*decoded(said(rows), *places(64, 96), threshold=0.5))
    assert near.score == pytest.approx(1 / (1 + math.exp(-4)))
    assert (near.x, near.y) == pytest.approx((12, 12.7), abs=0.4)
    assert (far.x, far.y, far.side) == pytest.approx((84, 12, 16))


@pytest.mark.parametrize("option", ["threshold", "known", "proposal"])
def test_a_score_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=option):
        MiniFaceDetector(MODEL, **{option: 1.0})
    with pytest.raises(ValueError, match="min_face"):
        MiniFaceDetector(MODEL, min_face=0)


def test_a_file_that_is_no_such_network_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="does not exist"):
        MiniFaceDetector(tmp_path / "model.tflite")
    (tmp_path / "model.tflite").write_bytes(b"no network")
    with pytest.raises(DetectorError, match="damaged"):
        MiniFaceDetector(tmp_path / "model.tflite")
    with pytest.raises(DetectorError, match="damaged"):
        MiniFaceDetector(MODEL.parents[1] / "emotion" / "model.tflite")


# The shipped network


def test_it_is_opened_by_its_name() -> None:
    assert isinstance(open_detector("mini", min_face=0.1), MiniFaceDetector)
    with pytest.raises(DetectorError, match="“mini” takes no `detector_model`"):
        open_detector("mini", MODEL)


def test_the_face_of_a_portrait_with_its_landmarks(detector: MiniFaceDetector, portrait: Image, face: Box) -> None:
    assert isinstance(detector, StreamDetector)
    (box,) = detector(portrait)
    assert box.iou(face) > 0.65
    assert box.width == box.height
    (found,) = detector.find(np.asarray(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), np.uint8))
    assert found.box.iou(box) > 0.9
    # By eye: right eye, left eye, nose, right and left corner of the mouth.
    expected = np.array([[202, 110], [247, 107], [226, 130], [206, 148], [244, 148]])
    assert np.abs(found.points - expected).mean() < 0.1 * found.side
    assert abs(found.landmarks.roll) < 15
    assert isinstance(box, FaceBox)
    assert np.abs(np.array(box.landmarks) - expected).mean() < 0.1 * found.side


@pytest.mark.parametrize("degrees", [-45, -30, 30])
def test_a_tilted_head_is_found_and_which_way_it_leans(
    detector: MiniFaceDetector, portrait: Image, face: Box, degrees: float
) -> None:
    (upright,) = detector.find(portrait)
    (found,) = detector.find(tilted(portrait, face, degrees))
    assert found.box.iou(face) > 0.6
    # The shipped network's landmarks turn less than the head; models/face/notes.md tells by how much.
    assert 0.4 < (found.landmarks.roll - upright.landmarks.roll) / degrees < 1.1


def test_a_dim_face_is_found(detector: MiniFaceDetector, portrait: Image, face: Box) -> None:
    dim = (portrait * 0.08 + np.random.default_rng(0).normal(0, 3, portrait.shape)).clip(0, 255).astype(np.uint8)
    assert [box.iou(face) > 0.6 for box in detector(dim)] == [True]


def test_a_known_face_is_found_near_its_previous_place(detector: MiniFaceDetector, portrait: Image, face: Box) -> None:
    near = detector.find_near(portrait, face.moved(12, -10))
    assert near is not None
    assert near.iou(face) > 0.65
    assert detector.find_near(portrait, Box(10, 380, 110, 480)) is None


def test_a_search_leaves_out_known_faces_and_begins_with_each_round(
    detector: MiniFaceDetector, portrait: Image, face: Box
) -> None:
    assert len(detector.search(portrait, 0.0, 0.5, [])) == 1
    assert detector.search(portrait, 0.5, 0.9, []) == []
    assert len(detector.search(portrait, 0.9, 1.2, [])) == 1
    assert detector.search(portrait, 0.0, 2.0, [face]) == []


def test_a_small_face_by_min_face(portrait: Image, face: Box) -> None:
    small = np.full((480, 640, 3), 110, np.uint8)
    small[100:228, 200:328] = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)  # the face has 25 pixels
    place = Box(200 + face.x1 // 4, 100 + face.y1 // 4, 200 + face.x2 // 4, 100 + face.y2 // 4)
    assert MiniFaceDetector(MODEL, min_face=1 / 10)(small) == []
    (found,) = MiniFaceDetector(MODEL, min_face=1 / 25)(small)
    assert found.iou(place) > 0.6


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 640, 3), (1, 1, 3), (9, 640, 3), (23, 23), (640, 9), (24, 5000, 3)])
def test_a_tiny_picture_has_no_face(detector: MiniFaceDetector, shape: tuple[int, ...]) -> None:
    assert detector(np.zeros(shape, np.uint8)) == []


def test_nothing_is_seen_where_nobody_is(detector: MiniFaceDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for image in (np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 200, np.uint8), noise):
        assert detector(image) == []
