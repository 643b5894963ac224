from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.detect import open_detector
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.errors import DetectorError
from emotion_cam.types import Box, Image


@pytest.fixture(scope="module")
def detector() -> HaarDetector:
    return HaarDetector()


def pasted(portrait: Image, scale: float, right: float, down: float) -> Image:
    """A picture of 640 × 480 with the portrait scaled and moved; gray where the portrait does not reach."""
    height, width = portrait.shape[:2]
    size = round(width * scale), round(height * scale)
    resized = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    place = np.array([[1, 0, round(right)], [0, 1, round(down)]], np.float32)
    return np.asarray(cv2.warpAffine(resized, place, (640, 480), borderValue=(110, 110, 110)), np.uint8)


def moved(face: Box, scale: float, right: float, down: float) -> Box:
    """The face in the pasted portrait."""
    x1, y1, x2, y2 = (round(scale * side) for side in (face.x1, face.y1, face.x2, face.y2))
    return Box(x1 + round(right), y1 + round(down), x2 + round(right), y2 + round(down))


def test_the_face_of_a_portrait_is_found_and_nothing_else(detector: HaarDetector, portrait: Image, face: Box) -> None:
    (found,) = detector(portrait)
    assert found.iou(face) > 0.85
    assert found.width == found.height


def test_gray_gives_the_same_boxes_as_color(detector: HaarDetector, portrait: Image) -> None:
    gray = np.asarray(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), np.uint8)
    assert detector(gray) == detector(portrait)


@pytest.mark.parametrize("scale", [0.4, 0.6, 0.9])
@pytest.mark.parametrize(("right", "down"), [(0, 0), (400, 13), (-60, 220), (331, 307)])
def test_a_face_of_any_size_is_found_anywhere(
    detector: HaarDetector, portrait: Image, face: Box, scale: float, right: int, down: int
) -> None:
    (found,) = detector(pasted(portrait, scale, right, down))
    assert found.iou(moved(face, scale, right, down)) > 0.75


def test_a_face_that_fills_the_picture_is_found(detector: HaarDetector, portrait: Image, face: Box) -> None:
    (found,) = detector(pasted(portrait, 4.2, -610, -240))
    assert found.iou(moved(face, 4.2, -610, -240)) > 0.75


def test_a_face_is_found_while_the_camera_moves(detector: HaarDetector, portrait: Image, face: Box) -> None:
    turns = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    good = 0
    for turn in turns:
        scale = 1.6 - 1.1 * math.cos(turn)
        right, down = 320 - 222 * scale + 80 * math.sin(3 * turn), 240 - 116 * scale + 40 * math.sin(5 * turn)
        boxes = detector(pasted(portrait, scale, right, down))
        good += len(boxes) == 1 and boxes[0].iou(moved(face, scale, right, down)) > 0.7
    assert good >= 0.95 * len(turns)


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_face_cut_by_the_edge_is_framed_whole(detector: HaarDetector, portrait: Image, face: Box, side: str) -> None:
    fifth = face.width // 5
    left = face.x1 + fifth if side == "left" else 0
    top = face.y1 + fifth if side == "top" else 0
    right = face.x2 - fifth if side == "right" else 400
    bottom = face.y2 - fifth if side == "bottom" else 320
    found, *_ = detector(np.ascontiguousarray(portrait[top:bottom, left:right]))
    assert found.iou(moved(face, 1, -left, -top)) > 0.75
    assert found != found.clipped(right - left, bottom - top)


def test_the_largest_face_comes_first_and_the_order_never_changes(detector: HaarDetector, portrait: Image) -> None:
    head = portrait[:256, 100:356]
    small = np.asarray(cv2.resize(head, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    group = np.full((256, 640, 3), 110, np.uint8)
    group[:, 384:], group[:128, :128], group[128:, 192:320] = head, small, small
    boxes = detector(group)
    assert boxes[0].x1 > 384
    assert sorted(box.x1 // 128 for box in boxes[1:]) == [0, 1]
    assert [box.area for box in boxes] == sorted((box.area for box in boxes), reverse=True)
    assert all(detector(group) == boxes for _ in range(3))


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 640, 3), (1, 1, 3), (23, 640, 3), (23, 23), (24, 24), (24, 5000, 3)])
def test_a_tiny_picture_has_no_face(detector: HaarDetector, shape: tuple[int, ...]) -> None:
    assert detector(np.zeros(shape, np.uint8)) == []


def test_an_empty_scene_has_no_face(detector: HaarDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    bars = np.tile(np.repeat(np.array([20, 230], np.uint8), 16), (480, 20))
    for image in (np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 200, np.uint8), noise, bars):
        assert detector(image) == []


def test_min_face_is_a_share_of_the_shorter_side(detector: HaarDetector, portrait: Image, face: Box) -> None:
    scale = 480 / 13 / face.height
    picture, expected = pasted(portrait, scale, 300, 200), moved(face, scale, 300, 200)
    for large in (picture, np.asarray(cv2.resize(picture, None, fx=2, fy=2), np.uint8)):
        (found,) = detector(large)
        assert found.iou(moved(expected, large.shape[0] / 480, 0, 0)) > 0.6
    assert HaarDetector(min_face=1 / 6)(picture) == []
    tiny = pasted(portrait, scale / 1.5, 300, 200)
    assert detector(tiny) == []
    assert len(HaarDetector(min_face=1 / 20)(tiny)) == 1


@pytest.mark.parametrize("place", [Box(172, 66, 272, 166), Box(190, 40, 280, 130), Box(160, 60, 280, 180)])
def test_a_face_is_found_near_its_previous_place(
    detector: HaarDetector, portrait: Image, face: Box, place: Box
) -> None:
    found = detector.find_near(portrait, place)
    assert found
    assert found.iou(face) > 0.75


def test_no_face_is_found_near_a_place_without_one(detector: HaarDetector, portrait: Image) -> None:
    assert detector.find_near(portrait, Box(380, 300, 480, 400)) is None


def test_the_parts_of_a_search_find_what_a_whole_search_finds(
    detector: HaarDetector, portrait: Image, face: Box
) -> None:
    (whole,) = detector.search(portrait, 0, 2, [])
    assert whole.iou(face) > 0.8
    edges = np.linspace(0, 2, 16)
    for begin in (0, 1):  # a clear face is found in every round
        parts = [(a, b) for a, b in pairwise(edges) if begin <= a < begin + 1]
        found = [box for start, stop in parts for box in detector.search(portrait, start, stop, [])]
        assert found
        assert max(box.iou(face) for box in found) > 0.75


def test_the_parts_of_a_search_cover_everything_once(detector: HaarDetector) -> None:
    whole = detector._bands(448, 403, 0, 2)
    for count in (2, 7, 60):
        edges = np.linspace(0, 2, count + 1)
        parts = [band for a, b in pairwise(edges) for band in detector._bands(448, 403, a, b)]
        for band in whole:
            same_size = [part for part in parts if part.window == band.window]
            assert (
                sum(part.bottom - part.top - part.window for part in same_size) == band.bottom - band.top - band.window
            )
            assert same_size[0].top == band.top
            assert same_size[-1].bottom == band.bottom
            assert all(a.bottom - a.window == b.top for a, b in pairwise(same_size))


def test_a_known_face_is_not_found_again(detector: HaarDetector, portrait: Image, face: Box) -> None:
    assert detector.search(portrait, 0, 2, [face]) == []


def test_a_detector_is_opened_by_its_name(portrait: Image) -> None:
    assert len(open_detector("haar", min_neighbors=12)(portrait)) == 1
    with pytest.raises(DetectorError, match="no detector “har”; the detectors are haar, mini, yunet, blazeface"):
        open_detector("har")


@pytest.mark.parametrize(
    ("name", "value"), [("min_face", 0.0), ("min_face", 1.5), ("min_face", math.nan), ("scale_factor", 1.0)]
)
def test_a_parameter_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        HaarDetector(**{name: value})  # type: ignore[arg-type]


def test_an_opencv_without_cascades_is_refused_with_the_version_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch, pytest.raises(DetectorError, match="opencv-python"):
        patch.setattr(cv2, "__file__", str(tmp_path / "cv2" / "__init__.py"))
        HaarDetector()
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DetectorError, match="opencv-python"):
        HaarDetector()
