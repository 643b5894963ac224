"""The labels of faces as subtitles, which players show on the video."""

from __future__ import annotations

import contextlib
import html
import itertools
from collections.abc import Sequence
from pathlib import Path

from emotion_cam.result import Result
from emotion_cam.sinks.changes import Change, LabelChanges
from emotion_cam.sinks.tables import TextSink

SHORTEST_CUE = 0.5
"""Seconds that a subtitle lasts at least, so that people can read it, unless the last face leaves."""


class SubtitleSink(TextSink):
    """Subtitles, WebVTT or SubRip: a cue from one change of the labels to the next, and none while nobody is in view.

    A cue of several faces has a line for each, with its number. A label or face that is there for less than
    SHORTEST_CUE is left out, and so is a task that the view hides. Where changes follow each other faster than that,
    one cue shows all of them.

    Source: WebVTT, W3C Candidate Recommendation, 2019. SubRip has no standard.

    Args:
        path: ends in .vtt or .srt.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._is_vtt = self.path.suffix.lower() == ".vtt"
        self._changes = LabelChanges(SHORTEST_CUE)
        self._labels: dict[int, dict[str, str]] = {}  # of each track, by task
        self._hidden: tuple[str, ...] = ()
        self._start = 0.0
        self._count = 0
        if self._is_vtt:
            self._file.write("WEBVTT\n\n")

    def _add(self, result: Result) -> None:
        self._hidden = result.view.hide
        self._follow(self._changes.add(result.frame.time, result.faces))

    def _finish(self) -> None:
        with contextlib.closing(self._file):
            self._follow(self._changes.finish())

    def _follow(self, changes: Sequence[Change]) -> None:
        for time, together in itertools.groupby(changes, key=lambda change: change.time):
            before = self._text()
            for change in together:
                self._apply(change)
            after = self._text()
            follows_at_once = bool(before and after) and time - self._start < SHORTEST_CUE
            if after != before and not follows_at_once:
                self._write_cue(time, before)
                self._start = time

    def _apply(self, change: Change) -> None:
        labels = self._labels.setdefault(change.track, {})
        if change.label is None:
            labels.pop(change.task, None)
        else:
            labels[change.task] = change.label
        if not labels:
            del self._labels[change.track]

    def _text(self) -> str:
        """The lines of a cue with the labels as they are now."""
        lines = {}
        for track, labels in sorted(self._labels.items()):
            shown = [label for task, label in labels.items() if task not in self._hidden]
            if shown:
                lines[track] = " ".join(", ".join(shown).split())
        if len(lines) == 1:
            return next(iter(lines.values()))
        return "\n".join(f"Face {track}: {line}" for track, line in lines.items())

    def _write_cue(self, end: float, text: str) -> None:
        if not text:
            return
        self._count += 1
        if self._is_vtt:
            number, text, mark = "", html.escape(text, quote=False), "."
        else:
            number, mark = f"{self._count}\n", ","
        self._file.write(f"{number}{_clock(self._start, mark)} --> {_clock(end, mark)}\n{text}\n\n")


def _clock(seconds: float, mark: str) -> str:
    """A time as subtitles have it, as in 01:02:03.456, with this decimal mark."""
    minutes, milliseconds = divmod(round(max(0.0, seconds) * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"
