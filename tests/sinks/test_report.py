"""ReportSink: what of a run goes into its report. The report itself is tested in tests/report."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.drawing.view import View
from emotion_cam.errors import MissingExtraError
from emotion_cam.sinks.report import ReportSink
from emotion_cam.types import Box, Face, Image
from tests.builders import prediction, result


def shade(index: int) -> Image:
    """A picture whose brightness shows its index."""
    return np.full((60, 80, 3), 20 * index, np.uint8)


def pictures_in(page: Path) -> list[Image]:
    """The JPEG pictures in a report."""
    files = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page.read_text("utf-8"))
    decoded = [cv2.imdecode(np.frombuffer(base64.b64decode(file), np.uint8), cv2.IMREAD_COLOR) for file in files]
    return [np.asarray(picture, np.uint8) for picture in decoded]


@pytest.mark.parametrize("hiding", [View(blur=True), View(picture=False)], ids=["blur", "no picture"])
def test_no_picture_is_cut_from_a_frame_whose_view_hides_faces(tmp_path: Path, hiding: View) -> None:
    frames = [
        (prediction(angry=0.1, happy=0.8, sad=0.1), View()),
        (prediction(angry=0.1, happy=0.2, sad=0.7), hiding),
        (prediction(angry=0.1, happy=0.8, sad=0.1), hiding),
        (prediction(angry=0.9, happy=0.1, sad=0.0), View()),
    ]
    with ReportSink(tmp_path / "a.html") as sink:
        for index, (mood, view) in enumerate(frames):
            face = Face(Box(20, 10, 60, 50), {"mood": mood}, track=1)
            sink.write(result(index, index / 2, image=shade(index), faces=[face], view=view))
    assert sorted(round(float(picture.mean()) / 20) for picture in pictures_in(tmp_path / "a.html")) == [0, 3]


def test_the_extra_is_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"A report needs the extra “report”"):
        ReportSink(tmp_path / "a.html")
