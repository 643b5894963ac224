"""A folder with everything that the examples read."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow.csv
import pytest

from emotion_cam.result import Result
from emotion_cam.sinks.video import VideoSink
from emotion_cam.types import Frame, Image
from tests.docs.pages import ROOT


@pytest.fixture(scope="session")
def inputs(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.jpg, clip.mp4, a folder of each, and a model; treat them as read-only."""
    pyarrow.csv.read_csv(io.BytesIO(b"column\n1\n"))  # opens a pipe, once for the whole process
    folder = tmp_path_factory.mktemp("inputs")
    cv2.imwrite(str(folder / "photo.jpg"), portrait)
    small = np.asarray(cv2.resize(portrait, (320, 320), interpolation=cv2.INTER_AREA), np.uint8)
    with VideoSink(folder / "clip.mp4", fps=10) as sink:
        for index in range(12):
            sink.write(Result(Frame(small, index, index / 10), ()))
    for file, place in (("photo.jpg", "photos/one.jpg"), ("photo.jpg", "photos/two.jpg"), ("clip.mp4", "clips/a.mp4")):
        (folder / place).parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / file, folder / place)
    for file in ("model.json", "model.tflite"):
        model = folder / "models" / "emotion-fer2013"
        model.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "models" / "emotion-fer2013" / file, model / file)
    return folder


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the inputs as the current folder. The root logger is restored, which an example sets up."""
    folder = tmp_path / "workplace"
    shutil.copytree(inputs, folder)
    monkeypatch.chdir(folder)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield folder
    root.handlers[:] = handlers
    root.setLevel(level)
