"""Tables read back: what CsvSink and JsonlSink wrote, frame by frame."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emotion_cam.errors import SourceError
from emotion_cam.types import Box, Face, Prediction


class Seen(NamedTuple):
    """One frame of a table: where and when it was, and its faces."""

    source: str
    frame: int
    time: float
    faces: tuple[Face, ...]


def read_table(path: Path) -> Iterator[Seen]:
    """The frames of a table, .csv or .jsonl, in its order.

    Raises:
        SourceError: it is no such table, or while iterating: a line of it is not as it should be.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise SourceError(f"{path} is no table: its name must end in one of {' '.join(readers)}.")
    return readers[path.suffix.lower()](path)


def _read_csv(path: Path) -> Iterator[Seen]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        try:
            for (source, index, time), group in groupby(rows, key=itemgetter("source", "frame", "time")):
                faces = groupby((row for row in group if row["face"]), key=itemgetter("face"))
                yield Seen(source, int(index), float(time), tuple(_face(list(lines)) for _, lines in faces))
        except KeyError as error:
            raise SourceError(f"{path} is no table of faces: it has no column “{error.args[0]}”.") from error
        except (ValueError, TypeError, csv.Error) as error:
            raise SourceError(f"{path} cannot be understood at line {rows.line_num}: {error}.") from error


def _face(rows: list[dict[str, str]]) -> Face:
    first = rows[0]
    predictions = {}
    for task, group in groupby((row for row in rows if row["task"]), key=itemgetter("task")):
        lines = list(group)
        scores = [float(line["score"]) for line in lines]
        predictions[task] = _prediction(
            [line["label"] for line in lines], scores, any(int(line["top"]) for line in lines)
        )
    # Other programs that hold missing numbers write whole ones as 1.0.
    track = int(float(first["track"])) if first["track"] else None
    return Face(Box(*(int(float(first[side])) for side in ("x1", "y1", "x2", "y2"))), predictions, track)


def _read_jsonl(path: Path) -> Iterator[Seen]:
    with path.open(encoding="utf-8", errors="replace") as file:
        number = 0
        try:
            for number, line in enumerate(file, start=1):  # noqa: B007 - what goes wrong tells it
                frame = json.loads(line)
                faces = tuple(_plain_face(face) for face in frame["faces"])
                yield Seen(str(frame["source"]), int(frame["frame"]), float(frame["time"]), faces)
        except KeyError as error:
            raise SourceError(f"{path} is no table of faces: line {number} has no “{error.args[0]}”.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise SourceError(f"{path} cannot be understood at line {number}: {error}.") from error


def _plain_face(face: dict[str, Any]) -> Face:
    predictions = {
        task: _prediction(list(told["scores"]), list(told["scores"].values()), told["label"] in told["scores"])
        for task, told in face["predictions"].items()
    }
    return Face(Box(*map(int, face["box"])), predictions, face["track"])


def _prediction(labels: list[str], scores: list[float], sure: bool) -> Prediction:
    return Prediction(tuple(labels), np.array(scores, np.float32), 0.0 if sure else math.inf)
