"""Intervals of labels in a table."""

from __future__ import annotations

import csv
from pathlib import Path

from emotion_cam.sinks.intervals import IntervalSink
from emotion_cam.types import Box, Face
from tests.builders import prediction, result


def face(label: str, track: int) -> Face:
    scores = {each: 0.8 if each == label else 0.1 for each in ("happy", "sad", "so\tso")}
    return Face(Box(0, 0, 9, 9), {"mood": prediction(**scores), "gender": prediction(man=0.2, woman=0.8)}, track)


def write(path: Path, *frames: list[Face]) -> Path:
    with IntervalSink(path) as sink:
        for index, faces in enumerate(frames):
            sink.write(result(index, index / 10, faces=faces))
    assert sink.output == path
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def test_a_row_for_each_face_task_and_label(tmp_path: Path) -> None:
    one, two = face("happy", 1), face("sad", 1)
    frames = [[one]] * 5 + [[two, face("happy", 2)]] * 5 + [[]] * 5 + [[two]] * 5
    assert write(tmp_path / "a.elan.tsv", *frames).read_text() == (
        "tier\tbegin\tend\tduration\tlabel\ttrack\ttask\n"
        "face 1 mood\t0.000\t0.500\t0.500\thappy\t1\tmood\n"
        "face 1 mood\t0.500\t1.000\t0.500\tsad\t1\tmood\n"
        "face 1 gender\t0.000\t1.000\t1.000\twoman\t1\tgender\n"
        "face 2 mood\t0.500\t1.000\t0.500\thappy\t2\tmood\n"
        "face 2 gender\t0.500\t1.000\t0.500\twoman\t2\tgender\n"
        "face 1 mood\t1.500\t2.000\t0.500\tsad\t1\tmood\n"
        "face 1 gender\t1.500\t2.000\t0.500\twoman\t1\tgender\n"
    )


def test_a_moment_is_no_interval(tmp_path: Path) -> None:
    frames = [[face("happy", 1)]] * 6
    frames[2], frames[4] = [face("sad", 1)], []
    found = rows(write(tmp_path / "a.elan.tsv", *frames))
    assert [(row["tier"], row["begin"], row["end"]) for row in found] == [
        ("face 1 mood", "0.000", "0.600"),
        ("face 1 gender", "0.000", "0.600"),
    ]


def test_a_row_is_written_when_its_interval_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.elan.tsv"
    with IntervalSink(path) as sink:
        for index in range(2000):
            sink.write(result(index, index, faces=[face("happy" if index % 2 else "sad", 1)]))
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.stat().st_size > 50_000


def test_a_label_with_a_tab_is_quoted(tmp_path: Path) -> None:
    first, _ = rows(write(tmp_path / "a.elan.tsv", *[[face("so\tso", 1)]] * 5))
    assert first["label"] == "so\tso"
