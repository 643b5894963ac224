"""open_source, and the specification of an input."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import open_source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.sources.video import VideoSource
from tests.builders import write_picture


def test_open_source_opens_what_is_given(clip: Path, tmp_path: Path) -> None:
    photo = write_picture(tmp_path / "photo.png")
    with open_source(video=clip) as video, open_source(image=str(photo)) as image:
        assert isinstance(video, VideoSource)
        assert isinstance(image, ImageSource)


@pytest.mark.parametrize("given", [{}, {"camera": 0, "video": "clip.mp4"}, {"video": "a", "image": "b"}])
def test_open_source_takes_exactly_one(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^Exactly one of `camera`, `video` and `image` is needed"):
        open_source(**given)  # type: ignore[arg-type]


STREAM = "rtsp://me:secret@host/live"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"camera": STREAM, "size": (640, 480)}, "rtsp://host/live is a stream, which takes neither `size` nor `fps`"),
        ({"video": STREAM, "fps": 30}, "rtsp://host/live is a stream, which takes neither `size` nor `fps`"),
        ({"video": "clip.mp4", "fps": 30}, "`size` and `fps` are for cameras"),
        ({"image": "photo.png", "size": (640, 480)}, "`size` and `fps` are for cameras"),
        ({"video": "clip.mp4", "reconnect": 5}, "`reconnect` is for cameras and streams"),
        ({"image": "photo.png", "reconnect": 5}, "`reconnect` is for cameras and streams"),
    ],
)
def test_options_for_cameras_are_refused_for_other_inputs(given: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError) as error:
        open_source(**given)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "secret" not in str(error.value)
