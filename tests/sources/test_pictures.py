"""ImageSource, on pictures that are made here."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.types import Image
from tests.builders import HEIGHT, WIDTH, picture, write_picture


def test_a_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "photo.png")
    source = ImageSource(tmp_path / "photo.png")
    (frame,) = source
    np.testing.assert_array_equal(frame.image, picture())
    assert (frame.index, frame.time, frame.source) == (0, 0.0, "photo.png")
    assert (source.frame_count, source.folder, source.ended) == (1, False, True)


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    for name in ("face10.png", "face2.png", "Face1.PNG", "a.webp", ".hidden.png"):
        write_picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    source = ImageSource(tmp_path)
    assert (source.frame_count, source.folder) == (4, True)
    assert [(frame.index, frame.source) for frame in source] == [
        (0, "a.webp"),
        (1, "Face1.PNG"),
        (2, "face2.png"),
        (3, "face10.png"),
    ]


@pytest.mark.parametrize(
    "stored",
    [
        np.full((20, 30), 90, np.uint8),
        np.full((20, 30, 4), (90, 90, 90, 128), np.uint8),
        np.full((20, 30), 90 * 257, np.uint16),
    ],
    ids=["grayscale", "transparent", "16 bits"],
)
def test_every_picture_becomes_bgr(tmp_path: Path, stored: Image) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), stored)
    (frame,) = ImageSource(tmp_path / "picture.png")
    np.testing.assert_array_equal(frame.image, np.full((20, 30, 3), 90, np.uint8))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    turned_right = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + turned_right
    tagged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    (tmp_path / "photo.jpg").write_bytes(tagged)
    (frame,) = ImageSource(tmp_path / "photo.jpg")
    assert frame.image.shape == (WIDTH, HEIGHT, 3)
    assert frame.image[0, -1].min() > 240


def test_a_bad_picture_raises_an_error_when_it_is_reached(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png")
    (tmp_path / "2.png").write_text("not a picture")
    frames = iter(ImageSource(tmp_path))
    assert next(frames).source == "1.png"
    with pytest.raises(SourceError, match=r"2\.png is not a picture that can be read"):
        next(frames)


def test_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^The folder .* holds no pictures \(\.jpg \.jpeg "):
        ImageSource(tmp_path)
    with pytest.raises(SourceError, match=r"^There is no file .*missing\.png\.$"):
        ImageSource(tmp_path / "missing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(SourceError, match=r"empty\.png is empty\.$"):
        ImageSource(tmp_path / "empty.png")
