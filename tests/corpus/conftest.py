"""A small corpus."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from emotion_cam.types import Image
from tests.corpus.inline import InlineEngine


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs over a corpus need no processes."""
    monkeypatch.setattr("emotion_cam.corpus.run.Engine", InlineEngine)


@pytest.fixture(scope="session")
def short_clip(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of four frames with the portrait."""
    path = tmp_path_factory.mktemp("corpus") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(4):
            image = np.ascontiguousarray(portrait[20:260, 60 + 2 * index : 380 + 2 * index])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clips(short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two good videos and a broken one, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(short_clip, folder / "a.mp4")
    shutil.copy(short_clip, folder / "deep" / "b.mp4")
    (folder / "broken.mp4").write_bytes(short_clip.read_bytes()[:3000])
    (folder / "notes.txt").touch()
    return folder
