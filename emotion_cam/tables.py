"""The format of tables in one place: faces as rows of CSV, and tables read back frame by frame.

A CSV table has a row for each face, task and label; ``top`` marks the most likely label, unless the network is unsure.
A frame without faces has a row without a face, and a face without predictions has a row without a task. JSON Lines has
one object for each frame, the one of ``Result.as_dict``. Where the detector finds landmarks, a CSV table has columns
for them, and JSON Lines has them too.

Tables that are read come from anywhere. So every line is checked where it comes in: the types below say what may stand
in it, and nothing else passes.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from emotion_cam.checks import reason_of
from emotion_cam.errors import SourceError
from emotion_cam.types import LANDMARK_COLUMNS, Box, Face, Frame, Landmarks, Prediction

COLUMNS = tuple("source frame time face track x1 y1 x2 y2 task label score top".split())  # noqa: SIM905 - legible
"""The columns of a CSV table."""


def columns_of(*, landmarks: bool) -> tuple[str, ...]:
    """The columns of a CSV table.

    Args:
        landmarks: whether the detector finds landmarks; LANDMARK_COLUMNS then follow.
    """
    return (*COLUMNS, *LANDMARK_COLUMNS) if landmarks else COLUMNS


def rows_of(frame: Frame, faces: Sequence[Face], *, landmarks: bool = False) -> Iterator[tuple[object, ...]]:
    """The rows of a frame in a CSV table; each has a value for each of ``columns_of``, "" where there is none."""
    start = frame.source, frame.index, round(frame.time, 6)
    if not faces:
        yield _filled(start, len(columns_of(landmarks=landmarks)))
    for number, face in enumerate(faces):
        values = face.landmarks.as_row() if landmarks and face.landmarks else ()
        for row in _short_rows(face, (*start, number)):
            yield _filled((*_filled(row, len(COLUMNS)), *values), len(columns_of(landmarks=landmarks)))


def _short_rows(face: Face, start: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    """The rows of a face without the empty values at their ends."""
    located = *start, "" if face.track is None else face.track, *face.box.xyxy
    if not face.predictions:
        yield located
    for task, prediction in face.predictions.items():
        for label, score in zip(prediction.labels, prediction.scores, strict=True):
            yield *located, task, label, f"{score:.6f}", int(label == prediction.label)


def _filled(row: tuple[object, ...], length: int) -> tuple[object, ...]:
    return (*row, *[""] * (length - len(row)))


Index: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]
"""The number of a frame."""

Seconds: TypeAlias = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""A time; 1e9 seconds are 31 years."""

Pixels: TypeAlias = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Coordinate: TypeAlias = Annotated[float, Meta(ge=-1e6, le=1e6)]
Track: TypeAlias = Annotated[int, Meta(ge=-(10**9), le=10**9)]
Score: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Text: TypeAlias = Annotated[str, Meta(max_length=4096)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]

MOST_LABELS = 1000
"""The most labels of a task, as of a model."""


class _Prediction(msgspec.Struct):
    """A task of a face in JSON Lines."""

    label: Name
    scores: Annotated[dict[Name, Score], Meta(min_length=1, max_length=MOST_LABELS)]


class _Landmarks(msgspec.Struct):
    """The landmarks of a face in JSON Lines."""

    right_eye: tuple[Coordinate, Coordinate]
    left_eye: tuple[Coordinate, Coordinate]
    nose: tuple[Coordinate, Coordinate]
    right_mouth: tuple[Coordinate, Coordinate]
    left_mouth: tuple[Coordinate, Coordinate]


class _Face(msgspec.Struct):
    """A face in JSON Lines."""

    box: tuple[Pixels, Pixels, Pixels, Pixels]
    predictions: dict[Name, _Prediction]
    track: Track | None
    landmarks: _Landmarks | None = None


class _Frame(msgspec.Struct):
    """A line of JSON Lines."""

    source: Text
    frame: Index
    time: Seconds
    faces: list[_Face]


class _FrameRow(msgspec.Struct):
    """The columns of CSV that every row has."""

    source: Text
    frame: Index
    time: Seconds


class _FaceRow(msgspec.Struct):
    """The columns of a row of CSV that has a face. An empty track is none."""

    x1: Pixels
    y1: Pixels
    x2: Pixels
    y2: Pixels
    track: Track | None = None


class _LandmarkRow(msgspec.Struct):
    """The columns of a row that has landmarks."""

    right_eye_x: Coordinate
    right_eye_y: Coordinate
    left_eye_x: Coordinate
    left_eye_y: Coordinate
    nose_x: Coordinate
    nose_y: Coordinate
    right_mouth_x: Coordinate
    right_mouth_y: Coordinate
    left_mouth_x: Coordinate
    left_mouth_y: Coordinate


_POINTS = _LandmarkRow.__struct_fields__


class _ScoreRow(msgspec.Struct):
    """The columns of a row of CSV that has a score."""

    task: Name
    label: Name
    score: Score
    top: Annotated[int, Meta(ge=0, le=1)]


_T = TypeVar("_T", bound=msgspec.Struct)


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
    """The frames of a table, .csv, .jsonl or .parquet, in its order.

    Raises:
        SourceError: it is not such a table, or while iterating: one of its lines cannot be understood.
        OSError: it cannot be read.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise SourceError(f"{path} is no table: its name must end in one of {' '.join(readers)}.")
    return readers[path.suffix.lower()](path)


def _read_csv(path: Path) -> Iterator[TableFrame]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        try:
            for _, group in groupby(rows, key=itemgetter("source", "frame", "time")):
                first = next(group)
                frame = _converted(first, _FrameRow)
                with_face = (row for row in itertools.chain([first], group) if row["face"])
                by_face = groupby(with_face, key=itemgetter("face"))
                faces = tuple(_face_from_rows(face_rows) for _, face_rows in by_face)
                yield TableFrame(frame.source, frame.frame, frame.time, faces)
        except KeyError as error:
            raise SourceError(f"{path} is no table of faces: it has no column “{error.args[0]}”.") from error
        except (msgspec.ValidationError, csv.Error) as error:
            raise SourceError(f"{path} cannot be understood at line {rows.line_num}: {reason_of(error)}.") from error


def _face_from_rows(rows: Iterable[dict[str, Any]]) -> Face:
    rows = iter(rows)
    first = next(rows)
    place = _converted(first, _FaceRow)
    predictions: dict[str, list[_ScoreRow]] = {}
    for row in itertools.chain([first], rows):
        if row["task"]:
            score = _converted(row, _ScoreRow)
            predictions.setdefault(score.task, []).append(score)
    return Face(
        Box(place.x1, place.y1, place.x2, place.y2),
        {task: _prediction_from_rows(task, scores) for task, scores in predictions.items()},
        place.track,
        _landmarks_from_row(first),
    )


def _landmarks_from_row(row: dict[str, Any]) -> Landmarks | None:
    return _landmarks(_converted(row, _LandmarkRow)) if row.get(_POINTS[0]) else None


def _landmarks(row: _LandmarkRow) -> Landmarks:
    values = msgspec.structs.astuple(row)
    return Landmarks(*zip(values[::2], values[1::2], strict=True))


def _prediction_from_rows(task: str, rows: Sequence[_ScoreRow]) -> Prediction:
    scores = {row.label: row.score for row in rows}
    if len(scores) < len(rows) or len(rows) > MOST_LABELS:
        raise msgspec.ValidationError(f"Expected at most {MOST_LABELS} different labels of “{task}” for a face")
    return _prediction(scores, is_sure=any(row.top for row in rows))


def _converted(row: dict[str, Any], kind: type[_T]) -> _T:
    """Some columns of a row, whose values are texts, as numbers and texts. A short row lacks the last ones."""
    columns = {name: row[name] for name in kind.__struct_fields__ if row[name] is not None}
    if columns.get("track") == "":
        del columns["track"]
    return msgspec.convert(columns, kind, strict=False)


def _read_jsonl(path: Path) -> Iterator[TableFrame]:
    decoder = msgspec.json.Decoder(_Frame)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                frame = decoder.decode(line.decode("utf-8", errors="replace"))
            except RecursionError as error:
                raise SourceError(f"{path} cannot be understood at line {number}: it is nested too deeply.") from error
            except msgspec.DecodeError as error:
                reason = reason_of(error)
                raise SourceError(f"{path} cannot be understood at line {number}: {reason}.") from error
            yield TableFrame(frame.source, frame.frame, frame.time, tuple(map(_face_from_line, frame.faces)))


def _face_from_line(face: _Face) -> Face:
    predictions = {
        task: _prediction(each.scores, is_sure=each.label in each.scores) for task, each in face.predictions.items()
    }
    landmarks = None if face.landmarks is None else Landmarks(*msgspec.structs.astuple(face.landmarks))
    return Face(Box(*face.box), predictions, face.track, landmarks)


class _ParquetRow(msgspec.Struct):
    """A row of a Parquet table: a frame, with a face or without, and with a prediction or without."""

    source: Text
    frame: Index
    time: Seconds
    face: int | None
    track: Track | None
    x1: Pixels | None
    y1: Pixels | None
    x2: Pixels | None
    y2: Pixels | None
    task: Name | None
    label: Name | None
    labels: Annotated[list[Name], Meta(max_length=MOST_LABELS)] | None
    scores: list[Score] | None
    landmarks: _LandmarkRow | None

    def __post_init__(self) -> None:
        if self.face is not None and self.box is None:
            raise ValueError("Expected a box for a face")
        if self.task is not None and not (0 < len(self.by_label) == len(self.labels or ()) == len(self.scores or ())):
            raise ValueError(f"Expected a score for each of different labels of “{self.task}”")

    @property
    def box(self) -> Box | None:
        sides = [side for side in (self.x1, self.y1, self.x2, self.y2) if side is not None]
        return Box(*sides) if len(sides) == 4 else None

    @property
    def by_label(self) -> dict[str, float]:
        return dict(zip(self.labels or (), self.scores or (), strict=False))


def _read_parquet(path: Path) -> Iterator[TableFrame]:
    for (source, index, time), rows in groupby(_parquet_rows(path), key=lambda row: (row.source, row.frame, row.time)):
        by_face = groupby((row for row in rows if row.face is not None), key=lambda row: row.face)
        yield TableFrame(source, index, time, tuple(_face_from_parquet(list(group)) for _, group in by_face))


def _parquet_rows(path: Path) -> Iterator[_ParquetRow]:
    from emotion_cam.parquet import read_rows

    number = 0
    try:
        for row in read_rows(path, [name for name in _ParquetRow.__struct_fields__ if name != "landmarks"], _POINTS):
            number += 1
            known = row.get(_POINTS[0]) is not None
            points = {name: row.get(name) for name in _POINTS}
            yield msgspec.convert(row | {"landmarks": points if known else None}, _ParquetRow)
    except msgspec.ValidationError as error:
        raise SourceError(f"{path} cannot be understood at row {number}: {reason_of(error)}.") from error


def _face_from_parquet(rows: Sequence[_ParquetRow]) -> Face:
    first = rows[0]
    assert first.box is not None
    predictions = {
        row.task: _prediction(row.by_label, is_sure=row.label in row.by_label) for row in rows if row.task is not None
    }
    landmarks = None if first.landmarks is None else _landmarks(first.landmarks)
    return Face(first.box, predictions, first.track, landmarks)


def _prediction(scores: dict[str, float], *, is_sure: bool) -> Prediction:
    return Prediction(tuple(scores), np.array([*scores.values()], np.float32), 0.0 if is_sure else math.inf)
