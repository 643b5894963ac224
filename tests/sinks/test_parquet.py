"""ParquetSink: what becomes of a run. The columns are tested in tests/test_parquet.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emotion_cam import parquet
from emotion_cam.errors import MissingExtraError
from emotion_cam.sinks.parquet import ParquetSink
from tests.builders import FACES, file_names, result


def test_all_rows_are_written_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS", 10)
    path = tmp_path / "a.parquet"
    with ParquetSink(path) as sink:
        for index in range(8):
            sink.write(result(index, index / 10, faces=FACES if index % 2 else ()))
    assert sink.output == path
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [12, 4]
    rows = file.read().to_pylist()
    assert [row["frame"] for row in rows] == [0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7, 7, 7]
    assert [row["label"] for row in rows[:4]] == [None, "happy", "woman", None]


def test_after_an_error_the_table_is_a_partial_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oops"), ParquetSink(tmp_path / "a.parquet") as sink:
        sink.write(result(faces=FACES))
        raise ValueError("oops")
    assert file_names(tmp_path) == ["a.partial.parquet"]
    assert pq.read_table(tmp_path / "a.partial.parquet").num_rows == 3


def test_without_results_there_is_no_file(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "a.parquet"):
        pass
    assert file_names(tmp_path) == []


def test_the_extra_is_checked_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "emotion_cam.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delattr("emotion_cam.parquet")
    with pytest.raises(MissingExtraError, match=r"pip install 'emotion-cam\[parquet\]'"):
        ParquetSink(tmp_path / "a.parquet")
    assert file_names(tmp_path) == []
