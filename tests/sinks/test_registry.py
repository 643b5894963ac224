"""open_sink: which sink a path gets, and which paths are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion_cam.errors import SinkError
from emotion_cam.sinks import open_sink
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.intervals import IntervalSink
from emotion_cam.sinks.parquet import ParquetSink
from emotion_cam.sinks.pictures import FolderSink, ImageSink
from emotion_cam.sinks.report import ReportSink
from emotion_cam.sinks.subtitles import SubtitleSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink, StdoutSink
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.sources.video import VideoSource
from tests.builders import file_names, result


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", VideoSink),
        ("a.MKV", VideoSink),
        ("a.png", ImageSink),
        ("a.jpg", ImageSink),
        ("a.jpeg", ImageSink),
        ("a.csv", CsvSink),
        ("a.jsonl", JsonlSink),
        ("a.parquet", ParquetSink),
        ("a.vtt", SubtitleSink),
        ("a.srt", SubtitleSink),
        ("a.elan.tsv", IntervalSink),
        ("a.b.ELAN.tsv", IntervalSink),
        ("a.b.csv", CsvSink),
        ("a.html", ReportSink),
        ("-", StdoutSink),
    ],
)
def test_the_suffix_decides(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[Sink]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoSource(clip) as source, open_sink(name, source) as sink:
        assert type(sink) is kind


def test_a_picture_goes_into_a_picture_and_a_video_into_many(clip: Path, photos: Path, tmp_path: Path) -> None:
    for source in (ImageSource(photos / "b.png"), VideoSource(clip)):
        with source, open_sink(tmp_path / "out.png", source) as sink:
            sink.write(result())
    assert file_names(tmp_path) == ["out-000000.png", "out.png", "photos"]


@pytest.mark.parametrize("out", ["new", "new.d/", "existing.d"])
def test_a_folder_of_pictures_goes_into_a_folder(photos: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "existing.d").mkdir()
    with open_sink(f"{tmp_path}/{out}", ImageSource(photos)) as sink:
        assert isinstance(sink, FolderSink)
    assert (tmp_path / out).is_dir()


def test_a_single_picture_goes_into_a_folder_if_the_path_ends_in_a_slash(photos: Path, tmp_path: Path) -> None:
    with open_sink(f"{tmp_path}/new/", ImageSource(photos / "b.png")) as sink:
        assert isinstance(sink, FolderSink)


SUFFIXES = ".mp4 .mkv .png .jpg .jpeg .csv .jsonl .parquet .vtt .srt .elan.tsv .html"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("faces.xyz", f"{{}} cannot be an output: its name must end in one of {SUFFIXES}."),
        ("faces.tsv", f"{{}} cannot be an output: its name must end in one of {SUFFIXES}."),
        ("faces", f"{{}} cannot be an output: its name must end in one of {SUFFIXES}."),
        ("photos", f"{{}} is a folder: add the name of a file that ends in one of {SUFFIXES}."),
        ("missing/faces.csv", "{} cannot be written: there is no folder {}/missing."),
    ],
)
def test_an_output_that_cannot_be_written(clip: Path, photos: Path, tmp_path: Path, out: str, message: str) -> None:
    with VideoSource(clip) as source, pytest.raises(SinkError) as error:
        open_sink(tmp_path / out, source)
    assert str(error.value) == message.format(tmp_path / out, tmp_path)


def test_pictures_do_not_become_a_video(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SinkError, match=r"out\.mp4 is a video, but the input is pictures: use \.png, \.jpg or a folder"
    ):
        open_sink(tmp_path / "out.mp4", ImageSource(photos))


@pytest.mark.parametrize("name", ["a.vtt", "a.srt", "a.elan.tsv"])
def test_pictures_have_no_changes_over_time(photos: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(
        SinkError, match=r" is for changes over time, but the input is pictures: use \.csv or \.jsonl\.$"
    ):
        open_sink(tmp_path / name, ImageSource(photos))
    assert file_names(tmp_path) == ["photos"]


def test_the_source_is_never_overwritten(clip: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "same").symlink_to(photos)
    photo = ImageSource(photos / "b.png")
    folder = ImageSource(photos)
    with VideoSource(clip) as video:
        attempts: list[tuple[Source, Path | str]] = [
            (video, clip),
            (video, tmp_path / "link.mp4"),
            (photo, photos / "b.png"),
            (photo, photos),
            (folder, photos),
            (folder, tmp_path / "same"),
            (folder, photos / "b.png"),
            (folder, photos / "a.png"),  # its first picture would be a-000000.png
        ]
        for source, out in attempts:
            with pytest.raises(SinkError, match=r" is an input: choose another name for the output\.$"):
                open_sink(out, source)
    assert file_names(photos) == ["a-000000.png", "b.png"]
