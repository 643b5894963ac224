"""The sinks for tables, in files and on standard output."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.tables import CsvSink, JsonlSink, StdoutSink
from emotion_cam.types import Box, Face, Prediction
from tests.builders import FACES, LANDMARKS, result


def test_csv_has_a_row_for_each_face_task_and_label(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "faces.csv") as sink:
        sink.write(result(3, 0.1000000004, faces=FACES))
        sink.write(result(4, 1 / 3, source="é, 1.png"))
    assert (tmp_path / "faces.csv").read_bytes().decode() == (
        "source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,emotion,happy,0.750000,1\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,emotion,sad,0.250000,0\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,gender,man,0.125000,0\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,gender,woman,0.875000,1\n"
        "clip.mp4,3,0.1,1,,50,60,70,84,,,,\n"
        '"é, 1.png",4,0.333333,,,,,,,,,,\n'
    )


def test_no_label_is_marked_as_top_if_the_network_is_unsure(tmp_path: Path) -> None:
    unsure = Face(Box(0, 0, 9, 9), {"gender": Prediction(("man", "woman"), np.array([0.45, 0.55], np.float32), 0.6)})
    with CsvSink(tmp_path / "faces.csv") as table, JsonlSink(tmp_path / "faces.jsonl") as lines:
        for sink in (table, lines):
            sink.write(result(faces=(unsure,)))
    assert [row.split(",")[-1] for row in (tmp_path / "faces.csv").read_text().splitlines()[1:]] == ["0", "0"]
    entry = json.loads((tmp_path / "faces.jsonl").read_text())["faces"][0]["predictions"]["gender"]
    assert (entry["label"], entry["score"]) == ("unsure", 0.55)


def test_jsonl_has_an_object_for_each_frame(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "faces.jsonl") as sink:
        sink.write(result(3, 0.1000000004, faces=FACES))
        sink.write(result(4, 1 / 3, source="é.png"))
    lines = (tmp_path / "faces.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:2]] == [
        {
            "source": "clip.mp4",
            "frame": 3,
            "time": 0.1,
            "faces": [
                {
                    "face": 0,
                    "track": 7,
                    "box": [10, 20, 30, 44],
                    "predictions": {
                        "emotion": {"label": "happy", "score": 0.75, "scores": {"happy": 0.75, "sad": 0.25}},
                        "gender": {"label": "woman", "score": 0.875, "scores": {"man": 0.125, "woman": 0.875}},
                    },
                },
                {"face": 1, "track": None, "box": [50, 60, 70, 84], "predictions": {}},
            ],
        },
        {"source": "é.png", "frame": 4, "time": 0.333333, "faces": []},
    ]
    assert lines[2:] == [""]
    assert "é" in lines[1]


def test_csv_has_columns_for_landmarks_where_the_detector_finds_them(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "faces.csv", landmarks=True) as sink:
        sink.write(result(faces=[replace(FACES[1], landmarks=LANDMARKS), FACES[1]]))
        sink.write(result(1))
    assert (tmp_path / "faces.csv").read_text("utf-8") == (
        "source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top,roll,right_eye_x,right_eye_y,"
        "left_eye_x,left_eye_y,nose_x,nose_y,right_mouth_x,right_mouth_y,left_mouth_x,left_mouth_y\n"
        "clip.mp4,0,0.0,0,,50,60,70,84,,,,,-8.2,15.2,30.0,24.0,28.8,20.0,34.0,17.0,39.5,24.0,38.0\n"
        "clip.mp4,0,0.0,1,,50,60,70,84,,,,,,,,,,,,,,,\n"
        "clip.mp4,1,0.0,,,,,,,,,,,,,,,,,,,,,\n"
    )


def test_json_lines_have_landmarks_where_a_face_has_some(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "faces.jsonl") as sink:
        sink.write(result(faces=[replace(FACES[1], landmarks=LANDMARKS), FACES[1]]))
    with_landmarks, without = json.loads((tmp_path / "faces.jsonl").read_text("utf-8"))["faces"]
    assert with_landmarks["roll"] == -8.2
    assert with_landmarks["landmarks"] == {
        "right_eye": [15.2, 30.0],
        "left_eye": [24.0, 28.8],
        "nose": [20.0, 34.0],
        "right_mouth": [17.0, 39.5],
        "left_mouth": [24.0, 38.0],
    }
    assert list(without) == ["face", "track", "box", "predictions"]


@pytest.mark.parametrize("make", [CsvSink, JsonlSink])
def test_a_source_name_with_bytes_that_are_not_text(tmp_path: Path, make: Callable[[Path], Sink]) -> None:
    with make(tmp_path / "faces") as sink:
        sink.write(result(source=os.fsdecode(b"\xff.png")))
    assert "\\udcff.png" in (tmp_path / "faces").read_text("utf-8")


def test_a_table_needs_no_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("emotion_cam.result.annotate", fail)
    with CsvSink(tmp_path / "a.csv") as table, JsonlSink(tmp_path / "a.jsonl") as lines:
        for sink in (table, lines):
            sink.write(result(faces=FACES))


@pytest.mark.skipif(not hasattr(select, "poll"), reason="needs pipes that can be polled")
def test_standard_output_has_every_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout, os.fdopen(reading, "rb", buffering=0) as pipe:
        monkeypatch.setattr("sys.stdout", stdout)
        with StdoutSink() as sink:
            for index in range(3):
                sink.write(result(index, source=os.fsdecode(b"\xff.png")))
                assert select.select([pipe], [], [], 0)[0], "nothing was written"
                line = pipe.read(1000)
                assert line.endswith(b"\n")
                assert json.loads(line)["frame"] == index
        assert sink.output is None


def test_there_may_be_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as under pythonw
    with pytest.raises(SinkError, match="no standard output here; use `out`"):
        StdoutSink()
