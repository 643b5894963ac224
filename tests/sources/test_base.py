"""What all sources have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.sources.video import VideoSource


@pytest.mark.parametrize("kind", [VideoSource, ImageSource])
def test_a_file_without_permission_to_read(
    clip: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], object]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # patched, because the tests may run as root
    with pytest.raises(SourceError, match=r"clip\.mp4 cannot be read: Permission denied\.$"):
        kind(clip)


def test_poll_gives_the_frames_of_a_file(clip: Path) -> None:
    with VideoSource(clip) as source:
        frames = list(source.poll())
    assert [frame.index for frame in frames if frame is not None] == list(range(60))
    assert len(frames) == 60
