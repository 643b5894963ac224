"""The files of a data set: where they are, their columns, and how they get their names only when they are whole."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emotion_cam.files import drop_temporary, finish_temporary
from emotion_cam.parquet import open_writer, schema

FACES, WORK = "faces", "work"
"""The folders of the data set with the rows of the videos, and with those of stretches until they are joined."""

VIDEO_COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "video": (pa.string(), "the id of the video: 16 hexadecimal digits, the same for the same path"),
    "path": (pa.string(), "the path of the video"),
    "hash": (pa.string(), "a hash of the video's size, start, end and samples: XXH3, 32 hexadecimal digits"),
    "version": (pa.string(), "the version of emotion-cam"),
    "model": (pa.string(), "the start of the SHA-256 of the task's model: 16 hexadecimal digits; null without a task"),
}
"""The columns that stand before those of ``parquet.COLUMNS``."""

SCHEMA = schema(VIDEO_COLUMNS)
"""The schema of all files with rows."""


def faces_path(dataset: Path, video: str) -> Path:
    """The file with the rows of a video. There are 256 folders, because a single one would get too large."""
    return dataset / FACES / video[:2] / f"{video}.parquet"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives the hidden path to write a file under; it gets its name once the context ends without an exception.

    The name is unique among all machines that share the disk, and ends in .part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part")
    try:
        yield hidden
        finish_temporary(hidden, path)
    except BaseException:
        drop_temporary(hidden)
        raise


@contextmanager
def faces_writer(path: Path, constants: Mapping[str, str], models: Mapping[str, str]) -> Iterator[FacesWriter]:
    """Gives a writer of a file with the rows of a video.

    Args:
        path: the file.
        constants: the values of VIDEO_COLUMNS that are the same in all rows.
        models: the value of the column “model” for each task.
    """
    with whole(path) as hidden, open_writer(hidden, SCHEMA) as parquet:
        yield FacesWriter(parquet, constants, models)


class FacesWriter:
    """Writes the rows of a video, and counts them.

    Attributes:
        tally: what was written.
    """

    def __init__(self, parquet: Any, constants: Mapping[str, str], models: Mapping[str, str]) -> None:
        self._parquet = parquet
        self._constants = constants
        self._models = models
        self.tally = Tally()

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows of ``parquet.schema()``; all rows of a frame must be in the same batch."""
        values = {name: pa.repeat(pa.scalar(value, pa.string()), len(batch)) for name, value in self._constants.items()}
        values["model"] = pa.array([self._models.get(task) for task in batch["task"].to_pylist()], pa.string())
        arrays = [values[name] if name in values else batch[name] for name in SCHEMA.names]
        self._parquet.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
        self.tally.add(batch)


class Tally:
    """Counts rows.

    Attributes:
        rows, frames, frames_with_face: how many.
        labels: for each task, how many rows have each label.
    """

    def __init__(self) -> None:
        self.rows = self.frames = self.frames_with_face = 0
        self.labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tracks: set[int] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch; all rows of a frame must be in the same batch."""
        self.rows += len(batch)
        self.frames += pc.count_distinct(batch["frame"]).as_py()
        self.frames_with_face += pc.count_distinct(batch["frame"].filter(pc.is_valid(batch["face"]))).as_py()
        self._tracks.update(pc.unique(batch["track"].drop_null()).to_pylist())
        pairs = pa.Table.from_batches([batch]).group_by(["task", "label"]).aggregate([([], "count_all")])
        for task, label, count in zip(
            *(pairs[name].to_pylist() for name in ("task", "label", "count_all")), strict=True
        ):
            if task is not None:
                self.labels[task][label] += count

    @property
    def tracks(self) -> int:
        """How many different faces there are."""
        return len(self._tracks)
