"""A data set is read back, and summed up."""

from __future__ import annotations

from pathlib import Path

import polars
import pyarrow as pa
import pytest

from emotion_cam import read
from emotion_cam.corpus.manifest import Entry
from emotion_cam.corpus.page import LONGEST, page
from emotion_cam.errors import DatasetError
from tests.command import emotion_cam

COLUMNS = ["path", "frame", "task", "label", "site"]


@pytest.fixture
def dataset(inline: None, clips: Path) -> Path:
    Path("list.csv").write_text("path,site\nclips/a.mp4,north\nclips/broken.mp4,west\n", encoding="utf-8")
    emotion_cam("corpus", "clips", "list.csv", "--out", "data")
    return Path("data")


def test_rows_come_with_the_columns_of_the_list_in_three_kinds_of_tables(dataset: Path) -> None:
    table = read(dataset, to="arrow", columns=COLUMNS)
    assert isinstance(table, pa.Table)
    assert table.column_names == COLUMNS
    assert len(table) == 2 * 4 * 2
    sites = {Path(row["path"]).name: row["site"] for row in table.to_pylist()}
    assert sites == {"a.mp4": "north", "b.mp4": None}
    frame = read(dataset, to="polars", columns=COLUMNS)
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == table.to_pylist()
    frame = read(dataset)
    assert {*COLUMNS, "video", "hash", "model", "scores"} <= {*frame.columns}
    assert (frame[frame.task == "emotion"].label == "happy").all()
    assert read(dataset, to="arrow").schema.field("track").metadata[b"description"]


def test_unfinished_files_are_not_read(dataset: Path) -> None:
    (dataset / "faces" / "ab").mkdir()
    (dataset / "faces" / "ab" / ".abc.0.part").write_bytes(b"half")
    assert len(read(dataset, columns=["frame"])) == 16


def test_a_single_file_is_read(dataset: Path) -> None:
    path = next((dataset / "faces").glob("*/*.parquet"))
    assert len(read(path, columns=["frame", "task"])) == 8


def test_what_is_wrong_is_named(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no data set"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="has no column “mood”; it has video, path"):
        read(dataset, columns=["mood"])
    with pytest.raises(ValueError, match="`to` must be one of pandas, polars, arrow, not 'R'"):
        read(dataset, to="R")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"broken\.parquet cannot be read"):
        read(tmp_path / "broken.parquet")


def test_the_page_shows_hours_shares_and_failures(dataset: Path) -> None:
    shown = (dataset / "report.html").read_text(encoding="utf-8")
    assert "<dt>Videos</dt><dd>2</dd>" in shown
    assert "<dt>Faces (tracks)</dt><dd>2</dd>" in shown
    assert "happy 100.0%" in shown
    assert "broken.mp4 cannot be opened as a video" in shown
    assert "http" not in shown


def test_the_page_stays_short_and_names_are_only_names() -> None:
    entries = [
        Entry(str(number), f"/<b>{number:05}", 1, 1, "h", "s", "done" if number % 2 else "failed")
        for number in range(2 * LONGEST + 20)
    ]
    shown = page(entries)
    assert "<b>" not in shown
    assert shown.count("And 10 more: see videos.csv.") == 2
