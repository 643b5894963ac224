"""Ctrl-C, a termination and a kill, each at ten moments of a run."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.builders import file_names, read_frames, write_video
from tests.faults.test_places import playable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
    pytest.mark.xdist_group("signals"),
]

COPY = """
import contextlib, sys
from emotion_cam.cli.console import errors_shown, show_log
with errors_shown():
    show_log()
    from emotion_cam.result import Result
    from emotion_cam.sinks import open_sink
    from emotion_cam.sources import open_source
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(video=sys.argv[1]))
        sinks = [stack.enter_context(open_sink(path, source)) for path in sys.argv[2:]]
        print("ready", flush=True)
        for frame in source:
            for sink in sinks:
                sink.write(Result(frame, ()))
"""
"""Every part of the program that opens, reads and writes, without the models, so that ten runs are quick."""

MOMENTS = [round(random.Random(15).uniform(0, 1.5), 3) for _ in range(10)]
"""Seconds after the outputs were opened."""


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that takes several seconds to copy."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    return write_video(path, [index / 30 for index in range(1500)], audio="aac", audio_times=(0, 50))


def stopped(clip: Path, folder: Path, moment: float, kill: signal.Signals) -> tuple[int, str]:
    """Copy a video, and send a signal after a moment; returns the exit code and what was printed as errors."""
    outputs = [str(folder / name) for name in ("a.mp4", "a.mkv", "a.csv")]
    command = [sys.executable, "-c", COPY, str(clip), *outputs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moment)
        process.send_signal(kill)
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_is_whole_as_far_as_it_came(
    long_clip: Path, tmp_path: Path, moment: float, kill: signal.Signals
) -> None:
    code, errors = stopped(long_clip, tmp_path, moment, kill)
    assert (code, errors) == (130, "")
    names = file_names(tmp_path)
    assert names in ([], ["a.csv", "a.mkv", "a.mp4"], ["a.mkv", "a.mp4"], ["a.mp4"])  # a frame may be in some of them
    frames = [len(read_frames(tmp_path / name)) for name in names if name != "a.csv"]
    if "a.csv" in names:
        with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
            frames.append(len(list(csv.DictReader(file))))
    assert max(frames, default=0) - min(frames, default=0) <= 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_leaves_nothing_under_a_name_and_the_next_one_finds_it(
    long_clip: Path, tmp_path: Path, moment: float
) -> None:
    code, errors = stopped(long_clip, tmp_path, moment, signal.SIGKILL)
    assert (code, errors) == (-signal.SIGKILL, "")
    names = file_names(tmp_path)
    assert len(names) == 3
    assert all(name.startswith(".a.part-") for name in names)
    code, errors = stopped(long_clip, tmp_path, 0.2, signal.SIGINT)
    assert code == 130
    assert all("is what an earlier run had written when it was killed." in line for line in errors.splitlines())
    assert not [name for name in file_names(tmp_path) if name.startswith(".")]
    if moment > 1:
        # Two seconds of the video are the encoder's and the unfinished fragment's.
        assert playable(tmp_path / "a.partial.mp4") > 0
