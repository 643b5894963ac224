"""The size of a picture is read before it is decoded."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
import pytest

from emotion_cam.serve.pictures import PictureError, decode, encode_jpeg, size_of
from tests.serve.running import noise, png_bomb

FORMATS = [
    (".jpg", []),
    (".png", []),
    (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
    (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
]


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (37, 21), (640, 480)])
def test_sizes_are_those_of_the_pictures(suffix: str, options: list[int], size: tuple[int, int]) -> None:
    data = cv2.imencode(suffix, noise(*size), options)[1].tobytes()
    assert size_of(data) == size
    assert decode(data, size[0] * size[1]).shape == (size[1], size[0], 3)


def test_a_progressive_jpeg_and_a_gray_one() -> None:
    data = cv2.imencode(".jpg", noise(50, 40), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert size_of(data) == (50, 40)
    gray = cv2.imencode(".jpg", noise(50, 40)[..., 0])[1].tobytes()
    assert decode(gray, 2000).shape == (40, 50, 3)


def test_a_webp_with_transparency() -> None:
    image = np.dstack((noise(30, 20), np.full((20, 30), 128, np.uint8)))
    data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 60])[1].tobytes()
    assert data[12:16] == b"VP8X"
    assert size_of(data) == (30, 20)


def test_a_picture_of_100_megapixels_in_20_kilobytes_is_refused_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png_bomb(10_000, 10_000)
    assert len(bomb) < 20_000
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match="10000×10000 pixels; at most 40 million") as caught:
        decode(bomb, 40_000_000)
    assert caught.value.too_large


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"hello", b"GIF89a" + bytes(30), b"\xff\xd8\xff", b"\xff\xd8\xff\xd9" + bytes(20)]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="no picture in the format JPEG, PNG or WebP"):
        decode(data, 1000)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_that_ends_early_never_crashes(suffix: str) -> None:
    data = cv2.imencode(suffix, noise(40, 30))[1].tobytes()
    for length in range(0, len(data), 7):
        with contextlib.suppress(PictureError):
            assert decode(data[:length], 1200).shape == (30, 40, 3)


def test_damaged_pictures_never_crash() -> None:
    random = np.random.default_rng(2)
    for suffix in (".jpg", ".png", ".webp"):
        data = np.frombuffer(cv2.imencode(suffix, noise(40, 30))[1].tobytes(), np.uint8)
        for _ in range(150):
            damaged = data.copy()
            places = random.integers(0, len(data), 4)
            damaged[places] = random.integers(0, 255, 4)
            with contextlib.suppress(PictureError):
                assert decode(damaged.tobytes(), 5000).size <= 3 * 5000


def test_pictures_for_watchers_are_scaled_down() -> None:
    assert size_of(encode_jpeg(noise(400, 200), longest_side=100)) == (100, 50)
    assert size_of(encode_jpeg(noise(40, 20), longest_side=100)) == (40, 20)
