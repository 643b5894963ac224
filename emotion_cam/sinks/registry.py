"""Which sink writes a path: chosen by its suffix, after a check that no input is overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.intervals import IntervalSink
from emotion_cam.sinks.parquet import ParquetSink
from emotion_cam.sinks.pictures import FolderSink, ImageSink, with_number
from emotion_cam.sinks.report import ReportSink
from emotion_cam.sinks.spec import STDOUT
from emotion_cam.sinks.subtitles import SubtitleSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink, StdoutSink
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.sources.video import VideoSource


def open_sink(path: str | Path, source: Source, *, landmarks: bool = False) -> Sink:
    """What ``emotion_cam.sinks.open_sink`` does; here are the sinks that it opens."""
    if Path(path) == STDOUT:
        return StdoutSink()
    is_folder = os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()
    path = Path(path)
    if isinstance(source, ImageSource) and (is_folder or (source.folder and not path.suffix)):
        refuse_inputs(source.paths, *(path / picture.name for picture in source.paths))
        return FolderSink(path)
    if is_folder:
        raise SinkError(f"{path} is a folder: add the name of a file that ends in one of {' '.join(SINKS)}.")
    suffix = check_suffix(path)
    refuse_inputs(source.paths, path)
    return SINKS[suffix](path, source, landmarks)


def check_suffix(path: Path) -> str:
    """The suffix that chooses the output for a path, as SINKS has it. Raises SinkError if no output has it."""
    for suffix in ("".join(path.suffixes[-2:]).lower(), path.suffix.lower()):
        if suffix in SINKS:
            return suffix
    raise SinkError(f"{path} cannot be an output: its name must end in one of {' '.join(SINKS)}.")


def refuse_inputs(inputs: Iterable[Path], *outputs: Path) -> None:
    """Raise SinkError if one of the outputs is the same file as one of the inputs."""

    def identity(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_dev, status.st_ino

    read = {identity(path) for path in inputs if path.exists()}
    for path in outputs:
        if path.exists() and identity(path) in read:
            raise SinkError(f"{path} is an input: choose another name for the output.")


def _make_video(path: Path, source: Source, landmarks: bool) -> Sink:
    if isinstance(source, ImageSource):
        raise SinkError(f"{path} is a video, but the input is pictures: use .png, .jpg or a folder.")
    audio_from = source if isinstance(source, VideoSource) else None
    return VideoSink(path, fps=source.fps, audio_from=audio_from, live=source.live)


def _make_image(path: Path, source: Source, landmarks: bool) -> Sink:
    numbered = source.frame_count != 1
    if numbered:
        refuse_inputs(source.paths, *(with_number(path, index) for index in range(len(source.paths))))
    return ImageSink(path, numbered=numbered)


def _over_time(make: Callable[[Path], Sink]) -> Callable[[Path, Source, bool], Sink]:
    """What makes a sink for changes over time, of which pictures have none."""

    def make_over_time(path: Path, source: Source, landmarks: bool) -> Sink:
        if isinstance(source, ImageSource):
            raise SinkError(f"{path} is for changes over time, but the input is pictures: use .csv or .jsonl.")
        return make(path)

    return make_over_time


SINKS: dict[str, Callable[[Path, Source, bool], Sink]] = {
    ".mp4": _make_video,
    ".mkv": _make_video,
    ".png": _make_image,
    ".jpg": _make_image,
    ".jpeg": _make_image,
    ".csv": lambda path, source, landmarks: CsvSink(path, landmarks=landmarks),
    ".jsonl": lambda path, source, landmarks: JsonlSink(path),
    ".parquet": lambda path, source, landmarks: ParquetSink(path),
    ".vtt": _over_time(SubtitleSink),
    ".srt": _over_time(SubtitleSink),
    ".elan.tsv": _over_time(IntervalSink),
    ".html": lambda path, source, landmarks: ReportSink(path),
}
"""What makes the sink for a file, by its suffix, from its path, the source, and whether the detector finds landmarks. A
new kind of output is a class and a line here."""
