"""Small data sets in the official layouts, made of parts of a real portrait, and a model trained on one of them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import MissingExtraError
from emotion_cam.training.environment import prepare
from emotion_cam.training.recipe import Recipe
from emotion_cam.types import Image

HERE = Path(__file__).parent
WITHOUT_KERAS = ("test_recipe.py", "test_stages.py")
FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")

try:
    prepare()  # before any test imports Keras
    collect_ignore = []
except MissingExtraError:
    collect_ignore = [file.name for file in HERE.glob("test_*.py") if file.name not in WITHOUT_KERAS]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need TensorFlow are slow."""
    for item in items:
        if item.path.parent == HERE and item.path.name not in WITHOUT_KERAS:
            item.add_marker(pytest.mark.slow)


def patches(portrait: Image, count: int, side: int, seed: int = 0) -> list[Image]:
    """Different gray squares out of the portrait."""
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    corners = np.random.default_rng(seed).integers(0, 512 - side, (count, 2))
    return [np.asarray(gray[y : y + side, x : x + side], np.uint8) for y, x in corners]


@pytest.fixture(scope="session")
def fer2013(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """56 training pictures (8 of each class; the first is a copy of a test picture), 14 validation, 14 test."""
    folder = tmp_path_factory.mktemp("data") / "fer2013"
    folder.mkdir()
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
            # Each class has its own brightness, so that a network can learn it in a moment.
            tinted = image // 4 + number % 7 * 30
            fer_rows.writerow([number % 7, " ".join(map(str, tinted.ravel())), usage])
            votes = dict.fromkeys(FERPLUS, 0) | {"anger": 6, "sadness": 2, "contempt": 2}
            if number % 7 == 1:
                votes = dict.fromkeys(FERPLUS, 0) | {"disgust": 4, "unknown": 3, "fear": 3}
            elif number % 7 == 2:
                votes = dict.fromkeys(FERPLUS, 0) | {"NF": 8, "fear": 2}
            plus_rows.writerow([usage, "", *(votes[name] for name in FERPLUS)])
    return folder


@pytest.fixture(scope="session")
def recipe(fer2013: Path) -> Recipe:
    return Recipe(
        task="emotion",
        data=(f"fer2013={fer2013}",),
        epochs=2,
        batch_size=16,
        votes=0.3,
        augmentation="none",
        seed=3,
    )


@pytest.fixture(scope="session")
def model(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained by the recipe; tests copy it before they change it."""
    from emotion_cam.training.train import train

    return train(recipe, tmp_path_factory.mktemp("models") / "emotion")
