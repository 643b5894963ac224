"""A video that is cut gives the rows of one that is not."""

from __future__ import annotations

import itertools
import runpy
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from emotion_cam.corpus.manifest import Entry, Manifest
from emotion_cam.corpus.stretches import cut, joined
from emotion_cam.sources.video import VideoSource, frame_times
from emotion_cam.types import Box, Image
from tests.builders import TIMES, read_frames, write_video
from tests.command import emotion_cam

PORTRAIT = Path(__file__).parents[2] / "tools" / "portrait.py"

ENTRY = Entry("v", "/v.mp4", 0, 0, "hash", "s", "done")


@pytest.fixture(scope="module")
def moving_portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 seconds of the moving portrait, 320×240, 10 frames a second, with a key frame every second.

    A second without a face follows every eight, so that faces get new numbers.
    """
    moving_frames = runpy.run_path(str(PORTRAIT))["moving_frames"]
    path = tmp_path_factory.mktemp("stretches") / "clip.mp4"
    pictures = [cv2.resize(frame.image, (320, 240)) for frame in itertools.islice(moving_frames(), 0, None, 3)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "10", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(240):
            image: Image = np.asarray(pictures[index % len(pictures)], np.uint8)
            if index % 80 >= 50:
                image = np.full_like(image, 90)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def test_packets_say_when_frames_are_shown(moving_portrait: Path) -> None:
    found = frame_times(moving_portrait)
    assert found is not None
    assert found.times == pytest.approx([frame.time for frame in read_frames(moving_portrait)])
    assert found.keys == pytest.approx([*range(24)])


def test_a_video_is_read_from_a_key_frame_on(moving_portrait: Path) -> None:
    with VideoSource(moving_portrait, start_at=7.001) as source:
        frames = list(source)
    whole = read_frames(moving_portrait)[70:]
    assert [frame.time for frame in frames] == [frame.time for frame in whole]
    assert np.array_equal(frames[0].image, whole[0].image)
    assert np.array_equal(frames[-1].image, whole[-1].image)


def test_a_video_is_cut_at_key_frames_into_equal_stretches(moving_portrait: Path) -> None:
    made = cut(str(moving_portrait), ENTRY, 10, warm_up=2.5)
    assert made is not None
    assert made.duration == pytest.approx(24.0)
    assert [(each.key, each.first, each.stop) for each in made.stretches] == [
        (0, 0, 80),
        (50, 80, 160),
        (130, 160, None),
    ]


def test_a_short_video_and_one_without_key_frames_are_not_cut(moving_portrait: Path, tmp_path: Path) -> None:
    assert cut(str(moving_portrait), ENTRY, 24) is None
    assert cut(str(write_video(tmp_path / "clip.mp4", TIMES[:20])), ENTRY, 0.3) is None


@pytest.mark.usefixtures("inline")
def test_a_video_in_stretches_gives_the_rows_of_the_whole(
    moving_portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(moving_portrait, "clip.mp4")
    for split in ([], ["--split", "8s"]):
        ended = emotion_cam("corpus", "clip.mp4", "--out", f"data{len(split)}", *split)
        assert "1 video: 1 done" in ended.stdout, ended.stderr
    whole, parts = (read(Path(name)) for name in ("data0", "data2"))
    numbers = [int(str(row["frame"])) for row in parts]
    assert numbers == sorted(numbers)
    by_frame = [frames(rows) for rows in (whole, parts)]
    assert len(by_frame[0]) == len(by_frame[1]) == 240
    agreeing = sum(agree(by_frame[0][index], by_frame[1][index]) for index in range(240))
    assert agreeing >= 0.99 * 240
    (a,), (b,) = (Manifest(Path(name)).entries.values() for name in ("data0", "data2"))
    assert (a.frames, a.tracks, a.duration) == (b.frames, b.tracks, b.duration)
    assert a.tracks == 3
    assert not [*Path("data2/work").iterdir()]


def read(dataset: Path) -> list[dict[str, object]]:
    (path,) = (dataset / "faces").glob("*/*.parquet")
    rows: list[dict[str, object]] = pq.read_table(path, partitioning=None).to_pylist()
    return rows


def frames(rows: list[dict[str, object]]) -> dict[object, list[dict[str, object]]]:
    return {frame: [*group] for frame, group in itertools.groupby(rows, key=lambda row: row["frame"])}


def agree(rows: list[dict[str, object]], others: list[dict[str, object]]) -> bool:
    """Whether a frame has the same faces, under the same numbers, in the same places, with the same labels."""
    names = ("time", "face", "track", "task", "label")
    if [[row[name] for name in names] for row in rows] != [[row[name] for name in names] for row in others]:
        return False
    return all(row["face"] is None or box(row).iou(box(other)) > 0.7 for row, other in zip(rows, others, strict=True))


def box(row: dict[str, object]) -> Box:
    return Box(*(int(str(row[name])) for name in ("x1", "y1", "x2", "y2")))


def rows(*faces: tuple[int, int | None, int]) -> pa.Table:
    """Rows of a frame, a track and the left edge of a box each."""
    table = {
        "frame": [frame for frame, _, _ in faces],
        "face": pa.array([None if track is None else 0 for _, track, _ in faces], pa.int32()),
        "track": pa.array([track for _, track, _ in faces], pa.int32()),
        **{
            name: [left + more for _, _, left in faces] for name, more in (("x1", 0), ("y1", 0), ("x2", 50), ("y2", 50))
        },
    }
    return pa.table(table)


def numbered(*tables: pa.Table, firsts: list[int]) -> list[tuple[int, int | None, int | None]]:
    made = pa.concat_tables(joined(iter(tables), firsts))
    return list(zip(*(made[name].to_pylist() for name in ("frame", "face", "track")), strict=True))


def test_faces_keep_their_numbers_over_the_seam_and_new_ones_get_the_next() -> None:
    before = rows((0, 1, 0), (1, 1, 0), (1, 2, 500), (2, 2, 500))
    after = rows((1, 1, 505), (1, 2, 5), (2, 1, 505), (3, 1, 505), (3, 2, 5), (4, 3, 900), (4, 1, 505), (5, None, 0))
    assert numbered(before, after, firsts=[0, 3]) == [
        *((0, 0, 1), (1, 0, 1), (1, 1, 2), (2, 0, 2)),
        *((3, 0, 1), (3, 1, 2), (4, 0, 2), (4, 1, 3), (5, None, None)),
    ]


def test_two_faces_never_get_one_number() -> None:
    before = rows((0, 1, 0), (1, 1, 0))
    after = rows((0, 1, 0), (1, 2, 0), (1, 1, 4), (2, 1, 0), (2, 2, 90))
    assert [track for _, _, track in numbered(before, after, firsts=[0, 2])] == [1, 1, 1, 2]


@pytest.mark.usefixtures("inline")
def test_frames_that_do_not_come_as_promised_are_done_in_one_piece(
    moving_portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = frame_times(moving_portrait)
    assert found is not None
    wrong = found._replace(times=sorted([*found.times, 3.05]))
    monkeypatch.setattr("emotion_cam.corpus.stretches.frame_times", lambda path: wrong)
    shutil.copy(moving_portrait, "clip.mp4")
    assert "1 done" in emotion_cam("corpus", "clip.mp4", "--out", "data", "--split", "8s", "--without", "gender").stdout
    assert pc.max(pq.read_table("data/faces")["frame"]).as_py() == 239
