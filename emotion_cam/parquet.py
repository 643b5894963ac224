"""The format of Parquet tables in one place: a row for each face of a frame and each of its tasks.

The columns have the names of the CSV table (``tables.COLUMNS``). Where CSV has a row for each label, a row has two
lists here: ``labels`` and ``scores``. As in CSV, a frame without faces has a row without a face, and a face without
predictions has a row without a task. The types are the same for all models, so that such files form one data set.

Needs the extra “parquet”.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotion_cam.errors import MissingExtraError, SourceError
from emotion_cam.types import LANDMARK_COLUMNS, Face, Frame
from emotion_cam.version import __version__

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError("Parquet", "parquet") from error

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "source": (pa.string(), "the name of the file or camera"),
    "frame": (pa.int64(), "the number of the frame, from 0"),
    "time": (pa.float64(), "seconds since the start of the source"),
    "face": (pa.int32(), "the number of the face in this frame, from 0; null in the one row of a frame without faces"),
    "track": (pa.int32(), "the number of the face through the video, from 1; null for pictures"),
    "x1": (pa.int32(), "the left edge of the face's box, in pixels"),
    "y1": (pa.int32(), "the upper edge of the face's box, in pixels"),
    "x2": (pa.int32(), "the right edge of the face's box, in pixels, just outside of it"),
    "y2": (pa.int32(), "the lower edge of the face's box, in pixels, just outside of it"),
    "task": (pa.string(), "what is predicted: emotion, gender, or a task of your own; null without a prediction"),
    "label": (pa.string(), "the label with the highest score, or “unsure” if that score is too low"),
    "score": (pa.float32(), "the highest score of the task's labels: softmax, 0 to 1"),
    "labels": (pa.list_(pa.string()), "all labels of the task"),
    "scores": (pa.list_(pa.float32()), "the score of each of the labels: softmax, 0 to 1, in the order of “labels”"),
    "roll": (pa.float32(), "by how many degrees the head is turned in the picture, clockwise as seen; null if unknown"),
    **{
        name: (pa.float32(), f"the {name[:-2].replace('_', ' ')}, the person's own, in pixels; null if unknown")
        for name in LANDMARK_COLUMNS[1:]
    },
}
"""The type and the meaning of each column."""

ROWS = 100_000
"""The rows after which a batch should be written: about 20 MB."""


def schema(more: Mapping[str, tuple[pa.DataType, str]] | None = None) -> pa.Schema:
    """The schema of a table. The columns' meaning stands in its metadata: as ``description`` of each field, and for
    programs that show only the metadata of a file, as one JSON object under ``columns``.

    Args:
        more: columns that stand before the others: the type and the meaning of each.
    """
    columns = {**(more or {}), **COLUMNS}
    fields = [pa.field(name, kind, metadata={"description": meaning}) for name, (kind, meaning) in columns.items()]
    meanings = json.dumps({name: meaning for name, (_, meaning) in columns.items()}, ensure_ascii=False)
    return pa.schema(fields, metadata={"columns": meanings, "creator": f"emotion-cam {__version__}"})


class Rows:
    """Collects the rows of results and turns them into record batches.

    >>> from emotion_cam import Frame, Recognizer
    >>> rows = Rows()
    >>> rows.add(Frame(image, index=0, time=0.0), Recognizer()(image))
    >>> rows.take().schema == schema()
    True
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}

    def __len__(self) -> int:
        """How many rows wait to be taken."""
        return len(self._columns["frame"])

    def add(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Add the rows of a frame."""
        # The name of a source file may contain bytes that are not text.
        source = frame.source.encode(errors="backslashreplace").decode()
        start = source, frame.index, round(frame.time, 6)
        if not faces:
            self._append(*start)
        for number, face in enumerate(faces):
            located = *start, number, face.track, *face.box.xyxy
            values = face.landmarks.as_row() if face.landmarks else ()
            if not face.predictions:
                self._append(*located, *[None] * 5, *values)
            for task, each in face.predictions.items():
                self._append(*located, task, each.label, each.score, each.labels, each.scores, *values)

    def take(self) -> pa.RecordBatch:
        """A record batch of ``schema()`` with the rows that were added since the last one."""
        arrays = [
            pa.array(values, kind) for values, (kind, _) in zip(self._columns.values(), COLUMNS.values(), strict=True)
        ]
        self._columns = {name: [] for name in COLUMNS}
        return pa.RecordBatch.from_arrays(arrays, schema=schema())

    def _append(self, *values: object) -> None:
        padded = (*values, *[None] * (len(COLUMNS) - len(values)))
        for column, value in zip(self._columns.values(), padded, strict=True):
            column.append(value)


def open_writer(path: Path, of: pa.Schema | None = None) -> pq.ParquetWriter:
    """A writer of a Parquet file, compressed with zstd: ``write_batch`` takes record batches, ``close`` completes it.

    Args:
        path: the file.
        of: the schema of the batches; by default ``schema()``.

    Raises:
        OSError: it cannot be written.
    """
    return pq.ParquetWriter(path, schema() if of is None else of, compression="zstd", version="2.6")


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, with these of its columns, and with those of the optional ones that it has.

    Raises:
        SourceError: while iterating: it is no Parquet file, is damaged, or lacks one of the columns.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            table = pq.ParquetFile(file)
            missing = [name for name in columns if name not in table.schema_arrow.names]
            if missing:
                raise SourceError(f"{path} is no table of faces: it has no column “{missing[0]}”.")
            found = [name for name in optional if name in table.schema_arrow.names]
            for batch in table.iter_batches(columns=[*columns, *found]):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} is no Parquet file, or is damaged.") from error
