"""The benchmarks run, and their arithmetic is right; nothing here depends on the speed of this machine."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_cam.detect.haar import HaarDetector
from emotion_cam.result import Result
from emotion_cam.sinks.video import VideoSink
from emotion_cam.types import Box, Frame, Image

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def clip(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoSink(path, fps=10) as sink:
        for index in range(4):
            sink.write(Result(Frame(portrait, index, index / 10), ()))
    return path


@pytest.mark.parametrize(
    "script",
    [["whole_run.py"], ["whole_run.py", "--plain"], pytest.param(["published_loop.py"], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_a_contender_prints_its_frames_and_times(clip: Path, tmp_path: Path, script: list[str]) -> None:
    name, *options = script
    if name == "published_loop.py":
        pytest.importorskip("keras")
    command: list[str | Path] = [sys.executable, BENCHMARKS / name, clip, tmp_path / "out.mp4", *options]
    measured = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL).splitlines()[-1])
    assert measured["frames"] == 4
    assert min(measured["wall"], measured["cpu"]) > 0
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / name))


def test_the_age_of_a_picture_begins_when_the_camera_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    live = module("live.py", monkeypatch)
    taken = 100 + np.arange(300) / 30
    # Every second picture is shown, 20 ms after the camera took it; after 180 pictures the numbers start again.
    shown = [(float(taken[index]) + 0.02, index % 180) for index in range(0, 300, 2)]
    measured = live["summary"](99.0, shown, [100.0, 110.0, 105.0], 0.25, taken)
    assert measured["pictures_shown_a_second"] == pytest.approx(15, abs=0.01)
    assert measured["age_ms_median"] == measured["age_ms_99_of_100"] == 20
    assert measured["start_to_first_picture_s"] == pytest.approx(1.02)
    assert (measured["memory_mb_most"], measured["memory_mb_at_the_end"]) == (110, 105)


def test_faces_found_and_false_positives_are_counted_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    haar = module("haar.py", monkeypatch)
    tally = haar["Tally"]()
    tally.add([Box(0, 0, 10, 10), Box(50, 50, 60, 60)], [Box(1, 0, 11, 10), Box(30, 30, 40, 40)], seconds=1.0)
    tally += tally
    assert (tally.found, tally.wanted, tally.false, tally.frames) == (2, 4, 2, 2)
    assert haar["split"]("a=b.mp4=3") == ("a=b.mp4", 3)
    assert haar["split"]("a.mp4") == ("a.mp4", 1)


def test_what_compares_detectors_without_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    detectors = module("detectors.py", monkeypatch)
    center, side = detectors["tremble"]([Box(0, 0, 100, 100), Box(6, 8, 106, 108), Box(3, 4, 103, 104)])
    assert center == pytest.approx(np.std([0, 10, 5]) / 100)
    assert side == 0
    _, side = detectors["tremble"]([Box(0, 0, 100, 100), Box(-2, -2, 102, 102)])
    assert side == pytest.approx(2 / 102)
    first, second = detectors["film"](2, faces=4, moving=False)
    assert first.image.shape == (480, 640, 3)
    assert first.image.std() > 20
    assert (first.image != second.image).any()  # noise
    assert len(HaarDetector()(first.image)) == 4
    pictures = [*detectors["pictures_of_skimage"](), *detectors["generated_pictures"](4)]
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    finders = {"a": lambda image: [Box(0, 0, 9, 9)], "b": lambda image: []}
    assert "| scikit-image, 13 pictures | 13 | 0 |" in detectors["nobody_table"](finders, None)


def test_a_tilted_clip_keeps_its_faces_and_framing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    detectors = module("detectors.py", monkeypatch)
    image = np.zeros((120, 160, 3), np.uint8)
    box = Box(110, 30, 130, 50)
    image[box.y1 : box.y2, box.x1 : box.x2] = 255
    turned, (moved,) = detectors["tilted"](image, [box], 30)
    inside = turned[moved.y1 : moved.y2, moved.x1 : moved.x2]
    assert moved.iou(box) < 0.9
    assert inside.sum() > 0.8 * turned.sum()
    pairs = detectors["Pairs"]([image, image], [Box(0, 0, 20, 20)] * 2, [Box(2, 4, 18, 20)] * 2)
    assert pairs.scale == pytest.approx(1.25)
    assert pairs.down == pytest.approx(-0.1)
    assert pairs.iou == pytest.approx(0.64)


def test_people_need_a_picture_of_each_label_in_each_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapt = module("adapt.py", monkeypatch)
    lines = ["file,set,label,person,source_path"]
    for person, views in (("F01", ("S", "HL", "HR")), ("F02", ("S", "HL"))):
        for label in ("happy", "sad"):
            for view in views:
                name = "kdef" if view == "S" else "kdef-side"
                lines.append(f"{name}/{label}/{person}{view}.jpg,{name},{label},{person},a/{person}X{view}.JPG")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    ((*found,),) = adapt["people"](tmp_path, ("happy", "sad"))
    assert found[:3] == [
        (tmp_path / "kdef" / "happy" / "F01S.jpg", 0, "S"),
        (tmp_path / "kdef-side" / "happy" / "F01HL.jpg", 0, "HL"),
        (tmp_path / "kdef-side" / "happy" / "F01HR.jpg", 0, "HR"),
    ]
    assert [number for _, number, _ in found] == [0, 0, 0, 1, 1, 1]


def test_plans_of_a_stream_are_compared_picture_by_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = module("turns.py", monkeypatch)
    before, after = np.array([True, True, False, False]), np.array([True, False, True, True])
    assert turns["difference"](before, after) == (0.25, np.sqrt(3) / 4)
    assert turns["difference"](before, before) == (0, 0)
    assert len(turns["PLANS"][turns["TODAY"]]) == 2
