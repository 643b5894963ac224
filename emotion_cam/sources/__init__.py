"""Where frames come from: a camera or stream, a video file, pictures. They differ in their ``Source`` only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source
from emotion_cam.sources.camera import CameraSource
from emotion_cam.sources.devices import CameraInfo, find_camera, list_cameras
from emotion_cam.sources.pictures import PICTURES, ImageSource
from emotion_cam.sources.v4l2 import Mode, camera_modes
from emotion_cam.sources.video import VIDEOS, VideoSource, packet_end, videos_in

__all__ = [
    "PICTURES",
    "VIDEOS",
    "CameraInfo",
    "CameraSource",
    "ImageSource",
    "Mode",
    "Source",
    "VideoSource",
    "camera_modes",
    "find_camera",
    "list_cameras",
    "open_source",
    "packet_end",
    "videos_in",
]


def open_source(
    *,
    camera: int | str | None = None,
    video: str | Path | None = None,
    image: str | Path | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    reconnect: float = 0.0,
    tell: Callable[[str], None] = lambda message: None,
) -> Source:
    """The source for exactly one of a camera's number, name or path, a video and a picture or folder of pictures.

    The camera and the video may also be the address of a stream (``rtsp://…``), which must be given as a str. For a
    camera alone there are ``size`` and ``fps``, for it and streams ``reconnect`` and ``tell``: see ``CameraSource``.

    Raises:
        SourceError: it cannot be opened, or has no use for an option that is given.
        ValueError: none or several are given.
    """
    if sum(given is not None for given in (camera, video, image)) != 1:
        raise ValueError("exactly one of camera, video and image is needed")
    is_stream = "://" in str(video if camera is None else camera)
    if camera is not None or is_stream:
        address = str(video) if camera is None else camera
        return CameraSource(address, size=size, fps=fps, reconnect=reconnect, tell=tell)
    if size or fps or reconnect:
        raise SourceError("--size and --fps are for cameras, --reconnect for cameras and streams; a file needs none.")
    if image is not None:
        return ImageSource(image)
    assert video is not None
    return VideoSource(video)
