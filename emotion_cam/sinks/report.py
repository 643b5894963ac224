"""A report of the whole run, written at its end."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.annotate.draw import Annotator
from emotion_cam.report import History, check_extra, render
from emotion_cam.sinks.base import FileSink
from emotion_cam.types import Result


class ReportSink(FileSink):
    """A page on who was in view when, what each face showed, and its strongest moments; see emotion_cam.report.

    Args:
        path: ends in .html.
        annotator: while it hides faces, no pictures of the strongest moments are cut out of the frames.

    Raises:
        MissingExtraError: what it needs is not installed.
    """

    def __init__(self, path: str | Path, annotator: Annotator | None = None) -> None:
        check_extra()
        super().__init__(path)
        self._history = History()
        self._annotator = annotator

    def write(self, result: Result) -> None:
        frame = result.frame
        image = frame.image if self._annotator is None or self._annotator.shows_faces else None
        self._history.add(frame.source, frame.index, frame.time, result.faces, image)
        self._empty = False

    def _finish(self) -> None:
        if not self._empty:
            self._part.write_bytes(render(self._history, self.path.suffix.lower()))
