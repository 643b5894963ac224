"""Results as a Parquet table. The format is in emotion_cam.parquet."""

from __future__ import annotations

import contextlib
from pathlib import Path

from emotion_cam.result import Result
from emotion_cam.sinks.base import FileSink, sink_errors


class ParquetSink(FileSink):
    """A Parquet table with a row for each face and task.

    A killed run leaves none of it: a Parquet file can be read only with its end.

    Args:
        path: the file.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        from emotion_cam import parquet

        super().__init__(path)
        self._most_rows = parquet.ROWS
        self._rows = parquet.Rows()
        with sink_errors(self.path):
            self._writer = parquet.open_writer(self._temporary)

    def _add(self, result: Result) -> None:
        self._rows.add(result.frame, result.faces)
        if len(self._rows) >= self._most_rows:
            self._writer.write_batch(self._rows.take())

    def _finish(self) -> None:
        with contextlib.closing(self._writer):
            if len(self._rows):
                self._writer.write_batch(self._rows.take())
