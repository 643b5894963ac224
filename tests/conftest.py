"""What several tests use: a real portrait, and models that say what they are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from emotion_cam.classify import shipped_models
from emotion_cam.types import Box, Image

FACE = Box(172, 66, 272, 166)
"""Where the face is in the portrait, by eye."""


@pytest.fixture(scope="session")
def portrait() -> Image:
    """A smiling woman, uint8 BGR, (512, 512, 3); treat it as read-only."""
    image = np.ascontiguousarray(astronaut()[..., ::-1])
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def face() -> Box:
    return FACE


@pytest.fixture
def emotion_model(tmp_path: Path) -> Path:
    """A copy of the shipped emotion model, to be spoilt."""
    return Path(shutil.copytree(shipped_models()["emotion"], tmp_path / "emotion"))
