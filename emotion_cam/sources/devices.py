"""The cameras of this machine: their numbers, names and paths, and how to find one of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import cv2

from emotion_cam.errors import SourceError

_DEVICES = Path("/dev")
_DEVICE_INFO = Path("/sys/class/video4linux")


class CameraInfo(NamedTuple):
    """A camera of this machine.

    Attributes:
        number: the number that opens it.
        name: "" if the system knows none.
        path: its device; "" on systems other than Linux.
    """

    number: int
    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


def camera_backend() -> int:
    """The backend with which OpenCV opens cameras here: the system's own. Each backend has its own numbers."""
    backends = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}
    return backends.get(sys.platform, cv2.CAP_ANY)


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine, also those that another program is using."""
    if sys.platform != "linux":  # not tried on real systems yet
        from cv2_enumerate_cameras import enumerate_cameras

        return [CameraInfo(camera.index, camera.name) for camera in enumerate_cameras(camera_backend())]
    cameras = []
    for device in _DEVICES.glob("video[0-9]*"):
        info = _DEVICE_INFO / device.name
        if _read_text(info / "index", "0") == "0":  # the other devices of a camera carry metadata and no pictures
            number = int(device.name.removeprefix("video"))
            cameras.append(CameraInfo(number, _read_text(info / "name", ""), str(device)))
    return sorted(cameras)


def _read_text(path: Path, default: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return default


def find_camera(camera: int | str) -> int:
    """The number of a camera.

    Args:
        camera: its number, its name or a part of the name in any case, or its path; a link such as those in
            /dev/v4l/by-id stays with the camera even if its number changes.

    Raises:
        SourceError: no camera has this name, or several have.
    """
    text = str(camera)
    if text.isdecimal():
        return int(text)
    device = re.fullmatch(r"/dev/video(\d+)", str(Path(text).resolve()))
    if device:
        return int(device[1])
    cameras = list_cameras()
    matches = [found for found in cameras if text.casefold() in found.name.casefold()]
    # An exact match wins: “webcam” is “Webcam” and not “Webcam Pro”.
    matches = [found for found in matches if text.casefold() == found.name.casefold()] or matches
    text = text.rpartition("@")[2]  # in an address that lacks its scheme, what is before it may be a password
    if len(matches) > 1:
        raise SourceError(f"“{text}” matches several cameras, {_listed(matches)}: give a number, or more of the name.")
    if not matches:
        raise SourceError(
            f"“{text}” is not the number, name or path of a camera, nor an address such as rtsp://host/path; "
            + (f"cameras found: {_listed(cameras)}." if cameras else "no camera was found.")
        )
    return matches[0].number


def why_not_opened(number: int) -> str:
    """The error message for a camera that cannot be opened."""
    cameras = list_cameras()
    for camera in cameras:
        if camera.number == number:
            return f"Camera {camera} cannot be opened: is another program using it, or is permission missing?"
    if not cameras:
        return f"Camera {number} cannot be opened; no camera was found: is it plugged in, and not used elsewhere?"
    return f"Camera {number} cannot be opened; cameras found: {_listed(cameras)}."


def _listed(cameras: list[CameraInfo]) -> str:
    return ", ".join(map(str, cameras))
