"""What the tests of reports share: faces, histories, and pages read back."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html.parser import HTMLParser

import numpy as np

from emotion_cam.report import render
from emotion_cam.report.history import History
from emotion_cam.types import Box, Face, Image, Prediction

MOODS = ("angry", "happy", "sad")
BOX = Box(20, 10, 60, 50)

ANGRY, HAPPY, SAD, UNCLEAR = (0.9, 0.05, 0.05), (0.1, 0.8, 0.1), (0.0, 0.25, 0.75), (0.4, 0.3, 0.3)
"""Scores of MOODS; with UNCLEAR a prediction is unsure."""


def face(
    *scores: float, track: int | None = 1, woman: float | None = None, box: Box = BOX, min_confidence: float = 0.5
) -> Face:
    """A face with these scores of MOODS, and with a gender if the score of "woman" is given."""
    predictions = {"mood": Prediction(MOODS, np.array(scores, np.float32), min_confidence)} if scores else {}
    if woman is not None:
        gender = np.array([1 - woman, woman], np.float32)
        predictions["gender"] = Prediction(("man", "woman"), gender, min_confidence)
    return Face(box, predictions, track)


def shade(index: int) -> Image:
    """A picture whose brightness shows its index."""
    return np.full((60, 80, 3), 20 * index % 256, np.uint8)


def history(*frames: tuple[float, Sequence[Face]], source: str = "clip.mp4", images: bool = False) -> History:
    """The history of a source from the times and faces of its frames."""
    seen = History()
    for index, (time, faces) in enumerate(frames):
        seen.add(source, index, time, faces, shade(index) if images else None)
    return seen


HOSTILE = '<script>alert(1)</script> & "$\\frac$" é 表情.mp4'


def two_faces() -> History:
    """Three seconds with two faces, in a file whose name is hard to show."""
    frames = [(index / 10, [face(*HAPPY, woman=0.9), face(*SAD, track=2, woman=0.2)]) for index in range(30)]
    return history(*frames, source=HOSTILE, images=True)


class Page(HTMLParser):
    """A page read back.

    Attributes:
        text: what it shows as text.
        tags: the names of its tags.
        images: the type and content of each picture it holds.
        addresses: whatever else it refers to.
    """

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.images, self.addresses = "", set[str](), list[tuple[str, bytes]](), list[str]()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data"):
                kind, comma, data = (value or "").partition(";base64,")
                if comma and kind.startswith("data:image/"):
                    self.images.append((kind.removeprefix("data:image/"), base64.b64decode(data)))
                else:
                    self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces between all words."""
        return " ".join(self.text.split())


def page(seen: History) -> Page:
    return Page(render(seen, ".html").decode())
