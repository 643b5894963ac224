"""Where results go: window, video, pictures, tables, report, other programs. They differ in their ``Sink`` only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from emotion_cam.annotate.draw import Annotator
from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import FileSink, Sink, partial_of
from emotion_cam.sinks.pictures import FolderSink, ImageSink, with_number
from emotion_cam.sinks.report import ReportSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink, StdoutSink
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sinks.virtual_camera import VirtualCameraSink
from emotion_cam.sinks.window import WindowSink
from emotion_cam.sources import ImageSource, Source, VideoSource

__all__ = [
    "SINKS",
    "STDOUT",
    "CsvSink",
    "FileSink",
    "FolderSink",
    "ImageSink",
    "JsonlSink",
    "ReportSink",
    "Sink",
    "StdoutSink",
    "VideoSink",
    "VirtualCameraSink",
    "WindowSink",
    "check_suffix",
    "open_sink",
    "partial_of",
    "spare",
]

STDOUT = Path("-")
"""The path that stands for standard output."""


def open_sink(path: str | Path, source: Source, annotator: Annotator | None = None) -> Sink:
    """The sink for a path, chosen by its suffix (see ``SINKS``), a folder for pictures, or - for standard output.

    Args:
        path: what to write.
        source: what it comes from.
        annotator: what the results are drawn by; where it hides faces, no sink shows them by other ways.

    Raises:
        SinkError: nothing is written under that suffix, the place cannot be written to, or it is the source itself.
    """
    if Path(path) == STDOUT:
        return StdoutSink()
    is_folder = os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()
    path = Path(path)
    if isinstance(source, ImageSource) and (is_folder or (source.folder and not path.suffix)):
        spare(source.paths, *(path / picture.name for picture in source.paths))
        return FolderSink(path)
    if is_folder:
        raise SinkError(f"{path} is a folder: add the name of a file, which ends in one of {' '.join(SINKS)}.")
    check_suffix(path)
    spare(source.paths, path)
    return SINKS[path.suffix.lower()](path, source, annotator)


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix nothing is written under, with SinkError."""
    if path.suffix.lower() not in SINKS:
        raise SinkError(f"{path} is no output: its name must end in one of {' '.join(SINKS)}.")


def spare(inputs: Iterable[Path], *outputs: Path) -> None:
    """Refuse outputs that are among the files which are read, with SinkError."""

    def identity(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_dev, status.st_ino

    read = {identity(path) for path in inputs if path.exists()}
    for path in outputs:
        if path.exists() and identity(path) in read:
            raise SinkError(f"{path} is what is read: choose another name for the output.")


def _make_video(path: Path, source: Source, _: Annotator | None) -> Sink:
    if isinstance(source, ImageSource):
        raise SinkError(f"{path} is a video, which pictures do not make: use .png, .jpg, or a folder.")
    audio_from = source if isinstance(source, VideoSource) else None
    return VideoSink(path, fps=source.fps, audio_from=audio_from, live=source.live)


def _make_image(path: Path, source: Source, _: Annotator | None) -> Sink:
    numbered = source.frame_count != 1
    if numbered:
        spare(source.paths, *(with_number(path, index) for index in range(len(source.paths))))
    return ImageSink(path, numbered=numbered)


SINKS: dict[str, Callable[[Path, Source, Annotator | None], Sink]] = {
    ".mp4": _make_video,
    ".mkv": _make_video,
    ".png": _make_image,
    ".jpg": _make_image,
    ".jpeg": _make_image,
    ".csv": lambda path, source, annotator: CsvSink(path),
    ".jsonl": lambda path, source, annotator: JsonlSink(path),
    ".html": lambda path, source, annotator: ReportSink(path, annotator),
}
"""What writes a file, by its suffix. A new kind of output is a class above and a line here."""
