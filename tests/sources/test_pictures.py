"""ImageSource, on pictures that are made here."""

from __future__ import annotations

import os
import struct
import sys
import threading
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

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
    (tmp_path / "2.png").write_text("not a picture")
    frames = iter(ImageSource(tmp_path / "2.png"))
    with pytest.raises(SourceError, match=r"2\.png is not a picture that can be read"):
        next(frames)


def test_a_folder_goes_on_over_bad_pictures_and_names_them_at_the_end(tmp_path: Path) -> None:
    for name in ("1.png", "3.png", "5.jpg"):
        write_picture(tmp_path / name)
    (tmp_path / "2.png").write_text("not a picture")
    (tmp_path / "4.png").write_bytes((tmp_path / "3.png").read_bytes()[:500])
    (tmp_path / "6.png").touch()
    write_picture(tmp_path / "7.png", picture(0, 400, 300))
    source = ImageSource(tmp_path, max_pixels=WIDTH * HEIGHT)
    frames = []
    with pytest.raises(SourceError) as error:
        for frame in source:
            frames.append((frame.index, frame.source))  # noqa: PERF401
    assert frames == [(0, "1.png"), (2, "3.png"), (4, "5.jpg")]
    assert str(error.value) == (
        f"4 of 7 pictures in {tmp_path} cannot be used: "
        "2.png is not a picture that can be read (.jpg .jpeg .png .bmp .webp .tif .tiff), or it is damaged; "
        "4.png is damaged or cut off; 6.png is empty; 7.png has 400×300 pixels; `max_pixels` allows 76800."
    )
    assert not source.ended


PATTERN = np.random.default_rng(0).integers(0, 256, (61, 83, 4), np.uint8)
"""A picture of which every pixel counts."""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_8_bits_are_those_of_opencv_to_the_bit(tmp_path: Path, suffix: str, channels: int) -> None:
    if suffix == ".jpg" and channels == 4:
        pytest.skip("JPEG has no transparency")
    stored = PATTERN[..., 0] if channels == 1 else PATTERN[..., :channels]
    path = write_picture(tmp_path / f"picture{suffix}", np.ascontiguousarray(stored))
    (frame,) = ImageSource(path)
    np.testing.assert_array_equal(frame.image, cv2.imread(str(path), cv2.IMREAD_COLOR))
    assert frame.image.flags.c_contiguous
    assert frame.image.dtype == np.uint8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_of_16_bits_the_upper_8_are_taken(tmp_path: Path, suffix: str) -> None:
    stored = (PATTERN[..., 0].astype(np.uint16) << 8) + PATTERN[..., 1]
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), stored)
    (frame,) = ImageSource(tmp_path / f"deep{suffix}")
    np.testing.assert_array_equal(frame.image, np.repeat(PATTERN[..., :1], 3, axis=2))


def test_floating_point_values_from_0_to_1_become_0_to_255(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stored = np.array([[0, 0.5, 1, 2, -1, np.nan, np.inf]] * 5, np.float32)
    Pillow.fromarray(stored).save(tmp_path / "float.tif")
    (frame,) = ImageSource(tmp_path / "float.tif")
    assert frame.image[2, :, 0].tolist() == [0, 127, 255, 255, 0, 0, 255]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_damaged_pictures_write_nothing_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder, suffix: str
) -> None:
    whole = write_picture(tmp_path / f"whole{suffix}").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / f"damaged{suffix}"
    for length in random.integers(1, len(whole), 20):
        data = bytearray(whole[:length] if length % 2 else whole)
        for position in random.integers(0, len(data), 5):
            data[position] = random.integers(256)
        path.write_bytes(data)
        with suppress(SourceError):
            list(ImageSource(path))
    assert capfd.readouterr() == ("", "")
    assert not recwarn


def test_a_picture_that_is_too_large_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(30_000, 30_000))
    tracemalloc.start()
    with pytest.raises(SourceError) as error:
        list(ImageSource(tmp_path / "bomb.png"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(error.value) == f"{tmp_path}/bomb.png has 30000×30000 pixels; `max_pixels` allows 256000000."
    assert peak < 10_000_000


def bomb(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_picture(tmp_path / "a.png", np.full((*size, 3), 7, np.uint8))
    (frame,) = ImageSource(path)
    assert frame.image.shape == (*size, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with names")
def test_a_picture_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = write_picture(tmp_path / "a.png").read_bytes()
    thread = threading.Thread(target=pipe.write_bytes, args=[data])
    source = ImageSource(pipe)
    thread.start()
    (frame,) = source
    thread.join()
    np.testing.assert_array_equal(frame.image, picture())


def test_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^The folder .* holds no pictures \(\.jpg \.jpeg "):
        ImageSource(tmp_path)
    with pytest.raises(SourceError, match=r"^There is no file .*missing\.png\.$"):
        ImageSource(tmp_path / "missing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(SourceError, match=r"empty\.png is empty\.$"):
        ImageSource(tmp_path / "empty.png")
