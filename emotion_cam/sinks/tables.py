"""What was seen as data: CSV and JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotion_cam.sinks.base import FileSink, telling
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
        frame = result.frame
        line = {
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
        with telling(self.path):
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._empty = False


def _plain(prediction: Prediction) -> dict[str, Any]:
    scores = (round(float(score), 6) for score in prediction.scores)
    return {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "scores": dict(zip(prediction.labels, scores, strict=True)),
    }
