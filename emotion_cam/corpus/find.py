"""Finds the videos of a corpus: below folders, by name, and in lists with columns of the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from emotion_cam.errors import SourceError
from emotion_cam.sources.video import VIDEOS

LISTS = (".csv", ".parquet")
"""The suffixes of lists of videos."""

PATH_COLUMNS = ("path", "video", "file")
"""The column of a list with the videos' paths: the first of these that it has."""


@dataclass(frozen=True)
class Video:
    """A video of a corpus.

    Attributes:
        path: its absolute path.
        columns: the other columns of the list that names it.
    """

    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """16 hexadecimal digits, the same for the same path."""
        return xxhash.xxh3_64_hexdigest(os.fsencode(self.path))


def find_videos(places: Sequence[Path], *, without: Path) -> list[Video]:
    """The videos of some places, each once, in the order of the places.

    Args:
        places: a folder, which is searched with all folders below it; a video; or a list of videos, .csv or .parquet.
            Paths in a list are relative to its folder.
        without: a folder that is not searched.

    Raises:
        SourceError: a place does not exist or cannot be read, a list names no videos, or nothing was found.
    """
    skipped = os.path.realpath(without)
    found: dict[str, Video] = {}
    for place in places:
        for path, columns in _found(place, skipped):
            real = os.path.realpath(path)
            if real not in found or columns:
                found[real] = Video(real, columns)
    if not found:
        raise SourceError(f"There is no video below {', '.join(map(str, places))}.")
    return list(found.values())


def _found(place: Path, skipped: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if place.is_dir():
        yield from ((path, {}) for path in _below(os.fspath(place), skipped))
    elif not place.exists():
        raise SourceError(f"There is no file or folder {place}.")
    elif place.suffix.lower() in LISTS:
        yield from _listed(place)
    else:
        yield os.fspath(place), {}


def _below(folder: str, skipped: str) -> Iterator[str]:
    """The videos in a folder and all folders below it, without hidden ones."""
    if os.path.realpath(folder) == skipped:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    for entry in entries:
        if entry.name[0] == ".":
            continue
        if entry.is_dir(follow_symlinks=False):  # a link could lead around in a circle
            yield from _below(entry.path, skipped)
        elif Path(entry.name).suffix.lower() in VIDEOS:
            yield entry.path


def _listed(place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    # Names such as 0012 are text, not numbers.
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(PATH_COLUMNS, pa.string()))
    try:
        if place.suffix.lower() == ".csv":
            table = pyarrow.csv.read_csv(place, convert_options=as_text)
        else:
            table = pyarrow.parquet.read_table(place)
        name = next((name for name in PATH_COLUMNS if name in table.column_names), None)
        rows = table.to_pylist(maps_as_pydicts="strict")
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise SourceError(f"{place} cannot be read as a list of videos: {error}.") from error
    if name is None:
        raise SourceError(f"{place} is no list of videos: it has none of the columns {', '.join(PATH_COLUMNS)}.")
    for row in rows:
        path = row.pop(name)
        if path is None or path == "":
            continue
        if not isinstance(path, str) or "\0" in path:
            raise SourceError(f"{place} is no list of videos: its column {name} has {path!r}, which is no path.")
        yield os.path.join(place.parent, path), row  # noqa: PTH118 - a Path for each would take its time
