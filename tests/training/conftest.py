"""Small data sets in the official layouts, made of patches of a real portrait."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.types import Image

pytest.importorskip("keras")

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def patches(portrait: Image, count: int, side: int, seed: int = 0) -> list[Image]:
    """Different grey squares out of the portrait."""
    grey = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    corners = np.random.default_rng(seed).integers(0, 512 - side, (count, 2))
    return [np.asarray(grey[y : y + side, x : x + side]) for y, x in corners]


@pytest.fixture(scope="session")
def fer2013(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """56 training pictures (8 of each class; the first is a copy of a test picture), 14 validation, 14 test."""
    folder = tmp_path_factory.mktemp("fer2013")
    images = patches(portrait, 84, 48)
    images[0] = images[77]  # of the same class
    usages = ["Training"] * 56 + ["PublicTest"] * 14 + ["PrivateTest"] * 14
    with (
        (folder / "fer2013.csv").open("w", newline="") as fer,
        (folder / "fer2013new.csv").open("w", newline="") as plus,
    ):
        fer_rows, plus_rows = csv.writer(fer), csv.writer(plus)
        fer_rows.writerow(["emotion", "pixels", "Usage"])
        plus_rows.writerow(["Usage", "Image name", *FERPLUS])
        for number, (image, usage) in enumerate(zip(images, usages, strict=True)):
            # Brightness tells the class, so that a network can learn it in a moment.
            tinted = image // 4 + number % 7 * 30
            fer_rows.writerow([number % 7, " ".join(map(str, tinted.ravel())), usage])
            votes = dict.fromkeys(FERPLUS, 0) | {"anger": 6, "sadness": 2, "contempt": 2}
            if number % 7 == 1:
                votes = dict.fromkeys(FERPLUS, 0) | {"disgust": 4, "unknown": 3, "fear": 3}
            elif number % 7 == 2:
                votes = dict.fromkeys(FERPLUS, 0) | {"NF": 8, "fear": 2}
            plus_rows.writerow([usage, "", *(votes[name] for name in FERPLUS)])
    return folder
