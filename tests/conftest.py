"""Fixtures for all tests: a real portrait, videos of it, a model to modify, a display without a screen."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Before OpenCV, which reads it once: a test that opens a video by OpenCV alone would make FFmpeg talk in later tests.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import av
import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from emotion_cam.card import shipped_models
from emotion_cam.types import Box, Image
from tests.leaks import no_leaks

__all__ = ["no_leaks"]

FACE = Box(172, 66, 272, 166)
"""Where the face is in the portrait, by eye."""


# A shell that starts the tests in the background makes them ignore Ctrl-C, and then the programs that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _restore_log() -> Iterator[None]:
    """The command line sets up the package's logger; the next test starts without that."""
    log = logging.getLogger("emotion_cam")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(scope="session")
def portrait() -> Image:
    """A smiling woman, uint8 BGR, (512, 512, 3); treat it as read-only."""
    image = np.ascontiguousarray(astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def face() -> Box:
    return FACE


@pytest.fixture
def emotion_model(tmp_path: Path) -> Path:
    """A copy of the shipped emotion model, which a test may damage."""
    return Path(shutil.copytree(shipped_models()["emotion"], tmp_path / "emotion"))


@pytest.fixture(scope="session")
def film(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, 320×240, 10 frames a second: the portrait moves to the left for a second, then nobody for a second."""
    path = tmp_path_factory.mktemp("film") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(20):
            image = np.full((240, 320, 3), 90, np.uint8)
            if index < 10:
                image = np.ascontiguousarray(portrait[20:260, 60 + 2 * index : 380 + 2 * index])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def long_film(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 50 seconds of the portrait, which leaves time to interrupt the program."""
    path = tmp_path_factory.mktemp("film") / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for _ in range(1500):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(portrait), format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of an X display without a screen."""
    if sys.platform != "linux" or not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("needs Linux with Xvfb and xdotool")
    if not cv2.currentUIFramework():
        pytest.skip("needs OpenCV with windows")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-noreset"], pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    with os.fdopen(reading) as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def lsl_configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of the Lab Streaming Layer with which it looks for streams on this machine only."""
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text("[ports]\nIPv6 = disable\n[multicast]\nResolveScope = machine\n[log]\nlevel = -2\n")
    return path


SLOW = (
    *("serve", "faults", "fuzz", "test_batch.py", "sources/test_streams.py", "sources/test_pipes.py"),
    *("cli/test_terminal.py", "cli/test_live.py", "cli/test_endurance.py"),
    *("corpus/test_engine.py", "corpus/test_stretches.py", "corpus/test_whole.py"),
)
"""Tests that start many programs, browsers or servers, or wait for time to pass."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, which `make test-fast` leaves out."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
