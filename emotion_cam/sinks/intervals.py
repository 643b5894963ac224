"""The labels of faces as intervals of time, for programs that annotate videos, such as ELAN."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path

from emotion_cam.result import Result
from emotion_cam.sinks.changes import SHORTEST, Change, LabelChanges
from emotion_cam.sinks.tables import TextSink

COLUMNS = ("tier", "begin", "end", "duration", "label", "track", "task")
"""The columns of the table. A tier is a line of ELAN's timeline: a face and a task. Times are in seconds."""


class IntervalSink(TextSink):
    """A table, separated by tabs, with a row for each interval in which a face had one label of a task.

    Intervals of a tier never overlap. While a face is away, it has none. A label or an absence of less than SHORTEST is
    no interval: the one before lasts on. Rows are in the order in which the intervals end.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._table = csv.writer(self._file, "excel-tab", lineterminator="\n")
        self._table.writerow(COLUMNS)
        self._changes = LabelChanges(SHORTEST)
        self._open: dict[tuple[int, str], Change] = {}  # the intervals that have not ended, by track and task

    def _add(self, result: Result) -> None:
        self._follow(self._changes.add(result.frame.time, result.faces))

    def _finish(self) -> None:
        with contextlib.closing(self._file):
            self._follow(self._changes.finish())

    def _follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            key = change.track, change.task
            ended = self._open.pop(key, None)
            if ended is not None:
                self._write_interval(ended, change.time)
            if change.label is not None:
                self._open[key] = change

    def _write_interval(self, start: Change, end: float) -> None:
        tier = f"face {start.track} {start.task}"
        times = (f"{seconds:.3f}" for seconds in (start.time, end, end - start.time))
        self._table.writerow((tier, *times, start.label, start.track, start.task))
