"""Results as data: CSV and JSON Lines, in files and on standard output. The format is in emotion_cam.tables."""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from emotion_cam.errors import SinkError
from emotion_cam.result import Result
from emotion_cam.sinks.base import FileSink, Sink, sink_errors
from emotion_cam.tables import columns_of, rows_of


class TextSink(FileSink):
    """A file of text in UTF-8.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        with sink_errors(self.path):
            # The name of a source file may contain bytes that are not text.
            self._file = self._temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="")

    def _finish(self) -> None:
        self._file.close()


class CsvSink(TextSink):
    """A CSV table with a row for each face, task and label.

    Args:
        path: the file.
        landmarks: whether it has columns for landmarks.
    """

    def __init__(self, path: str | Path, *, landmarks: bool = False) -> None:
        super().__init__(path)
        self._landmarks = landmarks
        self._table = csv.writer(_Lines(self._file), lineterminator="\r\n")
        self._table.writerow(columns_of(landmarks=landmarks))

    def _add(self, result: Result) -> None:
        self._table.writerows(rows_of(result.frame, result.faces, landmarks=self._landmarks))


class _Lines:
    """Ends the lines of a csv.writer with a line feed alone.

    The name of a file may contain a carriage return, which readers take for the end of a line unless it is in quotes.
    The writer quotes it only if its own lines end with one.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line[:-2] + "\n")


class JsonlSink(TextSink):
    """JSON Lines: an object for each frame, with every face and every score."""

    def _add(self, result: Result) -> None:
        self._file.write(_json_line(result))


def _json_line(result: Result) -> str:
    return json.dumps(result.as_dict(), ensure_ascii=False) + "\n"


class StdoutSink(Sink):
    """JSON Lines on standard output, as JsonlSink writes them; each line is written as soon as its frame is ready.

    Raises:
        SinkError: there is no standard output, or while writing: it fails.
        BrokenPipeError: while writing: the program that reads it has ended, as ``head`` does, so the run may end.
    """

    def __init__(self) -> None:
        if sys.stdout is None:
            raise SinkError("There is no standard output here; use `out` with the name of a file instead.")

    def write(self, result: Result) -> None:
        try:
            sys.stdout.buffer.write(_json_line(result).encode(errors="backslashreplace"))
            sys.stdout.buffer.flush()
        except OSError as error:
            _discard_stdout()
            if isinstance(error, BrokenPipeError):
                raise
            raise SinkError(f"Standard output cannot be written: {error.strerror}.") from error


def _discard_stdout() -> None:
    """Send standard output nowhere: otherwise Python retries the unwritten rest when it exits, and complains."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
