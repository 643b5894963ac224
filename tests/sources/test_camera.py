"""CameraSource, on a capture that stands in for OpenCV's."""

from __future__ import annotations

import itertools
import logging
import math
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import camera as camera_module
from emotion_cam.sources import open_source
from emotion_cam.sources.camera import CameraSource
from tests.builders import HEIGHT, WIDTH, picture
from tests.sources.fakes import FakeCapture, PlugIn


def test_attributes_and_the_first_frame(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        assert (source.name, source.live, source.size) == ("camera 0", True, (WIDTH, HEIGHT))
        assert (source.fps, source.frame_count, source.paths) == (30.0, None, ())
        frame = next(iter(source))
        assert (frame.index, frame.source) == (0, "camera 0")
        np.testing.assert_array_equal(frame.image, picture(0))
        capture.default = picture()


@pytest.mark.parametrize("rate", [0.0, -1.0, 90_000.0, float("nan")])
def test_an_impossible_rate_is_unknown(capture: FakeCapture, rate: float) -> None:
    capture.rate, capture.default = rate, picture()
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
        capture.default = picture()


@pytest.mark.skipif(sys.platform != "linux", reason="the driver's time is known on Linux only")
def test_a_frame_has_the_time_at_which_the_driver_took_it(capture: FakeCapture) -> None:
    moments = iter([100.0, 100.25, 100.5])
    offset = time.monotonic() - 100.6
    capture.moment = lambda: offset + next(moments)
    with CameraSource(0) as source:
        assert source.started == pytest.approx(offset + 100)
        frames = iter(source)
        assert next(frames).time == 0
        for expected in (0.25, 0.5):
            capture.images.put(picture(1))
            assert next(frames).time == pytest.approx(expected)
        capture.moment, capture.default = lambda: 0.0, picture()


@pytest.mark.parametrize("moment", [0.0, -1.0, float("nan"), 2e9, float("inf")])
def test_a_time_that_cannot_be_is_that_of_arrival(capture: FakeCapture, moment: float) -> None:
    capture.moment, capture.default = lambda: moment, picture()
    before = time.monotonic()
    with CameraSource(0) as source:
        first, second = itertools.islice(source, 2)
        assert source.started is not None
        assert before <= source.started <= time.monotonic()
        assert first.time == 0 < second.time < time.monotonic() - before


def test_a_frame_is_given_only_once(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        frames = iter(source)
        assert next(frames).index == 0
        threading.Timer(0.1, capture.images.put, [picture(1)]).start()
        assert next(frames).index == 1  # it waited for the second frame
        capture.default = picture()


def test_poll_gives_none_while_no_frame_arrives(capture: FakeCapture) -> None:
    with CameraSource(0) as source:
        frames = source.poll()
        first = next(frames)
        assert first is not None
        assert first.index == 0
        start = time.monotonic()
        assert next(frames) is None
        assert next(frames) is None
        assert 0.15 < time.monotonic() - start < 2
        capture.images.put(picture(1))
        second = next(frame for frame in frames if frame is not None)
        assert second.index == 1
        capture.default = picture()


def test_a_lost_camera_raises_an_error_in_the_consumer_after_the_last_frame(capture: FakeCapture) -> None:
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
            match=r"^rtsp://camera\.local/live stopped sending pictures after 1 frame: it ended, or the connection",
        ):
            list(source)


def test_an_error_in_the_reader_reaches_the_consumer(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    with CameraSource(0) as source:
        frames = iter(source)
        next(frames)

        def fail() -> None:
            raise cv2.error("out of memory")

        monkeypatch.setattr(capture, "read", fail)
        capture.images.put(picture(1))
        next(frames)
        with pytest.raises(SourceError, match=r"^Camera 0 cannot be read: .*out of memory"):
            next(frames)


def test_close_ends_the_thread_and_the_frames(capture: FakeCapture) -> None:
    capture.default = picture()
    source = CameraSource(0)
    frames = iter(source)
    next(frames)
    source.close()
    assert capture.released_by == "reader of camera 0"
    assert not any(thread.name == "reader of camera 0" for thread in threading.enumerate())
    assert list(frames) == []
    source.close()


def test_close_does_not_wait_for_a_camera_that_hangs(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "_CLOSE_TIMEOUT", 0.05)
    source = CameraSource(0)  # its reader is waiting for a second picture
    start = time.monotonic()
    source.close()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("camera", [3, "3", "/dev/video3"])
def test_ways_to_name_a_camera(capture: FakeCapture, camera: int | str) -> None:
    capture.default = picture()
    with open_source(camera=camera) as source:
        assert source.name == "camera 3"
    assert capture.opened_with[0] == 3


def test_a_password_is_used_and_never_shown(capture: FakeCapture) -> None:
    capture.default = picture()
    with open_source(video="rtsp://me:secret@camera.local/live") as source:
        assert source.name == "rtsp://camera.local/live"
        assert next(iter(source)).source == "rtsp://camera.local/live"
    assert capture.opened_with[0] == "rtsp://me:secret@camera.local/live"


@pytest.mark.parametrize(
    ("plugged_in", "message"),
    [
        (
            {},
            "Camera 7 cannot be opened; no camera was found: is it plugged in, and not used elsewhere?",
        ),
        (
            {0: "Integrated Camera", 2: "Webcam"},
            "Camera 7 cannot be opened; cameras found: 0 (Integrated Camera), 2 (Webcam).",
        ),
        (
            {7: "Webcam"},
            "Camera 7 (Webcam) cannot be opened: is another program using it, or is permission missing?",
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
    with pytest.raises(SourceError, match=r"^Camera 0 sends no pictures: is another program using it\?$"):
        CameraSource(0)


def test_a_stream_that_does_not_answer() -> None:
    with pytest.raises(SourceError) as error:
        open_source(camera="http://me:secret@127.0.0.1:9/video")  # the discard port
    assert str(error.value) == (
        "http://127.0.0.1:9/video cannot be opened: is the address right, and is the stream running?"
    )


# Size and rate


def test_a_camera_is_asked_for_size_and_rate_after_compression(
    capture: FakeCapture, caplog: pytest.LogCaptureFixture
) -> None:
    capture.default, capture.rate = picture(), 59.94
    with open_source(camera=0, size=(WIDTH, HEIGHT), fps=60):
        assert capture.settings == [
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, WIDTH),
            (cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT),
            (cv2.CAP_PROP_FPS, 60),
        ]
    assert caplog.messages == []


def test_without_a_request_a_camera_keeps_its_settings(capture: FakeCapture) -> None:
    capture.default = picture()
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
def test_a_camera_that_uses_something_else_is_logged(
    capture: FakeCapture,
    caplog: pytest.LogCaptureFixture,
    size: tuple[int, int] | None,
    fps: float | None,
    message: str,
) -> None:
    capture.default = picture()
    with open_source(camera=0, size=size, fps=fps) as source:
        assert source.size == (WIDTH, HEIGHT)
    assert caplog.record_tuples == [("emotion_cam.sources.camera", logging.WARNING, message)]


# Reconnecting


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between the attempts."""
    monkeypatch.setattr(camera_module, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(camera_module, "_LONGEST_PAUSE", 0.1)


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("address", [0, "rtsp://camera.local/live"])
def test_a_camera_or_stream_is_opened_again(
    capture: FakeCapture, caplog: pytest.LogCaptureFixture, address: int | str
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    with CameraSource(address, reconnect=5) as source:
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
        capture.default = picture()
    title = "Camera 0" if address == 0 else address
    lost, back = caplog.records
    assert lost.getMessage() == f"{title} stopped sending pictures after 1 frame; retrying for 5 seconds."
    assert back.getMessage().startswith(f"{title} is back after 0.")
    assert (lost.levelno, back.levelno) == (logging.WARNING, logging.INFO)


@pytest.mark.usefixtures("short_pauses")
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
        capture.default = picture()


@pytest.mark.usefixtures("short_pauses")
def test_retrying_ends(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    with CameraSource(0, reconnect=0.3) as source:
        frames = iter(source)
        next(frames)
        monkeypatch.setattr(capture, "read", lambda: (False, None))
        capture.images.put(None)
        start = time.monotonic()
        with pytest.raises(SourceError) as error:
            next(frames)
    assert 0.3 <= time.monotonic() - start < 5
    assert str(error.value) == (
        "Camera 0 stopped sending pictures after 1 frame, and did not come back within 0.3 seconds: was it unplugged?"
    )


def test_a_source_can_be_closed_while_it_retries(capture: FakeCapture) -> None:
    with CameraSource(0, reconnect=math.inf) as source:
        frames = source.poll()
        assert next(frames) is not None
        capture.images.put(None)
        start = time.monotonic()
        for frame in frames:
            assert frame is None
            source.close()
        assert time.monotonic() - start < 2


def test_reconnect_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match=r"^`reconnect` must be at least 0 seconds, not -1"):
        CameraSource(0, reconnect=-1)
