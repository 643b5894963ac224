"""What was seen as data: CSV and JSON Lines, in files and on standard output."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import FileSink, Sink, telling
from emotion_cam.types import Prediction, Result


class _TextSink(FileSink):
    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        with telling(self.path):
            # A file's name may hold bytes that are no text.
            self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace", newline="")

    def _finish(self) -> None:
        self._file.close()


class CsvSink(_TextSink):
    """A row for each face, task and label; ``top`` marks the most likely label, if it is likely enough.

    A frame without faces has a row without a face, and a face without predictions a row without a task.
    """

    COLUMNS = tuple("source frame time face track x1 y1 x2 y2 task label score top".split())  # noqa: SIM905 - legible

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(self.COLUMNS)

    def write(self, result: Result) -> None:
        with telling(self.path):
            for row in self._rows_of(result):
                self._rows.writerow((*row, *[""] * (len(self.COLUMNS) - len(row))))
        self._empty = False

    @staticmethod
    def _rows_of(result: Result) -> Iterator[tuple[object, ...]]:
        frame = result.frame
        which = frame.source, frame.index, round(frame.time, 6)
        if not result.faces:
            yield which
        for number, face in enumerate(result.faces):
            box = face.box
            where = *which, number, "" if face.track is None else face.track, box.x1, box.y1, box.x2, box.y2
            if not face.predictions:
                yield where
            for task, prediction in face.predictions.items():
                for label, score in zip(prediction.labels, prediction.scores, strict=True):
                    yield *where, task, label, f"{score:.6f}", int(label == prediction.label)


class JsonlSink(_TextSink):
    """A JSON object on a line for each frame, with every face and every score."""

    def write(self, result: Result) -> None:
        with telling(self.path):
            self._file.write(_line(result))
        self._empty = False


class StdoutSink(Sink):
    """JSON Lines, as JsonlSink writes them, on standard output; every line is there as soon as its frame is done.

    Raises:
        SinkError: there is none, or while writing: it takes no more.
        BrokenPipeError: while writing: the program that read it has gone, as ``head`` does, and the run may end.
    """

    def __init__(self) -> None:
        if sys.stdout is None:
            raise SinkError("There is no standard output here; use --out to write a file instead.")

    def write(self, result: Result) -> None:
        try:
            sys.stdout.buffer.write(_line(result).encode(errors="backslashreplace"))
            sys.stdout.buffer.flush()
        except OSError as error:
            _let_go_of_stdout()
            if isinstance(error, BrokenPipeError):
                raise
            raise SinkError(f"Standard output cannot be written: {error.strerror}.") from error


def _let_go_of_stdout() -> None:
    """What could not be written goes nowhere, or Python would try again at its end, and complain."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _line(result: Result) -> str:
    frame = result.frame
    written = {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.time, 6),
        "faces": [
            {
                "face": number,
                "track": face.track,
                "box": [face.box.x1, face.box.y1, face.box.x2, face.box.y2],
                "predictions": {task: _plain(prediction) for task, prediction in face.predictions.items()},
            }
            for number, face in enumerate(result.faces)
        ],
    }
    return json.dumps(written, ensure_ascii=False) + "\n"


def _plain(prediction: Prediction) -> dict[str, Any]:
    scores = (round(float(score), 6) for score in prediction.scores)
    return {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "scores": dict(zip(prediction.labels, scores, strict=True)),
    }
