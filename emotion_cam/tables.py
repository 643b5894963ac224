"""The format of tables in one place: faces as rows of CSV, and tables read back frame by frame.

A CSV table has a row for each face, task and label; ``top`` marks the most likely label, unless the network is unsure.
A frame without faces has a row without a face, and a face without predictions has a row without a task. JSON Lines has
one object for each frame, the one of ``Result.as_dict``.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emotion_cam.errors import SourceError
from emotion_cam.types import Box, Face, Frame, Prediction

COLUMNS = tuple("source frame time face track x1 y1 x2 y2 task label score top".split())  # noqa: SIM905 - legible
"""The columns of a CSV table."""


def rows_of(frame: Frame, faces: Sequence[Face]) -> Iterator[tuple[object, ...]]:
    """The rows of a frame in a CSV table; each has a value for each of COLUMNS, "" where there is none."""
    for row in _short_rows(frame, faces):
        yield (*row, *[""] * (len(COLUMNS) - len(row)))


def _short_rows(frame: Frame, faces: Sequence[Face]) -> Iterator[tuple[object, ...]]:
    """The rows without the empty values at their ends."""
    start = frame.source, frame.index, round(frame.time, 6)
    if not faces:
        yield start
    for number, face in enumerate(faces):
        located = *start, number, "" if face.track is None else face.track, *face.box.xyxy
        if not face.predictions:
            yield located
        for task, prediction in face.predictions.items():
            for label, score in zip(prediction.labels, prediction.scores, strict=True):
                yield *located, task, label, f"{score:.6f}", int(label == prediction.label)


class TableFrame(NamedTuple):
    """One frame of a table.

    Attributes:
        source: the name of its source.
        frame: its number in the source.
        time: seconds since the start of the source.
        faces: the faces in it.
    """

    source: str
    frame: int
    time: float
    faces: tuple[Face, ...]


def read_table(path: Path) -> Iterator[TableFrame]:
    """The frames of a table, .csv or .jsonl, in its order.

    Raises:
        SourceError: it is not such a table, or while iterating: one of its lines cannot be understood.
        OSError: it cannot be read.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise SourceError(f"{path} is no table: its name must end in one of {' '.join(readers)}.")
    return readers[path.suffix.lower()](path)


def _read_csv(path: Path) -> Iterator[TableFrame]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        try:
            for (source, index, time), group in groupby(rows, key=itemgetter("source", "frame", "time")):
                by_face = groupby((row for row in group if row["face"]), key=itemgetter("face"))
                faces = tuple(_face_from_rows(list(face_rows)) for _, face_rows in by_face)
                yield TableFrame(source, int(index), float(time), faces)
        except KeyError as error:
            raise SourceError(f"{path} is no table of faces: it has no column “{error.args[0]}”.") from error
        except (ValueError, TypeError, csv.Error) as error:
            raise SourceError(f"{path} cannot be understood at line {rows.line_num}: {error}.") from error


def _face_from_rows(rows: list[dict[str, str]]) -> Face:
    first = rows[0]
    predictions = {}
    for task, group in groupby((row for row in rows if row["task"]), key=itemgetter("task")):
        lines = list(group)
        scores = [float(line["score"]) for line in lines]
        is_sure = any(int(line["top"]) for line in lines)
        predictions[task] = _prediction([line["label"] for line in lines], scores, is_sure)
    # Programs in which a column has missing numbers write its whole numbers as 1.0.
    track = int(float(first["track"])) if first["track"] else None
    return Face(Box(*(int(float(first[side])) for side in ("x1", "y1", "x2", "y2"))), predictions, track)


def _read_jsonl(path: Path) -> Iterator[TableFrame]:
    with path.open(encoding="utf-8", errors="replace") as file:
        number = 0
        try:
            for number, line in enumerate(file, start=1):  # noqa: B007 - the error messages name it
                frame = json.loads(line)
                faces = tuple(_face_from_dict(face) for face in frame["faces"])
                yield TableFrame(str(frame["source"]), int(frame["frame"]), float(frame["time"]), faces)
        except KeyError as error:
            raise SourceError(f"{path} is no table of faces: line {number} has no “{error.args[0]}”.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise SourceError(f"{path} cannot be understood at line {number}: {error}.") from error


def _face_from_dict(face: dict[str, Any]) -> Face:
    predictions = {
        task: _prediction(list(entry["scores"]), list(entry["scores"].values()), entry["label"] in entry["scores"])
        for task, entry in face["predictions"].items()
    }
    return Face(Box(*map(int, face["box"])), predictions, face["track"])


def _prediction(labels: list[str], scores: list[float], is_sure: bool) -> Prediction:
    return Prediction(tuple(labels), np.array(scores, np.float32), 0.0 if is_sure else math.inf)
