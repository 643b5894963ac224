"""What to read frames from, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.sources.address import is_address, refuse_broken_address

if TYPE_CHECKING:
    from emotion_cam.sources.base import Source


STDIN = "-"
"""The video that stands for standard input."""

MAX_PIXELS = 256_000_000
"""The pixels of the largest picture that is read, 16,000 × 16,000. It takes about 3 GB; see ``sources.pictures``."""


@dataclass(frozen=True)
class InputSpec:
    """What to read frames from: exactly one of camera, video and image.

    Attributes:
        camera: A camera by its number, its path or a part of its name, as `emotion-cam cameras` lists them, or the
            address of a stream.
        video: A video file (anything that FFmpeg reads, GIF too), a folder of videos, the address of a stream (http,
            rtsp), or - for standard input. May be repeated.
        image: A picture, or a folder of pictures.
        size: The size to ask the camera for, in pixels, as in 1280x720; the camera uses the nearest one it has.
        fps: The frames per second to ask the camera for.
        reconnect: How many seconds to retry after a camera or stream drops out; 0 does not retry, inf never gives up.
        max_pixels: Refuse files with larger pictures: width times height. A picture takes up to 12 bytes per pixel.

    Raises:
        ValueError: several inputs are given, or a value is out of range.
    """

    camera: str | None = None
    video: tuple[str, ...] = ()
    image: Path | None = None
    size: str | None = None
    fps: float | None = None
    reconnect: float = 0.0
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if sum((self.camera is not None, bool(self.video), self.image is not None)) > 1:
            raise ValueError("Only one of `camera`, `video` and `image` can be given.")
        if self.fps is not None and not self.fps >= 1:
            raise ValueError(f"`fps` must be at least 1, not {self.fps:g}.")
        if not self.reconnect >= 0:
            raise ValueError(f"`reconnect` must be at least 0 seconds, not {self.reconnect:g}.")
        check_max_pixels(self.max_pixels)
        if self.size is not None:
            parse_size(self.size)

    @property
    def is_empty(self) -> bool:
        """Whether no input is given."""
        return self.camera is None and not self.video and self.image is None

    @property
    def is_live(self) -> bool:
        """Whether the input is a camera or a stream."""
        return self.camera is not None or any(map(is_address, self.video))

    def open(self) -> Source:
        """Open the one input.

        Raises:
            SourceError: it cannot be opened, or has no use for an option that is given.
            ValueError: no input or several videos are given.
        """
        if len(self.video) > 1:
            raise ValueError("`video` must be a single file here.")
        return open_source(
            camera=self.camera,
            video=self.video[0] if self.video else None,
            image=self.image,
            size=None if self.size is None else parse_size(self.size),
            fps=self.fps,
            reconnect=self.reconnect,
            max_pixels=self.max_pixels,
        )


def check_max_pixels(max_pixels: int) -> None:
    """Raise ValueError if this cannot be the largest number of pixels."""
    if max_pixels < 1:
        raise ValueError(f"`max_pixels` must be at least 1, not {max_pixels}.")


def parse_size(text: str) -> tuple[int, int]:
    """The width and height in a text such as 1280x720, in pixels.

    Raises:
        ValueError: the text is no size.
    """
    sides = re.fullmatch(r"([1-9]\d{0,4})[xX×]([1-9]\d{0,4})", text)
    if not sides:
        raise ValueError(f"`size` must be a width and a height in pixels, as in 1280x720, not “{text}”.")
    return int(sides[1]), int(sides[2])


def open_source(
    *,
    camera: int | str | None = None,
    video: str | Path | None = None,
    image: str | Path | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    reconnect: float = 0.0,
    max_pixels: int = MAX_PIXELS,
) -> Source:
    """Open exactly one of a camera, a video file or stream, and a picture or folder of pictures.

    Args:
        camera: the number, name or path of a camera, or the address of a stream.
        video: a video file, the address of a stream (``rtsp://…``) as a str, a pipe, or - for standard input.
        image: a picture, or a folder of pictures.
        size: (width, height) in pixels to ask a camera for.
        fps: frames per second to ask a camera for.
        reconnect: how many seconds to retry after a camera or stream drops out; 0 does not retry.
        max_pixels: files with larger pictures are refused; a picture takes up to 12 bytes for each pixel.

    Raises:
        SourceError: the input cannot be opened, or has no use for an option that is given.
        ValueError: no input or several inputs are given.
    """
    from emotion_cam.errors import SourceError
    from emotion_cam.sources.camera import CameraSource
    from emotion_cam.sources.pictures import ImageSource
    from emotion_cam.sources.video import VideoSource

    if sum(given is not None for given in (camera, video, image)) != 1:
        raise ValueError("Exactly one of `camera`, `video` and `image` is needed.")
    check_max_pixels(max_pixels)
    address = str(video) if camera is None else camera
    if image is None:
        refuse_broken_address(str(address))
    if camera is not None or is_address(str(video)):
        return CameraSource(address, size=size, fps=fps, reconnect=reconnect)
    if size or fps or reconnect:
        raise SourceError(
            "`size` and `fps` are for cameras, `reconnect` is for cameras and streams; a file needs none of them."
        )
    if image is not None:
        return ImageSource(image, max_pixels=max_pixels)
    assert video is not None
    return VideoSource(video, max_pixels=max_pixels)
