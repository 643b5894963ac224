"""Pictures in the forms that programs have them in: what is plainly meant is taken, the rest is refused by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from emotion_cam.detect.haar import HaarDetector
from emotion_cam.pictures import as_bgr, as_picture
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.types import Box, Image
from tests.builders import picture

SAME = picture()


def test_a_usual_picture_is_not_copied() -> None:
    assert as_picture(SAME) is SAME
    assert as_bgr(SAME) is SAME
    gray = SAME[..., 0]
    assert as_picture(gray) is gray


@pytest.mark.parametrize(
    "other",
    [
        SAME.astype(np.float64),
        SAME.astype(np.float32) / 255,
        (SAME / 255).astype(np.float16),
        SAME.astype(np.int64),
        SAME.astype(np.uint32),
        np.dstack([SAME, np.full_like(SAME[..., :1], 9)]),
        np.dstack([SAME, SAME[..., :1]]).astype(float),
    ],
    ids=["float", "float in [0, 1]", "float16 in [0, 1]", "int64", "uint32", "BGRA", "BGRA in float"],
)
def test_other_numbers_and_transparency(other: Any) -> None:
    assert np.array_equal(as_bgr(other), SAME)


def test_gray_and_bool() -> None:
    gray = SAME[..., 0]
    assert np.array_equal(as_picture(gray[..., None]), gray)
    assert np.array_equal(as_bgr(gray[..., None]), np.dstack([gray] * 3))
    assert np.array_equal(as_picture(gray > 99), np.where(gray > 99, 255, 0))
    assert as_bgr(np.zeros((0, 5), np.uint8)).shape == (0, 5, 3)
    assert as_bgr(np.zeros((0, 5, 3))).shape == (0, 5, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "L", "1", "I;16"])
def test_pictures_of_pillow(mode: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    same = pillow.fromarray(SAME[..., ::-1])
    other = same.convert("I").convert(mode) if mode == "I;16" else same.convert(mode)
    found = as_bgr(other)
    assert (found.shape, found.dtype.name) == (SAME.shape, "uint8")
    if mode in ("RGB", "RGBA", "CMYK"):
        assert np.array_equal(found, SAME)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (SAME.astype(np.uint16), TypeError, r"uint8 of shape .*, not uint16 of shape \(240, 320, 3\): convert 16 bits"),
    (SAME.astype(complex), TypeError, r"not complex128 of shape \(240, 320, 3\)\.$"),
    (SAME.astype(str), TypeError, r"not <U3 of shape"),
    (SAME[None], ValueError, r"not uint8 of shape \(1, 240, 320, 3\); give one picture at a time\.$"),
    (SAME[..., :2], ValueError, r"not uint8 of shape \(240, 320, 2\)\.$"),
    (SAME[0, 0], ValueError, r"not uint8 of shape \(3,\)\.$"),
    (SAME * 2.0, ValueError, r"is float64 of shape .* not in \[0, 255\], or \[0, 1\]\.$"),
    (SAME - 1.0, ValueError, r"not in \[0, 255\], or \[0, 1\]\.$"),
    (SAME * np.nan, ValueError, r"not in \[0, 255\], or \[0, 1\]\.$"),
    (SAME.astype(int) - 1, ValueError, r"is int64 of shape .* not in \[0, 255\]\.$"),
    ([[1, 2], [3, 4]], TypeError, r"not a value of type list\.$"),
    ("photo.jpg", TypeError, r"not the text 'photo\.jpg'\.$"),
    (None, TypeError, r"not None\.$"),
]


@pytest.mark.parametrize(("image", "kind", "message"), WRONG)
@pytest.mark.parametrize(
    "take",
    [
        as_picture,
        HaarDetector(),
        Recognizer(without=["emotion", "gender"]),
        lambda image: Recognizer(without=["emotion", "gender"]).follow()(image, 0.0),
        lambda image: extract_face(image, Box(0, 0, 9, 9), (48, 48)),
    ],
    ids=["as_picture", "detector", "recognizer", "follower", "extract_face"],
)
def test_what_is_no_picture_is_refused(take: Any, image: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"^`image` must be .*{message}"):
        take(image)


def test_the_same_faces_are_found_in_every_form(portrait: Image) -> None:
    recognizer = Recognizer()
    (expected,) = recognizer(portrait)
    for other in (portrait / 255, portrait.astype(np.int32), np.dstack([portrait, portrait[..., :1]])):
        (found,) = recognizer(other)  # type: ignore[arg-type]
        assert found.as_dict() == expected.as_dict()
    (gray,) = recognizer(as_picture(np.asarray(portrait)[..., 1:2]))
    assert gray.box.iou(expected.box) > 0.8


def test_pillow_is_not_imported_for_arrays() -> None:
    program = "import sys, numpy, emotion_cam.pictures as p; p.as_bgr(numpy.zeros((9, 9))); print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
