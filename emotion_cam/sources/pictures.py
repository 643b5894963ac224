"""A picture, or a folder of pictures."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source, check_readable, files_in
from emotion_cam.sources.spec import MAX_PIXELS
from emotion_cam.types import Frame, Image

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""The suffixes of the pictures in a folder, in lower case."""

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
"""What is decoded, whatever a file is called. Pillow knows more, some of which start other programs."""


_lock = threading.RLock()
"""Held while a setting of the whole process is changed."""


class ImageSource(Source):
    """A picture, or the pictures of a folder in natural order (2 before 10); each frame's source is its file's name.

    EXIF rotation is applied, transparency is dropped, and of several pictures in a file the first one counts. Of values
    with 16 bits the upper 8 are taken; floating-point values from 0 to 1 become 0 to 255. The time of every frame is 0.

    Reading a picture takes up to 12 bytes of memory for each of its pixels.

    Args:
        path: a picture, or a folder.
        max_pixels: larger pictures are refused before they take memory.

    Attributes:
        path: the picture or folder.
        folder: whether it is a folder.

    Raises:
        SourceError: there is no picture; while iterating: a file is not a picture. In a folder, the error comes after
            all good pictures, and names the bad ones.
    """

    def __init__(self, path: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path = Path(path)
        self.name = self.path.absolute().name
        self.folder = self.path.is_dir()
        self._max_pixels = max_pixels
        if self.folder:
            self.paths = files_in(self.path, PICTURES, "pictures")
        else:
            check_readable(self.path)
            self.paths = (self.path,)
        self.frame_count = len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        bad = []
        for index, path in enumerate(self.paths):
            try:
                image = _read_picture(path, self._max_pixels)
            except _BadPictureError as error:  # noqa: PERF203 - each picture may be bad
                if not self.folder:
                    raise SourceError(f"{path} {error.args[0]}.") from error
                bad.append(f"{path.name} {error.args[0]}")
            else:
                yield Frame(image, index, 0.0, path.name)
        if bad:
            raise SourceError(
                f"{len(bad)} of {len(self.paths)} pictures in {self.path} cannot be used: {'; '.join(bad)}."
            )
        self.ended = True


class _BadPictureError(Exception):
    """A file cannot be used. The message goes on after the file's name."""


def _read_picture(path: Path, max_pixels: int) -> Image:
    """A picture as uint8 BGR, (height, width, 3)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _BadPictureError(f"cannot be read: {error.strerror}") from error
    if not data:
        raise _BadPictureError("is empty")
    try:
        with _opened(data) as picture:
            _check_size(picture.size, max_pixels)
            return _decoded(picture)
    except _BadPictureError:
        raise
    except UnidentifiedImageError as error:
        raise _BadPictureError(f"is not a picture that can be read ({' '.join(PICTURES)}), or it is damaged") from error
    except MemoryError as error:
        raise _BadPictureError("needs more memory than there is") from error
    except Exception as error:  # a damaged file can make Pillow raise nearly anything
        raise _BadPictureError("is damaged or cut off") from error


@contextmanager
def _opened(data: bytes) -> Iterator[Pillow.Image]:
    """A picture of which only the header was read, and whose decoding will write nothing to the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged EXIF data
        with _lock:
            limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None  # the limit is checked here
            try:
                picture = Pillow.open(io.BytesIO(data), formats=_FORMATS)
            finally:
                Pillow.MAX_IMAGE_PIXELS = limit
        with picture, _silence() if picture.format == "TIFF" else nullcontext():
            yield picture


@contextmanager
def _silence() -> Iterator[None]:
    """Discard standard error: libtiff writes what is wrong with a file there, and Pillow cannot turn that off."""
    with _lock, ExitStack() as stack:
        with suppress(OSError):  # there may be no standard error
            before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, before)
            stack.callback(os.dup2, before, 2)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        yield


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _BadPictureError(f"has {width}×{height} pixels; `max_pixels` allows {max_pixels}")


def _decoded(picture: Pillow.Image) -> Image:
    picture.load()
    _turn(picture)
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        is_float = values.dtype.kind == "f"
        # 16 bits, which the mode "I" has in 32
        scaled = np.nan_to_num(values) * 255 if is_float else np.clip(values, 0, 0xFFFF) >> 8
        return np.repeat(np.clip(scaled, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    colors = picture if picture.mode == "RGB" else picture.convert("RGB")
    return np.asarray(cv2.cvtColor(np.asarray(colors), cv2.COLOR_RGB2BGR), np.uint8)


def _turn(picture: Pillow.Image) -> None:
    """Turn a picture as its EXIF data say; leave it as it is if they are damaged."""
    with suppress(Exception):  # Pillow raises many kinds of errors for damaged data
        ImageOps.exif_transpose(picture, in_place=True)
