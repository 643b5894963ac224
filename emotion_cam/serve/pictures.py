"""Pictures that strangers send: their size is read from their first bytes before anything is decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from emotion_cam.types import Image

FORMATS = "JPEG, PNG or WebP"


class PictureError(ValueError):
    """What was sent is not a picture, or a picture that is too large; the message says which.

    Attributes:
        too_large: whether it is too large.
    """

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def decode(data: bytes, max_pixels: int) -> Image:
    """Decode a picture, upright.

    Args:
        data: a JPEG, PNG or WebP file.
        max_pixels: the most pixels that it may have.

    Returns:
        uint8, (height, width, 3), BGR.

    Raises:
        PictureError: it is none of these, damaged, or too large. A picture that is too large is not decoded.
    """
    size = size_of(data)
    if size is None:
        raise PictureError(f"This is no picture in the format {FORMATS}.")
    width, height = size
    if width * height > max_pixels:
        raise PictureError(
            f"The picture has {width}×{height} pixels; at most {max_pixels / 1e6:g} million are allowed.",
            too_large=True,
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None or not image.size:
        raise PictureError("The picture is damaged: it cannot be decoded.")
    return np.asarray(image, np.uint8)


def size_of(data: bytes) -> tuple[int, int] | None:
    """The width and height in pixels that a picture claims in its first bytes; None if it is in no known format."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return _positive(width, height)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_size(data)
    return None


def _positive(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width > 0 and height > 0 else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Source: RFC 9649, WebP Image Format, section 2."""
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return _positive(width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Source: ITU-T T.81, annex B: segments follow each other up to a frame header (SOF)."""
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return _positive(width, height)
        elif marker in (0x01, *range(0xD0, 0xDA)):  # without a length; the picture itself must not begin yet
            return None
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def encode_jpeg(image: Image, *, longest_side: int, quality: int = 80) -> bytes:
    """A picture as a JPEG file, scaled down if its longer side has more pixels than ``longest_side``."""
    height, width = image.shape[:2]
    scale = longest_side / max(width, height)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
