"""Cameras that freeze, tear, change size, go black and are unplugged; none of them is there."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sources import camera as camera_module
from emotion_cam.sources.camera import CameraSource
from tests.builders import HEIGHT, WIDTH, picture, read_frames, result
from tests.sources.fakes import FakeCapture


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera counts as frozen after half a second, and is opened again at once."""
    monkeypatch.setattr(camera_module, "_FROZEN", 0.5)
    monkeypatch.setattr(camera_module, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(camera_module, "_CLOSE_TIMEOUT", 0.1)


@pytest.mark.parametrize("reconnect", [0, 1])
def test_a_frozen_camera_is_given_up_in_time(
    capture: FakeCapture, caplog: pytest.LogCaptureFixture, reconnect: float
) -> None:
    """Its read never returns, as a driver that hangs does it."""
    with CameraSource(0, reconnect=reconnect) as source:
        start = time.monotonic()
        with pytest.raises(SourceError) as error:
            list(source)
        assert 0.5 + reconnect < time.monotonic() - start < 2 + reconnect
        late = ", and did not come back within 1 seconds" if reconnect else ""
        assert str(error.value) == f"Camera 0 stopped sending pictures after 1 frame{late}: was it unplugged?"
        lines = ["Camera 0 stopped sending pictures after 1 frame; retrying for 1 seconds."] if reconnect else []
        assert caplog.messages == lines
        capture.default = picture()


def test_a_frozen_camera_that_cannot_be_opened_again_quickly(
    capture: FakeCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every attempt takes far longer than there is time, as with OpenCV's own 10 seconds."""
    released = threading.Event()
    with CameraSource(0, reconnect=0.5) as source:

        def hang() -> tuple[bool, None]:
            released.wait(20)
            return False, None

        monkeypatch.setattr(capture, "read", hang)
        capture.images.put(None)
        start = time.monotonic()
        with pytest.raises(SourceError, match=r"did not come back within 0\.5 seconds"):
            list(source)
        assert time.monotonic() - start < 3
        released.set()


def test_a_camera_that_freezes_for_a_while_is_back(capture: FakeCapture, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    with CameraSource(0, reconnect=30) as source:
        frames = iter(source)
        before = next(frames)
        threading.Timer(1, capture.images.put, [picture(5)]).start()
        after = next(frames)
        assert after.time - before.time > 0.9
        capture.default = picture()
    lost, back = caplog.messages
    assert lost.endswith("retrying for 30 seconds.")
    assert back.startswith("Camera 0 is back after ")


def test_a_camera_that_is_unplugged_and_plugged_in_again_and_again(
    capture: FakeCapture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    with CameraSource(0, reconnect=30) as source:
        frames = iter(source)
        next(frames)
        for index in range(1, 6):
            capture.images.put(None)
            capture.images.put(picture(index))
            assert next(frames).index == index
        capture.default = picture()
    assert len(caplog.messages) == 10


def test_an_error_of_opencv_is_a_message(capture: FakeCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise cv2.error("Unknown C++ exception from OpenCV code")

    with CameraSource(0) as source:
        frames = iter(source)
        next(frames)
        monkeypatch.setattr(capture, "read", fail)
        capture.images.put(picture())
        with pytest.raises(SourceError, match=r"^Camera 0 cannot be read: "):
            list(frames)


def test_a_recording_of_torn_black_and_resized_pictures(capture: FakeCapture, tmp_path: Path) -> None:
    torn = picture(1)
    torn[HEIGHT // 2 :] = 128
    images = [torn, np.zeros((HEIGHT, WIDTH, 3), np.uint8), picture(3, WIDTH * 2, HEIGHT), picture(4, 1, 1), picture(5)]
    with CameraSource(0) as source, VideoSink(tmp_path / "a.mp4", fps=30, live=True) as sink:
        frames = iter(source)
        sink.write(result(0, next(frames).time))
        for image in images:
            capture.images.put(image)
            frame = next(frames)
            np.testing.assert_array_equal(frame.image, image)
            sink.write(result(frame.index, frame.time, image=frame.image))
        capture.default = picture()
    assert [frame.image.shape for frame in read_frames(tmp_path / "a.mp4")] == [(HEIGHT, WIDTH, 3)] * 6
