"""The cameras of this machine: their numbers, names and paths, and which of them somebody means."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import cv2

from emotion_cam.errors import SourceError

_DEVICES = Path("/dev")
_DEVICE_NOTES = Path("/sys/class/video4linux")


class CameraInfo(NamedTuple):
    """A camera of this machine.

    Attributes:
        number: what to open it by.
        name: "" if the system tells none.
        path: its device; "" on other systems than Linux.
    """

    number: int
    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


def camera_backend() -> int:
    """By which of its ways OpenCV opens cameras here: the system's own. Each has numbers of its own."""
    ways = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}
    return ways.get(sys.platform, cv2.CAP_ANY)


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine, whether or not another program uses them."""
    if sys.platform != "linux":  # not tried out yet
        from cv2_enumerate_cameras import enumerate_cameras

        return [CameraInfo(camera.index, camera.name) for camera in enumerate_cameras(camera_backend())]
    cameras = []
    for device in _DEVICES.glob("video[0-9]*"):
        notes = _DEVICE_NOTES / device.name
        if _text(notes / "index", "0") == "0":  # a camera's further devices carry its metadata and no pictures
            number = int(device.name.removeprefix("video"))
            cameras.append(CameraInfo(number, _text(notes / "name", ""), str(device)))
    return sorted(cameras)


def _text(path: Path, otherwise: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return otherwise


def find_camera(camera: int | str) -> int:
    """The number of the camera that is meant.

    Args:
        camera: its number, its name or a part of it in any case, or its path; a link to that, as in /dev/v4l/by-id,
            stays with the camera whatever its number is.

    Raises:
        SourceError: no camera, or more than one, has that in its name.
    """
    asked = str(camera)
    if asked.isdecimal():
        return int(asked)
    device = re.fullmatch(r"/dev/video(\d+)", str(Path(asked).resolve()))
    if device:
        return int(device[1])
    cameras = list_cameras()
    fitting = [found for found in cameras if asked.casefold() in found.name.casefold()]
    # Of “Webcam” and “Webcam Pro”, “webcam” means the first.
    fitting = [found for found in fitting if asked.casefold() == found.name.casefold()] or fitting
    if len(fitting) > 1:
        raise SourceError(
            f"“{asked}” may be any of the cameras {_listed(fitting)}: give a number, or more of the name."
        )
    if not fitting:
        raise SourceError(
            f"“{asked}” is neither a camera's number, name or path nor an address such as rtsp://host/path; "
            + (f"cameras found: {_listed(cameras)}." if cameras else "no camera was found.")
        )
    return fitting[0].number


def why_closed(number: int) -> str:
    """What to say of a camera that cannot be opened."""
    cameras = list_cameras()
    for camera in cameras:
        if camera.number == number:
            return f"Camera {camera} cannot be opened: does another program use it, or are you not allowed to?"
    if not cameras:
        return (
            f"Camera {number} cannot be opened; no camera was found: is it plugged in, "
            "and not in use by another program?"
        )
    return f"Camera {number} cannot be opened; cameras found: {_listed(cameras)}."


def _listed(cameras: list[CameraInfo]) -> str:
    return ", ".join(map(str, cameras))
