"""VirtualCameraSink, on a stand-in for pyvirtualcam; only a machine with v4l2loopback or OBS has a real camera."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sinks.virtual_camera import VirtualCameraSink
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.sources.video import VideoSource
from emotion_cam.types import Frame, Image
from tests.builders import copy_video, picture, result, write_picture
from tests.command import emotion_cam


class FakeCamera:
    """Stands in for pyvirtualcam.Camera: records its frames, and refuses what the real one refuses."""

    opened: list[FakeCamera]
    error: str | None

    def __init__(self, width: int, height: int, fps: float, *, fmt: str, device: str | None) -> None:
        if self.error:
            raise RuntimeError(self.error)
        self.width, self.height, self.fps, self.fmt, self.device = width, height, fps, fmt, device
        self.sent: list[Image] = []
        self.slept = 0
        self.closed = False
        self.opened.append(self)

    def send(self, image: Image) -> None:
        assert image.dtype == np.uint8
        assert image.shape == (self.height, self.width, 3)
        if self.error:
            raise RuntimeError(self.error)
        self.sent.append(image.copy())

    def sleep_until_next_frame(self) -> None:
        self.slept += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    """The virtual cameras that were opened."""
    FakeCamera.opened, FakeCamera.error = [], None
    module = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(BGR="BGR"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeCamera.opened


class Live(Source):
    """A camera of the given size and rate."""

    name, live = "camera 0", True

    def __init__(self, width: int, height: int, fps: float | None = None) -> None:
        self.size, self.fps = (width, height), fps

    def __iter__(self) -> Iterator[Frame]:
        yield from ()


def test_a_video_is_played_at_its_size_and_rate(cameras: list[FakeCamera], clip: Path) -> None:
    with VideoSource(clip) as source, VirtualCameraSink(source) as sink:
        copy_video(source, sink)
    (camera,) = cameras
    assert (camera.width, camera.height, camera.fps, camera.fmt, camera.device) == (320, 240, 30, "BGR", None)
    assert (len(camera.sent), camera.slept) == (60, 60)
    assert np.abs(camera.sent[30].astype(int) - picture(30)).mean() < 4
    assert camera.closed


def test_a_live_source_sets_the_pace(cameras: list[FakeCamera]) -> None:
    with VirtualCameraSink(Live(320, 240), "/dev/video7") as sink:
        sink.write(result(0))
        sink.write(result(1))
    (camera,) = cameras
    assert (camera.fps, camera.device, camera.slept) == (30, "/dev/video7", 0)
    np.testing.assert_array_equal(camera.sent, [picture(0), picture(1)])


def test_an_odd_size_grows_and_another_size_is_stretched(cameras: list[FakeCamera]) -> None:
    with VirtualCameraSink(Live(321, 241)) as sink:
        sink.write(result(image=picture(0, 321, 241)))
        sink.write(result(image=picture(0, 640, 480)))
    first, second = cameras[0].sent
    np.testing.assert_array_equal(first[:241, :321], picture(0, 321, 241))
    np.testing.assert_array_equal(first[241, :321], first[240, :321])
    np.testing.assert_array_equal(first[:, 321], first[:, 320])
    assert np.abs(second.astype(int) - first).mean() < 2


def test_it_is_closed_after_an_error(cameras: list[FakeCamera]) -> None:
    with pytest.raises(ValueError, match="unplugged"), VirtualCameraSink(Live(320, 240)):
        raise ValueError("unplugged")
    assert cameras[0].closed


LINUX = "v4l2loopback provides one (sudo modprobe v4l2loopback exclusive_caps=1)."
OBS = "OBS Studio provides one, after it was started once."


@pytest.mark.parametrize(
    ("platform", "error", "message"),
    [
        (
            "linux",
            "'v4l2loopback' backend: No v4l2 loopback device found at /dev/video[0-99]. Did you run 'modprobe "
            "v4l2loopback'? See also pyvirtualcam's documentation.",
            f"(No v4l2 loopback device found at /dev/video[0-99]): {LINUX}",
        ),
        (
            "win32",
            "'obs' backend: OBS Virtual Camera device not found! Did you install OBS?\n"
            "'unitycapture' backend: No camera registered",
            f"(OBS Virtual Camera device not found; No camera registered): {OBS}",
        ),
        ("darwin", "something else", f"(something else): {OBS}"),
    ],
)
def test_the_error_on_a_system_without_a_virtual_camera(
    cameras: list[FakeCamera], monkeypatch: pytest.MonkeyPatch, platform: str, error: str, message: str
) -> None:
    FakeCamera.error = error
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SinkError) as raised:
        VirtualCameraSink(Live(320, 240))
    assert str(raised.value) == f"No virtual camera can be opened {message}"


def test_the_real_library_without_a_camera() -> None:
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(SinkError, match=r"^No virtual camera can be opened \([^()]+\): .+\.$") as raised:
        VirtualCameraSink(Live(320, 240), "/dev/nowhere")
    assert "backend" not in str(raised.value)


def test_a_virtual_camera_that_fails_later(cameras: list[FakeCamera]) -> None:
    with pytest.raises(SinkError, match="stopped taking pictures: gone"), VirtualCameraSink(Live(320, 240)) as sink:
        FakeCamera.error = "gone"
        sink.write(result())
    assert cameras[0].closed


def test_pictures_are_refused(cameras: list[FakeCamera], tmp_path: Path) -> None:
    source = ImageSource(write_picture(tmp_path / "a.png"))
    with pytest.raises(SinkError, match=r"^a\.png cannot feed a virtual camera: use `camera` or `video`"):
        VirtualCameraSink(source)


def test_without_pyvirtualcam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotion-cam\[virtual-camera\]'"):
        VirtualCameraSink(Live(320, 240))


@pytest.mark.parametrize(
    ("options", "device"),
    [(["--virtual-camera"], None), (["--virtual-camera-device", "/dev/video7"], "/dev/video7")],
)
def test_the_options(
    cameras: list[FakeCamera], portrait: Image, tmp_path: Path, options: list[str], device: str | None
) -> None:
    part = portrait[:240, 60:380]
    with VideoSink(tmp_path / "clip.mp4", fps=10) as sink:
        for index in range(3):
            sink.write(result(index, index / 10, image=part))
    done = emotion_cam("--video", tmp_path / "clip.mp4", "--no-show", *options)
    assert done.exit_code == 0, done.output
    (camera,) = cameras
    assert (len(camera.sent), camera.device) == (3, device)
    assert 0.01 < (np.abs(camera.sent[0].astype(int) - part) > 60).mean() < 0.5  # faces are drawn


def test_without_a_virtual_camera_no_file_is_left(cameras: list[FakeCamera], clip: Path, tmp_path: Path) -> None:
    FakeCamera.error = "'obs' backend: none"
    done = emotion_cam("--video", clip, "--out", tmp_path / "o.mp4", "--virtual-camera")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("emotion-cam: No virtual camera can be opened (none): ")
    assert list(tmp_path.iterdir()) == []
