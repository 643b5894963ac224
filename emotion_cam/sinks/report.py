"""A report of the whole run, written at its end."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.report import check_extra, render
from emotion_cam.report.history import History
from emotion_cam.result import Result
from emotion_cam.sinks.base import FileSink


class ReportSink(FileSink):
    """A page about when each face was in view, what it showed, and its strongest moments; see emotion_cam.report.

    Pictures of the strongest moments are cut from the frames whose view shows faces, and from no others.

    Args:
        path: ends in .html.

    Raises:
        MissingExtraError: the extra “report” is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        check_extra()
        super().__init__(path)
        self._history = History()

    def _add(self, result: Result) -> None:
        frame = result.frame
        image = frame.image if result.view.shows_faces else None
        self._history.add(frame.source, frame.index, frame.time, result.faces, image)

    def _finish(self) -> None:
        if not self._empty:
            self._temporary.write_bytes(render(self._history, self.path.suffix.lower()))
