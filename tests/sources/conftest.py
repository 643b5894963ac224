"""Fixtures for the tests of sources."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from emotion_cam.sources import devices as devices_module
from tests.builders import picture, write_video
from tests.sources.fakes import FakeCapture, PlugIn


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two seconds with audio; its index is at the front, so that it opens even when cut off."""
    folder = tmp_path_factory.mktemp("clips")
    return write_video(folder / "clip.mp4", audio="aac", options={"movflags": "+faststart"})


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCapture]:
    """The capture that OpenCV opens; it has one picture."""
    fake = FakeCapture(picture(0))
    monkeypatch.setattr(cv2, "VideoCapture", fake)
    yield fake
    fake.default = picture()
    for thread in threading.enumerate():
        if thread.name.startswith("reader of"):
            thread.join(5)
    assert not any(thread.name.startswith("reader of") for thread in threading.enumerate())


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlugIn:
    """Adds a device where Linux has them: number, name, and which of its camera's devices it is."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices_module, "_DEVICES", tmp_path / "dev")
    monkeypatch.setattr(devices_module, "_DEVICE_INFO", tmp_path / "info")
    (tmp_path / "dev").mkdir()

    def plug_in(number: int, name: str, index: str = "0") -> None:
        (tmp_path / f"dev/video{number}").touch()
        if name:
            info = tmp_path / f"info/video{number}"
            info.mkdir(parents=True)
            (info / "name").write_text(f"{name}\n")
            (info / "index").write_text(f"{index}\n")

    return plug_in
