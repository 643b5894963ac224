"""The sizes and rates of a camera, from a driver that is simulated here."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from emotion_cam.sources.v4l2 import Mode, camera_modes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="V4L2 exists on Linux only")

YUYV, MJPG, H264 = 1, 2, 3
DISCRETE, STEPWISE = 1, 3
ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0xC0405602, 0xC02C564A, 0xC034564B  # as in the C headers


class FakeDriver:
    """Answers V4L2 requests.

    Attributes:
        answers: by request and subject, the words after the question, for each answer.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[int, ...], list[Sequence[int]]] = {}

    def ioctl(self, _: int, request: int, question: bytes) -> bytes:
        index, *words = struct.unpack(f"={len(question) // 4}I", question)
        length = {ENUM_FMT: 1, ENUM_FRAMESIZES: 1, ENUM_FRAMEINTERVALS: 3}[request]
        answers = self.answers.get((request, *words[:length]), [])
        if index >= len(answers):
            raise OSError(22, "Invalid argument")
        return struct.pack(
            f"={len(question) // 4}I", *[index, *words[:length], *answers[index], *[0] * 99][: len(question) // 4]
        )


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver()
    monkeypatch.setattr("fcntl.ioctl", fake.ioctl)
    return fake


def test_the_sizes_of_all_formats_with_their_rates(driver: FakeDriver, tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    rest = [0] * 9
    driver.answers = {
        (ENUM_FMT, 1): [[*rest, YUYV], [*rest, MJPG]],
        (ENUM_FRAMESIZES, YUYV): [[DISCRETE, 640, 480], [DISCRETE, 1280, 720]],
        (ENUM_FRAMESIZES, MJPG): [[DISCRETE, 1280, 720], [DISCRETE, 320, 240]],
        (ENUM_FRAMEINTERVALS, YUYV, 640, 480): [[DISCRETE, 1, 30], [DISCRETE, 1001, 30000], [DISCRETE, 2, 15]],
        (ENUM_FRAMEINTERVALS, YUYV, 1280, 720): [[DISCRETE, 1, 10]],
        (ENUM_FRAMEINTERVALS, MJPG, 1280, 720): [[DISCRETE, 1, 60], [DISCRETE, 1, 10]],
    }
    modes = camera_modes(str(device))
    assert modes == [Mode(1280, 720, (60, 10)), Mode(640, 480, (30, 29.97, 7.5)), Mode(320, 240, ())]
    assert [str(mode) for mode in modes] == [
        "1280×720 at 60, 10 frames a second",
        "640×480 at 30, 29.97, 7.5 frames a second",
        "320×240",
    ]


def test_a_range_is_shown_by_its_ends(driver: FakeDriver, tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    rates = [STEPWISE, 1, 90, 1, 1, 1, 90]
    driver.answers = {
        (ENUM_FMT, 1): [[*[0] * 9, H264]],
        (ENUM_FRAMESIZES, H264): [[STEPWISE, 32, 3280, 2, 48, 2464, 2]],
        (ENUM_FRAMEINTERVALS, H264, 32, 48): [rates],
        (ENUM_FRAMEINTERVALS, H264, 3280, 2464): [rates],
    }
    assert camera_modes(str(device)) == [Mode(3280, 2464, (90, 1)), Mode(32, 48, (90, 1))]


def test_a_camera_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        camera_modes(str(tmp_path / "video0"))
