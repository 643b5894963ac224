"""Cameras are played by a capture that does as it is told."""

from __future__ import annotations

import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

import cv2
import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import CameraInfo, CameraSource, find_camera, list_cameras, open_source
from emotion_cam.sources import camera as camera_module
from emotion_cam.sources import devices as devices_module
from emotion_cam.types import Image
from tests.sources.test_files import HEIGHT, WIDTH, picture


class FakeCapture:
    """A capture that hands out what is put into its queue; None is a picture that did not arrive.

    With ``idle`` it sends that picture when the queue is empty, as a camera does, instead of waiting.
    """

    def __init__(self, *images: Image | None) -> None:
        self.images: queue.Queue[Image | None] = queue.Queue()
        for image in images:
            self.images.put(image)
        self.idle: Image | None = None
        self.opened_with: tuple[object, ...] = ()
        self.rate = 30.0
        self.settings: list[tuple[int, float]] = []
        self.reads = 0
        self.released_by: str | None = None

    def __call__(self, *arguments: object) -> FakeCapture:
        self.opened_with = arguments
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return not self.images.empty()

    def read(self) -> tuple[bool, Image | None]:
        self.reads += 1
        while True:
            try:
                image = self.images.get(timeout=0.01)
            except queue.Empty:
                if self.idle is None:
                    continue
                return True, self.idle
            return image is not None, image

    def get(self, _: int) -> float:
        return self.rate

    def set(self, setting: int, value: float) -> bool:
        self.settings.append((setting, value))
        return True

    def release(self) -> None:
        self.released_by = threading.current_thread().name

    def wait_for_reads(self, count: int) -> None:
        """Until all but the last of so many reads have been dealt with."""
        deadline = time.monotonic() + 5
        while self.reads < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCapture]:
    fake = FakeCapture(picture(0))
    monkeypatch.setattr(cv2, "VideoCapture", fake)
    yield fake
    fake.idle = picture()
    for thread in threading.enumerate():
        if thread.name.startswith("reader of"):
            thread.join(5)
    assert not any(thread.name.startswith("reader of") for thread in threading.enumerate())


def test_camera_tells_what_it_is(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        assert (source.name, source.live, source.size) == ("camera 0", True, (WIDTH, HEIGHT))
        assert (source.fps, source.frame_count, source.paths) == (30.0, None, ())
        frame = next(iter(source))
        assert (frame.index, frame.source) == (0, "camera 0")
        np.testing.assert_array_equal(frame.image, picture(0))
        capture.idle = picture()


@pytest.mark.parametrize("rate", [0.0, -1.0, 90_000.0, float("nan")])
def test_a_rate_that_cannot_be_is_unknown(capture: FakeCapture, rate: float) -> None:
    capture.rate, capture.idle = rate, picture()
    with CameraSource(0) as source:
        assert source.fps is None


def test_the_newest_frame_wins(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        for index in (1, 2, 3):
            capture.images.put(picture(index))
        capture.wait_for_reads(5)
        frames = iter(source)
        third = next(frames)
        assert third.index == 3
        np.testing.assert_array_equal(third.image, picture(3))
        capture.images.put(picture(4))
        fourth = next(frames)
        assert fourth.index == 4
        assert 0 < third.time < fourth.time < 5
        capture.idle = picture()


def test_a_frame_is_given_only_once(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        frames = iter(source)
        assert next(frames).index == 0
        threading.Timer(0.1, capture.images.put, [picture(1)]).start()
        assert next(frames).index == 1  # it waited for that
        capture.idle = picture()


def test_a_lost_camera_raises_in_the_consumer_after_the_last_frame(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        capture.images.put(picture(1))
        capture.images.put(None)
        capture.wait_for_reads(3)
        frames = iter(source)
        assert next(frames).index == 1
        with pytest.raises(
            SourceError, match=r"^Camera 0 stopped sending pictures after 2 frames: was it unplugged\?$"
        ):
            next(frames)
    assert capture.released_by == "reader of camera 0"


def test_a_lost_stream(capture: FakeCapture) -> None:
    with CameraSource("rtsp://camera.local/live") as source:
        capture.images.put(None)
        with pytest.raises(
            SourceError,
            match=r"^rtsp://camera\.local/live stopped sending pictures after 1 frames: it is over, or the connection",
        ):
            list(source)


def test_what_goes_wrong_in_the_reader_surfaces(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    with CameraSource(0) as source:
        frames = iter(source)
        next(frames)

        def fail() -> None:
            raise cv2.error("out of memory")

        monkeypatch.setattr(capture, "read", fail)
        capture.images.put(picture(1))
        next(frames)
        with pytest.raises(cv2.error, match="out of memory"):
            next(frames)


def test_close_ends_the_thread_and_the_frames(capture: FakeCapture) -> None:
    capture.idle = picture()
    source = CameraSource(0)
    frames = iter(source)
    next(frames)
    source.close()
    assert capture.released_by == "reader of camera 0"
    assert not any(thread.name == "reader of camera 0" for thread in threading.enumerate())
    assert list(frames) == []
    source.close()


def test_close_does_not_wait_for_a_camera_that_hangs(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "_FAREWELL", 0.05)
    source = CameraSource(0)  # whose reader waits for a second picture now
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("camera", [3, "3", "/dev/video3"])
def test_ways_to_name_a_camera(capture: FakeCapture, camera: int | str) -> None:
    capture.idle = picture()
    with open_source(camera=camera) as source:
        assert source.name == "camera 3"
    assert capture.opened_with[0] == 3


def test_a_password_is_used_and_not_told(capture: FakeCapture) -> None:
    capture.idle = picture()
    with open_source(video="rtsp://me:secret@camera.local/live") as source:
        assert source.name == "rtsp://camera.local/live"
        assert next(iter(source)).source == "rtsp://camera.local/live"
    assert capture.opened_with[0] == "rtsp://me:secret@camera.local/live"


PlugIn: TypeAlias = Callable[..., None]


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlugIn:
    """Puts a device where Linux has them: number, name, and which of its camera's devices it is."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices_module, "_DEVICES", tmp_path / "dev")
    monkeypatch.setattr(devices_module, "_DEVICE_NOTES", tmp_path / "notes")
    (tmp_path / "dev").mkdir()

    def plug_in(number: int, name: str, index: str = "0") -> None:
        (tmp_path / f"dev/video{number}").touch()
        if name:
            notes = tmp_path / f"notes/video{number}"
            notes.mkdir(parents=True)
            (notes / "name").write_text(f"{name}\n")
            (notes / "index").write_text(f"{index}\n")

    return plug_in


def test_list_cameras(plug_in: PlugIn, tmp_path: Path) -> None:
    assert list_cameras() == []
    plug_in(10, "")
    plug_in(2, "Webcam")
    plug_in(3, "Webcam", "1")  # its metadata
    assert list_cameras() == [
        CameraInfo(2, "Webcam", str(tmp_path / "dev/video2")),
        CameraInfo(10, "", str(tmp_path / "dev/video10")),
    ]


@pytest.mark.parametrize(
    ("plugged_in", "message"),
    [
        (
            {},
            "Camera 7 cannot be opened; no camera was found: is it plugged in, and not in use by another program?",
        ),
        (
            {0: "Integrated Camera", 2: "Webcam"},
            "Camera 7 cannot be opened; cameras found: 0 (Integrated Camera), 2 (Webcam).",
        ),
        (
            {7: "Webcam"},
            "Camera 7 (Webcam) cannot be opened: does another program use it, or are you not allowed to?",
        ),
    ],
    ids=["none", "others", "in use"],
)
def test_a_camera_that_does_not_open(
    capture: FakeCapture,
    plug_in: PlugIn,
    plugged_in: dict[int, str],
    message: str,
) -> None:
    for number, name in plugged_in.items():
        plug_in(number, name)
    capture.images.get()
    capture.images.put(None)
    capture.isOpened = lambda: False  # type: ignore[method-assign]
    with pytest.raises(SourceError) as error:
        CameraSource(7)
    assert str(error.value) == message
    assert capture.released_by == "MainThread"


def test_a_camera_that_sends_nothing(capture: FakeCapture) -> None:
    capture.images.get()
    capture.images.put(None)
    capture.isOpened = lambda: True  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=r"^Camera 0 sends no pictures: does another program use it\?$"):
        CameraSource(0)


def test_a_stream_that_does_not_answer() -> None:
    with pytest.raises(SourceError) as error:
        open_source(camera="http://me:secret@127.0.0.1:9/video")  # the port that discards
    assert str(error.value) == (
        "http://127.0.0.1:9/video cannot be opened: is the address right, and is the stream running?"
    )


# Which camera


@pytest.mark.parametrize(
    ("asked", "number"),
    [("logi", 2), ("INTEGRATED", 0), ("webcam", 4), ("webcam p", 6), ("dev/by-id/usb-Logitech", 2)],
    ids=["part", "case", "whole name", "part of two words", "link"],
)
def test_a_camera_by_its_name(
    plug_in: PlugIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, number: int
) -> None:
    for device, name in {0: "Integrated Camera", 2: "Logitech C920", 4: "Webcam", 6: "Webcam Pro"}.items():
        plug_in(device, name)
    plug_in(3, "Logitech C920", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dev/by-id").mkdir()
    (tmp_path / "dev/by-id/usb-Logitech").symlink_to("/dev/video2")
    assert find_camera(asked) == number


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        (
            {1: "Webcam Pro", 5: "Webcam Mini"},
            "“webcam” may be any of the cameras 1 (Webcam Pro), 5 (Webcam Mini): give a number, or more of the name.",
        ),
        (
            {1: "Integrated Camera"},
            "“webcam” is neither a camera's number, name or path nor an address such as rtsp://host/path; "
            "cameras found: 1 (Integrated Camera).",
        ),
        (
            {},
            "“webcam” is neither a camera's number, name or path nor an address such as rtsp://host/path; "
            "no camera was found.",
        ),
    ],
    ids=["several", "another", "none"],
)
def test_a_name_that_does_not_tell_a_camera(plug_in: PlugIn, cameras: dict[int, str], message: str) -> None:
    for number, name in cameras.items():
        plug_in(number, name)
    with pytest.raises(SourceError) as error:
        open_source(camera="webcam")
    assert str(error.value) == message


@pytest.mark.parametrize(("system", "way"), [("win32", cv2.CAP_MSMF), ("darwin", cv2.CAP_AVFOUNDATION)])
def test_other_systems_tell_names_by_the_numbers_that_opencv_takes(
    capture: FakeCapture, monkeypatch: pytest.MonkeyPatch, system: str, way: int
) -> None:
    capture.idle = picture()
    monkeypatch.setattr(sys, "platform", system)
    found = [SimpleNamespace(index=0, name="FaceTime"), SimpleNamespace(index=1, name="Webcam")]
    library = SimpleNamespace(enumerate_cameras={way: found}.get)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", library)
    assert list_cameras() == [CameraInfo(0, "FaceTime"), CameraInfo(1, "Webcam")]
    with open_source(camera="web"):
        assert capture.opened_with == (1, way)


# Size and rate


def test_a_camera_is_asked_for_size_and_rate_after_compression(capture: FakeCapture) -> None:
    capture.idle, capture.rate, told = picture(), 59.94, list[str]()
    with open_source(camera=0, size=(WIDTH, HEIGHT), fps=60, tell=told.append):
        assert capture.settings == [
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, WIDTH),
            (cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT),
            (cv2.CAP_PROP_FPS, 60),
        ]
    assert told == []


def test_a_camera_is_left_as_it_is_where_nothing_is_asked(capture: FakeCapture) -> None:
    capture.idle = picture()
    with open_source(camera=0):
        assert capture.settings == []


@pytest.mark.parametrize(
    ("size", "fps", "message"),
    [
        ((1280, 720), None, "Camera 0 gives 320×240 instead of 1280×720."),
        (None, 60, "Camera 0 gives 30 frames a second instead of 60."),
        ((640, 480), 7.5, "Camera 0 gives 320×240 instead of 640×480 and 30 frames a second instead of 7.5."),
    ],
)
def test_what_a_camera_gives_instead_is_told(
    capture: FakeCapture, size: tuple[int, int] | None, fps: float | None, message: str
) -> None:
    capture.idle, told = picture(), list[str]()
    with open_source(camera=0, size=size, fps=fps, tell=told.append) as source:
        assert source.size == (WIDTH, HEIGHT)
    assert told == [message]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"camera": "rtsp://me:secret@host/live", "size": (640, 480)},
            "^rtsp://host/live is a stream, .* leave them away",
        ),
        ({"video": "rtsp://me:secret@host/live", "fps": 30}, "^rtsp://host/live is a stream, .* leave them away"),
        ({"video": "clip.mp4", "fps": 30}, "--size and --fps are for cameras"),
        ({"image": "photo.png", "size": (640, 480)}, "--size and --fps are for cameras"),
        ({"video": "clip.mp4", "reconnect": 5}, "--reconnect for cameras and streams"),
        ({"image": "photo.png", "reconnect": 5}, "--reconnect for cameras and streams"),
    ],
)
def test_what_only_a_camera_can_do_is_refused_elsewhere(given: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(**given)  # type: ignore[arg-type]


# Reconnecting


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(camera_module, "_LAST_PAUSE", 0.1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("address", [0, "rtsp://camera.local/live"])
def test_what_drops_out_is_taken_up_again(capture: FakeCapture, address: int | str) -> None:
    told: list[str] = []
    with CameraSource(address, reconnect=5, tell=told.append) as source:
        frames = iter(source)
        before = next(frames)
        capture.images.put(None)
        threading.Timer(0.3, capture.images.put, [picture(7)]).start()
        capture.images.put(None)  # the first attempt fails
        after = next(frames)
        np.testing.assert_array_equal(after.image, picture(7))
        assert (before.index, after.index, after.source) == (0, 1, source.name)
        assert 0.2 < after.time - before.time < 5  # the gap shows
        capture.images.put(picture(8, WIDTH // 2, HEIGHT // 2))
        assert next(frames).index == 2
        capture.idle = picture()
    title = "Camera 0" if address == 0 else address
    assert told[0] == f"{title} stopped sending pictures after 1 frames; trying again for 5 seconds."
    assert told[1].startswith(f"{title} is back after 0.")
    assert len(told) == 2


@pytest.mark.usefixtures("quick")
def test_a_camera_by_name_is_found_again_under_another_number(
    capture: FakeCapture, plug_in: PlugIn, tmp_path: Path
) -> None:
    plug_in(2, "Webcam")
    with CameraSource("webcam", reconnect=5) as source:
        (tmp_path / "dev/video2").unlink()
        plug_in(4, "Webcam")
        capture.images.put(None)
        capture.images.put(picture(7))
        assert next(frame for frame in source if frame.index == 1)
        assert capture.opened_with[0] == 4
        capture.idle = picture()


@pytest.mark.usefixtures("quick")
def test_patience_ends(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    with CameraSource(0, reconnect=0.3) as source:
        frames = iter(source)
        next(frames)
        monkeypatch.setattr(capture, "read", lambda: (False, None))
        capture.images.put(None)
        began = time.monotonic()
        with pytest.raises(SourceError) as error:
            next(frames)
    assert 0.3 <= time.monotonic() - began < 5
    assert str(error.value) == (
        "Camera 0 stopped sending pictures after 1 frames, and did not come back within 0.3 seconds: was it unplugged?"
    )


def test_while_it_waits_somebody_else_is_served_and_may_close(capture: FakeCapture) -> None:
    with CameraSource(0, reconnect=math.inf) as source:
        source.while_waiting = source.close
        frames = iter(source)
        next(frames)
        capture.images.put(None)
        began = time.monotonic()
        assert list(frames) == []
        assert time.monotonic() - began < 2


def test_patience_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match="at least 0, not -1"):
        CameraSource(0, reconnect=-1)
