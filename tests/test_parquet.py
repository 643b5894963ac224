"""Parquet tables: a row for each face and task, the same columns whatever is predicted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotion_cam import Recognizer
from emotion_cam.parquet import COLUMNS, Rows, open_writer, schema
from emotion_cam.result import Result
from emotion_cam.tables import COLUMNS as CSV_COLUMNS
from emotion_cam.types import LANDMARK_COLUMNS, Box, Face, Frame, Image
from tests.builders import FACES, LANDMARKS, prediction, result


def rows_of(*results: Result) -> list[dict[str, object]]:
    rows = Rows()
    for each in results:
        rows.add(each.frame, each.faces)
    found: list[dict[str, object]] = rows.take().to_pylist()
    return found


def test_the_columns_are_those_of_csv_with_lists_in_place_of_a_row_for_each_label() -> None:
    assert [*COLUMNS] == [*(name for name in CSV_COLUMNS if name != "top"), "labels", "scores", *LANDMARK_COLUMNS]


def test_a_face_has_a_row_for_each_task() -> None:
    emotion, gender, plain, nobody = rows_of(result(3, 0.1, faces=FACES), result(4, 1 / 3))
    assert emotion == {
        **{"source": "clip.mp4", "frame": 3, "time": 0.1, "face": 0, "track": 7},
        **{"x1": 10, "y1": 20, "x2": 30, "y2": 44, "task": "emotion", "label": "happy", "score": 0.75},
        **{"labels": ["happy", "sad"], "scores": [0.75, 0.25]},
        **dict.fromkeys(LANDMARK_COLUMNS),
    }
    assert (gender["task"], gender["label"], gender["scores"]) == ("gender", "woman", [0.125, 0.875])
    assert (plain["face"], plain["track"], plain["x1"], plain["task"], plain["scores"]) == (1, None, 50, None, None)
    assert (nobody["frame"], nobody["time"], nobody["face"], nobody["label"]) == (4, 0.333333, None, None)


def test_landmarks_are_the_last_columns() -> None:
    emotion, plain = rows_of(result(faces=[replace(each, landmarks=LANDMARKS) for each in FACES]))[::2]
    for row in (emotion, plain):
        assert [row[name] for name in LANDMARK_COLUMNS] == pytest.approx(LANDMARKS.as_row())
    assert (row["task"], row["scores"]) == (None, None)


def test_an_unsure_prediction_keeps_its_scores() -> None:
    unsure = Face(Box(0, 0, 9, 9), {"gender": replace(prediction(man=0.5, woman=0.5), min_confidence=0.6)})
    (row,) = rows_of(result(faces=[unsure]))
    assert (row["label"], row["score"], row["scores"]) == ("unsure", 0.5, [0.5, 0.5])


def test_every_batch_has_the_same_schema() -> None:
    rows = Rows()
    assert rows.take().schema == schema()
    rows.add(Frame(result().frame.image, 0, 0.0, "name with \udcff"), ())
    assert len(rows) == 1
    batch = rows.take()
    assert batch.schema == schema()
    assert batch["source"].to_pylist() == ["name with \\udcff"]
    assert not len(rows)


def test_a_file_says_what_its_columns_mean(tmp_path: Path, portrait: Image, face: Box) -> None:
    faces = Recognizer()(portrait)
    rows = Rows()
    rows.add(Frame(portrait, 0, 0.0, "portrait.png"), faces)
    with open_writer(tmp_path / "faces.parquet") as writer:
        writer.write_batch(rows.take())
    table = pq.read_table(tmp_path / "faces.parquet")
    emotion, gender = table.to_pylist()
    assert Box(*(emotion[name] for name in ("x1", "y1", "x2", "y2"))).iou(face) > 0.5
    assert (emotion["label"], gender["label"]) == ("happy", "woman")
    assert emotion["score"] == max(emotion["scores"])
    assert len(emotion["labels"]) == len(emotion["scores"]) == 7
    assert table.schema.field("track").metadata[b"description"].startswith(b"the number of the face through the video")
    assert [*json.loads(pq.read_metadata(tmp_path / "faces.parquet").metadata[b"columns"])] == [*COLUMNS]


def test_more_columns_stand_before_the_others() -> None:
    wider = schema({"site": (pa.string(), "where it was filmed")})
    assert wider.names == ["site", *COLUMNS]
