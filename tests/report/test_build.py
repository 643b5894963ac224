"""Reports from tables, with and without the videos that the tables were made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emotion_cam.errors import SinkError, SourceError
from emotion_cam.report import render
from emotion_cam.report.build import write_reports
from emotion_cam.report.history import History
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.parquet import ParquetSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink
from emotion_cam.sources.base import Source
from tests.builders import file_names, read_frames, result, write_video
from tests.report.histories import HAPPY, SAD, UNCLEAR, Page, face


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", [index / 10 for index in range(12)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The table of a face in twelve frames of clip.mp4."""
    path = tmp_path / "faces.csv"
    with CsvSink(path) as sink:
        for index in range(12):
            sink.write(result(index, index / 10, faces=[face(*(HAPPY if index < 6 else SAD))]))
    return path


@pytest.mark.parametrize(
    ("name", "make"), [("faces.csv", CsvSink), ("faces.jsonl", JsonlSink), ("faces.parquet", ParquetSink)]
)
def test_a_table_gives_the_report_of_its_run(name: str, make: Callable[[Path], Sink], tmp_path: Path) -> None:
    table, page, run = tmp_path / name, tmp_path / "report.html", History()
    with make(table) as sink:
        for index in range(40):
            faces = [face(*HAPPY, woman=0.75), face(*UNCLEAR, track=2)][: index % 3]
            faces += [face(track=3), face(*SAD, track=None)] if index == 7 else []
            shown = result(index, index / 8, faces=faces, source='a "b", c.mp4')
            sink.write(shown)
            run.add(shown.frame.source, shown.frame.index, shown.frame.time, shown.faces)
    write_reports(table, [page])
    assert page.read_bytes() == render(run, ".html")


@pytest.mark.parametrize("mirrored", [False, True])
def test_thumbnails_come_from_the_video(mirrored: bool, table: Path, video: Path, tmp_path: Path) -> None:
    page, sheet, run, counted = tmp_path / "report.html", tmp_path / "report.PNG", History(), []

    @contextmanager
    def progress(source: Source) -> Iterator[Callable[[], None]]:
        yield lambda: counted.append(source.name)

    write_reports(table, [page, sheet], [video], mirrored=mirrored, progress=progress)
    for frame in read_frames(video):
        image = frame.mirrored().image if mirrored else frame.image
        run.add("clip.mp4", frame.index, frame.index / 10, [face(*(HAPPY if frame.index < 6 else SAD))], image)
    assert page.read_bytes() == render(run, ".html")
    assert sheet.read_bytes() == render(run, ".png")
    assert [kind for kind, _ in Page(page.read_text("utf-8")).images].count("jpeg") == 2
    assert counted == ["clip.mp4"] * 6  # reading ends with the last of the strongest moments


def test_a_video_that_is_not_in_the_table_is_refused(table: Path, video: Path, tmp_path: Path) -> None:
    other = video.rename(tmp_path / "other.mp4")
    with pytest.raises(SourceError, match=r"faces\.csv has no frames of other\.mp4, only of clip\.mp4\."):
        write_reports(table, [tmp_path / "report.html"], [other])
    assert file_names(tmp_path) == ["faces.csv", "other.mp4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.mp4", r"report\.mp4 is no report: its name must end in \.html or \.png\."),
        ("nowhere/report.html", r"report\.html cannot be written: there is no folder .*nowhere\."),
    ],
)
def test_outputs_are_checked_before_the_table_is_read(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=message):
        write_reports(tmp_path / "missing.csv", [tmp_path / name])
