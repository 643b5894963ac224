"""Fixtures for the tests of sinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import write_picture, write_video


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with two seconds of pictures and two and a half seconds of audio."""
    return write_video(tmp_path_factory.mktemp("clips") / "clip.mp4", audio="aac", audio_times=(0, 2.5))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a-000000.png", "b.png"):
        write_picture(folder / name)
    return folder
