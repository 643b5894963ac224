"""Tables: what the sinks write is read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.tables import CsvSink, JsonlSink
from emotion_cam.tables import COLUMNS, TableFrame, read_table, rows_of
from emotion_cam.types import UNSURE, Box, Face, Prediction
from tests.builders import FACES, result

UNSURE_FACE = Face(
    Box(-5, 0, 9, 9), {"gender": Prediction(("man", "woman"), np.array([0.45, 0.55], np.float32), 0.6)}, track=2
)


def as_comparable(face: Face) -> tuple[object, ...]:
    """A face without its arrays, which cannot be compared with ==."""
    predictions = {
        task: (each.label, each.labels, [round(float(score), 6) for score in each.scores])
        for task, each in face.predictions.items()
    }
    return face.box, face.track, predictions


def test_every_row_has_a_value_for_every_column() -> None:
    rows = [row for each in (result(faces=FACES), result()) for row in rows_of(each.frame, each.faces)]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(COLUMNS)}


@pytest.mark.parametrize(("name", "make"), [("faces.csv", CsvSink), ("faces.jsonl", JsonlSink)])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, make: type[CsvSink] | type[JsonlSink]) -> None:
    written = [
        result(3, 0.1, faces=FACES),
        result(4, 1 / 3, source='a "b", é.png'),
        result(5, 0.5, faces=[UNSURE_FACE, Face(Box(0, 0, 4, 4), track=3)]),
    ]
    sink: Sink
    with make(tmp_path / name) as sink:
        for each in written:
            sink.write(each)
    frames = list(read_table(tmp_path / name))
    assert [(frame.source, frame.frame, frame.time) for frame in frames] == [
        ("clip.mp4", 3, 0.1),
        ('a "b", é.png', 4, 0.333333),
        ("clip.mp4", 5, 0.5),
    ]
    for frame, each in zip(frames, written, strict=True):
        assert [as_comparable(face) for face in frame.faces] == [as_comparable(face) for face in each.faces]
    assert frames[2].faces[0].predictions["gender"].label == UNSURE


def test_a_table_that_went_through_pandas_can_be_read(tmp_path: Path) -> None:
    rows = ["source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top"]
    rows += ["a.mp4,0,0.0,0.0,1.0,1.0,2.0,3.0,4.0,mood,happy,0.9,1", "a.mp4,1,0.5,,,,,,,,,,"]
    (tmp_path / "a.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    first, second = read_table(tmp_path / "a.csv")
    assert (first.faces[0].box, first.faces[0].track) == (Box(1, 2, 3, 4), 1)
    assert first.faces[0].predictions["mood"].label == "happy"
    assert second == TableFrame("a.mp4", 1, 0.5, ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "frame,time\n1,2\n", r"a\.csv is no table of faces: it has no column “source”\."),
        ("a.csv", "source,frame,time,face\na,zero,1,\n", r"a\.csv cannot be understood at line 2: .*'zero'\."),
        ("a.jsonl", "{}\n", r"a\.jsonl is no table of faces: line 1 has no “faces”\."),
        ("a.jsonl", "[]\n", r"a\.jsonl cannot be understood at line 1: "),
        ("a.jsonl", json.dumps({"faces": [1]}), r"a\.jsonl cannot be understood at line 1: "),
        ("a.txt", "", r"a\.txt is no table: its name must end in one of \.csv \.jsonl\."),
    ],
)
def test_the_error_for_a_file_that_is_not_a_table(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        list(read_table(tmp_path / name))
