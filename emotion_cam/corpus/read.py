"""Reads a data set, or a single Parquet table, as pandas, Polars or Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_cam.checks import AnyPath
from emotion_cam.corpus.manifest import NAME
from emotion_cam.errors import DatasetError, EmotionCamError, MissingExtraError

_TO = ("pandas", "polars", "arrow")


def read(place: AnyPath, to: str = "pandas", *, columns: Sequence[str] | None = None) -> Any:
    """Read what ``emotion-cam corpus`` or ``--out faces.parquet`` wrote: a row for each face of a frame and each task.

    >>> from emotion_cam import Recognizer, open_sink, open_source, read, run
    >>> follower = Recognizer().follow()
    >>> with open_source(video="clip.mp4") as source, open_sink("faces.parquet", source) as table:
    ...     run(source, lambda frame: follower(frame.image, frame.time), [table])
    >>> faces = read("faces.parquet", columns=["frame", "task", "label"])
    >>> faces[faces.task == "emotion"].label.unique().tolist()
    ['happy']

    Args:
        place: the folder of a data set, or a .parquet file.
        to: "pandas", "polars" or "arrow": a ``pandas.DataFrame``, a ``polars.DataFrame``, or a ``pyarrow.Table``.
        columns: the columns to read; by default all. Of a data set, those of the user's own list are among them.

    Raises:
        DatasetError: there is no data set, it cannot be read, or it has no such column.
        MissingExtraError: pyarrow is not installed.
        EmotionCamError: pandas or Polars is not installed.
        ValueError: ``to`` is none of the three.
    """
    if to not in _TO:
        raise ValueError(f"`to` must be one of {', '.join(_TO)}, not {to!r}.")
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("Reading a data set", "parquet") from error
    try:
        table = _table(Path(place), columns)
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"{place} cannot be read: {error}.") from error
    if to == "arrow":
        return table
    try:
        if to == "polars":
            import polars

            return polars.from_arrow(table)
        return table.to_pandas()
    except ImportError as error:
        raise EmotionCamError(f"Reading to {to} needs it: pip install {to}") from error


def _table(place: Path, columns: Sequence[str] | None) -> Any:
    import pyarrow.dataset
    import pyarrow.parquet as pq

    if place.is_file():
        return pq.read_table(place, columns=_checked(place, columns, pq.read_schema(place).names))
    if not (place / NAME).exists():
        raise DatasetError(f"{place} is no data set: it has no {NAME}.")
    from emotion_cam.corpus.faces import FACES, SCHEMA
    from emotion_cam.corpus.summary import COLUMNS, TABLE

    # Only .parquet: files whose names begin with a dot are not whole yet.
    rows = pyarrow.dataset.dataset(place / FACES, schema=SCHEMA, format="parquet", exclude_invalid_files=False)
    videos = pq.read_table(place / TABLE)
    own = [
        field.name
        for field in videos.schema
        if field.name not in COLUMNS and (field.metadata or {}).get(b"origin") == b"list"
    ]
    wanted = _checked(place, columns, [*SCHEMA.names, *own])
    if wanted is None:
        wanted = [*SCHEMA.names, *own]
    table = rows.to_table(columns=list(dict.fromkeys(["video", *(name for name in wanted if name in SCHEMA.names)])))
    joined = [name for name in own if name in wanted]
    if joined:
        place_of = {video: index for index, video in enumerate(videos["video"].to_pylist())}
        indices = pyarrow.array([place_of[video] for video in table["video"].to_pylist()])
        for name in joined:
            table = table.append_column(videos.schema.field(name), videos[name].combine_chunks().take(indices))
    return table.select(wanted)


def _checked(place: Path, columns: Sequence[str] | None, known: Sequence[str]) -> list[str] | None:
    if columns is None:
        return None
    for name in columns:
        if name not in known:
            raise DatasetError(f"{place} has no column “{name}”; it has {', '.join(known)}.")
    return list(columns)
