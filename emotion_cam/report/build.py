"""Reports from a table that an earlier run wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from emotion_cam.errors import SinkError, SourceError
from emotion_cam.files import check_writable, write_file
from emotion_cam.progress import Progress, no_progress
from emotion_cam.report import FORMATS, check_extra, render
from emotion_cam.report.history import History
from emotion_cam.sources.base import Source
from emotion_cam.sources.video import VideoSource
from emotion_cam.tables import read_table
from emotion_cam.types import Frame


def write_reports(
    table: Path,
    outputs: Sequence[Path],
    videos: Sequence[Path] = (),
    *,
    mirrored: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Write reports of a table.

    Args:
        table: a .csv, .jsonl or .parquet file that a run wrote.
        outputs: the files to write; their suffixes are in FORMATS.
        videos: the videos that the table was made from, for thumbnails of the strongest moments.
        mirrored: whether the table is from a run whose frames were flipped left to right.
        progress: see ``Progress``.

    Raises:
        SinkError: an output has another suffix or cannot be written.
        SourceError: the table or a video cannot be read, or a video is not in the table.
        OSError: the table cannot be opened.
        MissingExtraError: the extra “report” is not installed, or for a Parquet table, “parquet”.
    """
    check_extra()
    for path in outputs:
        if path.suffix.lower() not in FORMATS:
            raise SinkError(f"{path} is no report: its name must end in {' or '.join(FORMATS)}.")
        check_writable(path)
    history = History()
    for frame in read_table(table):
        history.add(frame.source, frame.frame, frame.time, frame.faces)
    for video in videos:
        with VideoSource(video) as source, progress(source) as advance:
            if source.name not in history.sources:
                known = ", ".join(list(history.sources)[:3])
                raise SourceError(f"{table} has no frames of {source.name}" + (f", only of {known}." if known else "."))
            history.add_thumbnails(_frames(source, mirrored, advance), source.name)
    for path in outputs:
        write_file(path, render(history, path.suffix.lower()))


def _frames(source: Source, mirrored: bool, advance: Callable[[], None]) -> Iterator[Frame]:
    for frame in source:
        yield frame.mirrored() if mirrored else frame
        advance()
