"""Tables: what the sinks write is read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_cam.errors import SourceError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.parquet import ParquetSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink
from emotion_cam.tables import COLUMNS, TableFrame, columns_of, read_table, rows_of
from emotion_cam.types import LANDMARK_COLUMNS, UNSURE, Box, Face, Landmarks, Prediction
from tests.builders import FACES, LANDMARKS, result

every_table = pytest.mark.parametrize(
    ("name", "make"), [("faces.csv", CsvSink), ("faces.jsonl", JsonlSink), ("faces.parquet", ParquetSink)]
)

NAMES = ["a\rb.mp4", "\r", "a\r\nb.mp4", "a\nb.mp4", 'a "b", é.png', "a,b", "a\tb", " a "]

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


@pytest.mark.parametrize("landmarks", [False, True])
def test_every_row_has_a_value_for_every_column(landmarks: bool) -> None:
    results = result(faces=[FACES[0], replace(FACES[1], landmarks=LANDMARKS)]), result()
    rows = [row for each in results for row in rows_of(each.frame, each.faces, landmarks=landmarks)]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(columns_of(landmarks=landmarks))}


@pytest.mark.parametrize(
    ("name", "make"),
    [("faces.csv", partial(CsvSink, landmarks=True)), ("faces.jsonl", JsonlSink), ("faces.parquet", ParquetSink)],
)
def test_landmarks_are_read_back(tmp_path: Path, name: str, make: Callable[[Path], Sink]) -> None:
    with make(tmp_path / name) as sink:
        sink.write(result(faces=[replace(FACES[0], landmarks=LANDMARKS), replace(FACES[1], landmarks=LANDMARKS)]))
        sink.write(result(1, faces=FACES))
    first, second = read_table(tmp_path / name)
    expected = Landmarks((15.2, 30.0), (24.0, 28.8), (20.0, 34.0), (17.0, 39.5), (24.0, 38.0))
    for face in first.faces:
        assert face.landmarks is not None
        assert np.array(face.landmarks) == pytest.approx(np.array(expected))
    assert first.faces[0].predictions["emotion"].label == "happy"
    assert [face.landmarks for face in second.faces] == [None, None]


@every_table
def test_what_is_written_is_read_back(tmp_path: Path, name: str, make: Callable[[Path], Sink]) -> None:
    written = [
        result(3, 0.1, faces=FACES),
        result(4, 1 / 3, source='a "b", é.png'),
        result(5, 0.5, faces=[UNSURE_FACE, Face(Box(0, 0, 4, 4), track=3)]),
    ]
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


@pytest.mark.parametrize("source", NAMES)
@every_table
def test_any_name_of_a_source_is_read_back(
    tmp_path: Path, name: str, make: Callable[[Path], Sink], source: str
) -> None:
    with make(tmp_path / name) as sink:
        for index in range(2):
            sink.write(result(index, faces=FACES, source=source))
    assert [(frame.source, len(frame.faces)) for frame in read_table(tmp_path / name)] == [(source, 2)] * 2
    if name == "faces.csv":
        assert pandas.read_csv(tmp_path / name).source.tolist() == [source] * 10


def test_a_table_that_went_through_pandas_can_be_read(tmp_path: Path) -> None:
    rows = ["source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top"]
    rows += ["a.mp4,0,0.0,0.0,1.0,1.0,2.0,3.0,4.0,mood,happy,0.9,1", "a.mp4,1,0.5,,,,,,,,,,"]
    (tmp_path / "a.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    first, second = read_table(tmp_path / "a.csv")
    assert (first.faces[0].box, first.faces[0].track) == (Box(1, 2, 3, 4), 1)
    assert first.faces[0].predictions["mood"].label == "happy"
    assert second == TableFrame("a.mp4", 1, 0.5, ())


HEADER = ",".join(COLUMNS)
ROW = "a.mp4,0,0.5,0,1,1,2,3,4,mood,happy,0.9,1"


def row(**columns: str) -> str:
    """A table of CSV with one row, in which these columns are others."""
    values = dict(zip(COLUMNS, ROW.split(","), strict=True)) | columns
    return f"{HEADER}\n{','.join(values.values())}\n"


def with_landmarks(**columns: str) -> str:
    """A table as of ``row`` whose face has landmarks at 1, but for these columns."""
    values = dict.fromkeys(LANDMARK_COLUMNS, "1") | columns
    header, only = row().splitlines()
    return f"{header},{','.join(values)}\n{only},{','.join(values.values())}\n"


def line(**fields: object) -> str:
    """A line of JSON Lines, in which these fields are others; of a face, with ``face__`` before."""
    scores = {"happy": 0.9, "sad": 0.1}
    face = {
        "track": 1,
        "box": [1, 2, 3, 4],
        "predictions": {"mood": {"label": "happy", "score": 0.9, "scores": scores}},
    }
    face |= {name.removeprefix("face__"): value for name, value in fields.items() if name.startswith("face__")}
    frame = {"source": "a.mp4", "frame": 0, "time": 0.5, "faces": [face]}
    return json.dumps(frame | {name: value for name, value in fields.items() if not name.startswith("face__")}) + "\n"


def scores(**fields: object) -> str:
    return line(face__predictions={"mood": {"label": "happy", "score": 0.9, "scores": {"happy": 1.0}} | fields})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "frame,time\n1,2\n", "{} is no table of faces: it has no column “source”."),
        ("a.csv", "source,frame,time,face\na,0,1,0\n", "{} is no table of faces: it has no column “x1”."),
        ("a.csv", row(frame="zero"), "line 2: expected “int”, got “str” at “frame”."),
        ("a.csv", row(frame=""), "line 2: expected “int”, got “str” at “frame”."),
        ("a.csv", row(frame="-1"), "line 2: expected “int” >= 0 at “frame”."),
        ("a.csv", row(time="nan"), "line 2: expected “float” >= -1000000000.0 at “time”."),
        ("a.csv", row(time="inf"), "line 2: expected “float” <= 1000000000.0 at “time”."),
        ("a.csv", row(time="1e400"), "line 2: number out of range at “time”."),
        ("a.csv", row(track="1e400"), "line 2: number out of range at “track”."),
        ("a.csv", row(track="1" * 20), "line 2: expected “int” <= 1000000000 at “track”."),
        ("a.csv", row(x1="1e400"), "line 2: number out of range at “x1”."),
        ("a.csv", row(y2="9999999"), "line 2: expected “int” <= 1000000 at “y2”."),
        ("a.csv", row(score="nan"), "line 2: expected “float” >= 0.0 at “score”."),
        ("a.csv", row(score="1.5"), "line 2: expected “float” <= 1.0 at “score”."),
        ("a.csv", row(score=""), "line 2: expected “float”, got “str” at “score”."),
        ("a.csv", row(label=""), "line 2: expected “str” of length >= 1 at “label”."),
        ("a.csv", row(top="yes"), "line 2: expected “int”, got “str” at “top”."),
        ("a.csv", row() + ROW + "\n", "line 3: expected at most 1000 different labels of “mood” for a face."),
        ("a.csv", f"{HEADER}\n{'x' * 200_000}\n", "field larger than field limit (131072)."),
        ("a.csv", f"{HEADER}\n" + "\n".join(ROW.replace("happy", f"l{n}") for n in range(1001)), "at most 1000 diff"),
        ("a.csv", with_landmarks(nose_y=""), "line 2: expected “float”, got “str” at “nose_y”."),
        ("a.csv", with_landmarks(nose_x="1e7"), "line 2: expected “float” <= 1000000.0 at “nose_x”."),
        ("a.csv", with_landmarks().replace(",nose_y", ",y"), "{} is no table of faces: it has no column “nose_y”."),
        ("a.jsonl", "{}\n", "line 1: object missing required field “source”."),
        ("a.jsonl", line(face__landmarks={}), "object missing required field “right_eye” at “faces[0].landmarks”."),
        ("a.jsonl", "[]\n", "line 1: expected “object”, got “array”."),
        ("a.jsonl", line() + "\n", "line 2: input data was truncated."),
        ("a.jsonl", line(faces=[1]), "line 1: expected “object”, got “int” at “faces[0]”."),
        ("a.jsonl", line(time=float("nan")), "line 1: JSON is malformed: invalid character (byte 40)."),
        ("a.jsonl", line().replace("0.5", "1e400"), "line 1: number out of range at “time”."),
        ("a.jsonl", line(time=[0]), "line 1: expected “float”, got “array” at “time”."),
        ("a.jsonl", line(frame=0.5), "line 1: expected “int”, got “float” at “frame”."),
        ("a.jsonl", line(source=None), "line 1: expected “str”, got “null” at “source”."),
        ("a.jsonl", line(face__track="1"), "line 1: expected “int | null”, got “str” at “faces[0].track”."),
        ("a.jsonl", line(face__box=[1, 2, 3]), "line 1: expected “array” of length 4 at “faces[0].box”."),
        ("a.jsonl", line(face__box=[1, 2, 3, 10**9]), "line 1: expected “int” <= 1000000 at “faces[0].box[3]”."),
        ("a.jsonl", scores(scores={}), "line 1: expected “object” of length >= 1 at “faces[0].predictions"),
        ("a.jsonl", scores(scores={"a": [1]}), "line 1: expected “float”, got “array” at “faces[0].predictions"),
        ("a.jsonl", scores(scores={"a": {"b": 1}}), "line 1: expected “float”, got “object” at “faces[0].predictions"),
        (
            "a.jsonl",
            scores(scores={f"l{n}": 0.0 for n in range(40_000)}),
            "line 1: expected “object” of length <= 10",
        ),
        ("a.jsonl", scores(label=5), "line 1: expected “str”, got “int” at “faces[0].predictions"),
        ("a.jsonl", '{"x":' + "[" * 100_000, "line 1: it is nested too deeply."),
    ],
)
def test_a_line_that_is_not_one_of_a_table_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError) as raised:
        list(read_table(tmp_path / name))
    assert str(raised.value).startswith(str(tmp_path / name))
    assert message.format(tmp_path / name) in str(raised.value)


PARQUET_ROW: dict[str, object] = {
    **{"source": "a.mp4", "frame": 0, "time": 0.5, "face": 0, "track": 1, "x1": 1, "y1": 2, "x2": 3, "y2": 4},
    **{"task": "mood", "label": "happy", "score": 0.9, "labels": ["happy", "sad"], "scores": [0.9, 0.1]},
}
ROW_1, SCORES = "{} cannot be understood at row 1: ", "expected a score for each of different labels of “mood”."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": -1}, f"{ROW_1}expected “int” >= 0 at “frame”."),
        ({"frame": 0.5}, f"{ROW_1}expected “int”, got “float” at “frame”."),
        ({"time": float("nan")}, f"{ROW_1}expected “float” >= -1000000000.0 at “time”."),
        ({"source": None}, f"{ROW_1}expected “str”, got “null” at “source”."),
        ({"x1": "1"}, f"{ROW_1}expected “int | null”, got “str” at “x1”."),
        ({"y2": None}, f"{ROW_1}expected a box for a face."),
        ({"labels": 5}, f"{ROW_1}expected “array | null”, got “int” at “labels”."),
        ({"labels": ["a", "a"]}, ROW_1 + SCORES),
        ({"labels": []}, ROW_1 + SCORES),
        ({"scores": None}, ROW_1 + SCORES),
        ({"scores": [0.5]}, ROW_1 + SCORES),
        ({"scores": [1.5, 0.0]}, f"{ROW_1}expected “float” <= 1.0 at “scores[0]”."),
    ],
)
def test_a_row_of_parquet_that_is_not_one_of_a_table_is_named(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([PARQUET_ROW | changes]), path)
    with pytest.raises(SourceError) as raised:
        list(read_table(path))
    assert str(raised.value) == message.format(path)


def test_a_parquet_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"frame": [0], "time": [0.5]}), path)
    with pytest.raises(SourceError, match=r"a\.parquet is no table of faces: it has no column “source”\.$"):
        list(read_table(path))
    for content in (b"", b"PAR1", path.read_bytes()[:-20], ROW.encode()):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"a\.parquet is no Parquet file, or is damaged\.$"):
            list(read_table(path))


def test_columns_of_the_users_own_are_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{"video": "x", **PARQUET_ROW, "comment": "y"}]), path)
    (frame,) = read_table(path)
    assert (frame.source, frame.faces[0].box) == ("a.mp4", Box(1, 2, 3, 4))
    assert frame.faces[0].predictions["mood"].label == "happy"


def test_a_file_of_another_kind_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"a\.txt is no table: its name must end in one of \.csv \.jsonl \.parquet\.$"
    ):
        read_table(tmp_path / "a.txt")


def test_the_builders_above_make_good_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(row())
    (tmp_path / "a.jsonl").write_text(line())
    for name in ("a.csv", "a.jsonl"):
        (frame,) = read_table(tmp_path / name)
        assert frame.faces[0].box == Box(1, 2, 3, 4)
        assert frame.faces[0].predictions["mood"].label == "happy"


# Python 3.10 reads no NUL in CSV, and writes a \\r without quotes.
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda text: text.strip()
)
_faces = st.builds(
    Face,
    st.builds(Box, *[st.integers(-(10**6), 10**6)] * 4),
    st.dictionaries(
        _texts,
        st.dictionaries(_texts, st.integers(0, 10**6).map(lambda millionths: millionths / 1e6), min_size=1, max_size=4),
        max_size=3,
    ).map(
        lambda tasks: {
            task: Prediction(tuple(each), np.array([*each.values()], np.float32)) for task, each in tasks.items()
        }
    ),
    st.none() | st.integers(0, 10**9),
)


@every_table
@given(
    faces=st.lists(_faces, max_size=3),
    time=st.floats(-1e9, 1e9, allow_nan=False),
    index=st.integers(0, 10**12),
    source=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_every_table_that_a_run_writes_can_be_read(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    make: Callable[[Path], Sink],
    faces: list[Face],
    time: float,
    index: int,
    source: str,
) -> None:
    path = tmp_path_factory.mktemp("table") / name
    with make(path) as sink:
        sink.write(result(index, time, faces=faces, source=source))
    (frame,) = read_table(path)
    assert (frame.frame, frame.time) == (index, round(time, 6))
    assert [as_comparable(face) for face in frame.faces] == [as_comparable(face) for face in faces]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@given(content=st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_frames_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("table") / f"a{suffix}"
    path.write_bytes((f"{HEADER}\n".encode() if suffix == ".csv" else b"") + content)
    try:
        frames = list(read_table(path))
    except SourceError as error:
        assert str(error).startswith(str(path))
    else:
        assert all(isinstance(frame, TableFrame) for frame in frames)
