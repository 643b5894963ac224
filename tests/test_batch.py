"""Several videos in one run, in real processes."""

from __future__ import annotations

import csv
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from emotion_cam.batch import Running, expand, is_done, run_all
from emotion_cam.errors import EmotionCamError
from emotion_cam.pipeline import RunSpec
from emotion_cam.sinks.spec import OutputSpec
from emotion_cam.sources.spec import InputSpec
from tests.command import emotion_cam


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def clips(*names: str) -> None:
    for name in names:
        Path("clips", name).parent.mkdir(exist_ok=True, parents=True)
        Path("clips", name).write_bytes(b"video")


def spec_of(videos: Sequence[str], *out: str) -> RunSpec:
    return RunSpec(InputSpec(video=tuple(videos)), output=OutputSpec(tuple(map(Path, out))))


def expanded(out: str, *videos: str) -> list[tuple[str, tuple[Path, ...]]]:
    """Each video with its outputs."""
    return [(spec.input.video[0], spec.output.out) for spec in expand(spec_of(videos, out))]


def test_folders_give_their_videos_in_natural_order_and_each_file_comes_once() -> None:
    clips("10.mp4", "2.MKV", "notes.txt", ".hidden.mp4", "deeper/3.mp4")
    Path("one.dat").touch()
    videos = [video for video, _ in expanded("out", "one.dat", "clips", "./clips/10.mp4")]
    assert videos == ["one.dat", str(Path("clips/2.MKV")), str(Path("clips/10.mp4"))]


@pytest.mark.parametrize(
    ("out", "made"),
    [
        ("out", "out/a.b.mp4"),
        ("{name}", "a.b/a.b.mp4"),
        ("{name}.csv", "a.b.csv"),
        ("tables/{name}/faces.csv", "tables/a.b/faces.csv"),
        ("there.is", "there.is/a.b.mp4"),
    ],
)
def test_outputs_are_named_after_each_video(out: str, made: str) -> None:
    Path("there.is").mkdir()
    assert expanded(out, "a.b.mkv") == [("a.b.mkv", (Path(made),))]


@pytest.mark.parametrize(
    ("out", "videos", "message"),
    [
        ("faces.csv", ["clips"], "would both be written to faces.csv: put {name} into `out`"),
        ("out", ["clips", "same"], "would both be written to out.a.mp4: rename one"),
        ("clips", ["clips"], "clips.a.mp4 is an input"),
        ("out/{name}.xyz", ["clips"], "must end in one of .mp4"),
        ("out", ["empty"], "holds no videos"),
        ("out", ["clips", "rtsp://host/stream"], "cannot be repeated"),
        ("out", ["clips", "-"], "cannot be repeated"),
    ],
)
def test_impossible_runs_are_refused_before_anything_begins(out: str, videos: list[str], message: str) -> None:
    clips("a.mp4", "b.mp4")
    Path("same").mkdir()
    Path("same/a.mkv").touch()
    Path("empty").mkdir()
    with pytest.raises(EmotionCamError, match=message):
        expanded(out, *videos)


def test_a_video_is_done_when_all_its_outputs_exist() -> None:
    spec = spec_of(["a.mp4"], "a.csv", "a.jsonl")
    Path("a.csv").touch()
    assert not is_done(spec)
    Path("a.jsonl").touch()
    assert is_done(spec)


def test_a_failure_does_not_stop_the_rest_and_resume_skips_what_is_done(film: Path) -> None:
    Path("clips").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(film, Path("clips", name))
    os.truncate("clips/b.mp4", 2000)
    Path("tables").mkdir()
    Path("tables/a.partial.csv").touch()  # from a run that was stopped
    arguments = ["--video", "clips", "--out", "annotated", "--out", "tables/{name}.csv", "--jobs", "2"]
    result = emotion_cam(*arguments)
    assert result.exit_code == 1, result.output
    assert f"{Path('clips/a.mp4')}: 20 frames, 11 of them with a face" in result.stdout
    assert result.stdout.endswith("\n3 videos: 2 done, 1 failed\n")
    (error,) = result.stderr.splitlines()
    assert "b.mp4 cannot be opened as a video" in error
    assert sorted(file.name for file in Path("annotated").iterdir()) == ["a.mp4", "c.mp4"]
    assert sorted(file.name for file in Path("tables").iterdir()) == ["a.csv", "c.csv"]
    assert emotion_cam("--video", "clips/c.mp4", "--out", "alone-{name}.csv").exit_code == 0
    assert Path("alone-c.csv").read_bytes() == Path("tables/c.csv").read_bytes()

    Path("annotated/c.mp4").unlink()
    for file in ("annotated/a.mp4", "tables/a.csv", "tables/c.csv"):
        Path(file).write_text("older")
    result = emotion_cam(*arguments, "--resume")
    assert result.exit_code == 1, result.output
    assert f"Skipped {Path('clips/a.mp4')}" in result.stdout
    assert result.stdout.endswith("\n3 videos: 1 done, 1 skipped, 1 failed\n")
    assert Path("annotated/a.mp4").read_text() == Path("tables/a.csv").read_text() == "older"
    assert Path("alone-c.csv").read_bytes() == Path("tables/c.csv").read_bytes()


def test_resume_skips_a_single_video_too(film: Path) -> None:
    arguments = ["--video", str(film), "--out", "o.csv", "--resume"]
    assert emotion_cam(*arguments).stdout.endswith("\nWrote o.csv\n1 video: 1 done\n")
    before = Path("o.csv").stat()
    result = emotion_cam(*arguments)
    assert (result.exit_code, result.stdout) == (0, f"Skipped {film}: its outputs exist\n1 video: 1 skipped\n")
    assert Path("o.csv").stat() == before


def test_an_error_of_all_is_shown_once() -> None:
    clips("a.mp4", "b.mp4")
    result = emotion_cam("--video", "clips", "--out", "out", "--detector", "hare")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert not Path("out").exists()
    result = emotion_cam("--video", "clips", "--out", "out", "--size", "640x480")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "2 videos: 2 failed\n", 1)


def test_a_crash_loses_only_the_video_that_caused_it(film: Path, long_film: Path) -> None:
    specs = expand(spec_of([str(long_film), str(film)], "{name}.csv"))

    def kill(running: Sequence[Running]) -> None:
        if any(one.frames and one.video == str(long_film) for one in running):
            for process in multiprocessing.active_children():
                process.kill()

    crashed, done = run_all(specs, 1, on_progress=kill)
    assert "long.mp4 was left unfinished: its process crashed" in (crashed.error or "")
    assert (done.error, done.summary.frames, done.summary.outputs) == (None, 20, [Path("clip.csv")])
    assert not Path("long.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("kill", ["kill", "killpg"])
def test_ctrl_c_stops_all_and_no_incomplete_file_looks_done(long_film: Path, kill: str, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(long_film, name)
    arguments = ["--video", "a.mp4", "--video", "b.mp4", "--video", "c.mp4", "--out", "o", "--out", "o/{name}.csv"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion_cam", *arguments, "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while sum(file.stat().st_size > 20_000 for file in tmp_path.glob("o/.*csv")) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    getattr(os, kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert out.endswith("\n3 videos: 2 stopped, 1 not begun\n")
    kept = ["a.partial.csv", "a.partial.mp4", "b.partial.csv", "b.partial.mp4"]
    assert sorted(file.name for file in Path("o").iterdir()) == kept
    for name in ("a", "b"):
        with av.open(f"o/{name}.partial.mp4") as video:
            count = sum(1 for _ in video.decode(video=0))
        assert 0 < count < 1500
        with Path(f"o/{name}.partial.csv").open(newline="") as lines:
            assert len({row["frame"] for row in csv.DictReader(lines)}) == pytest.approx(count, abs=1)
