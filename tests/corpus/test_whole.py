"""The whole command with real workers, and with processes that are killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

BENCHMARK = Path(__file__).parent.parent.parent / "benchmarks" / "corpus.py"


def test_a_data_set_is_the_same_after_kills_and_with_a_worker_that_stops() -> None:
    command = [sys.executable, str(BENCHMARK), "--clips", "50", "--kills", "2", "--stop-worker"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "50 videos: 49 done, 1 failed" in ended.stdout
    assert "50 videos: 49 unchanged, 1 damaged before" in ended.stdout
    assert ended.stdout.count("SIGKILL to") == 2
    assert ended.stdout.count("The data sets are equal: 980 rows of 50 videos") == 2


def test_ctrl_c_ends_with_a_clear_line_and_the_same_command_goes_on(clips: Path) -> None:
    for number in range(30):
        (clips / f"{number}.mp4").write_bytes((clips / "a.mp4").read_bytes())
    command = [sys.executable, "-m", "emotion_cam", "corpus", "clips", "--out", "data", "--without", "gender"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        manifest = Path("data/manifest.jsonl")
        while process.poll() is None and not (manifest.exists() and manifest.read_bytes().count(b"\n") > 4):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, error = process.communicate()
    assert process.returncode == 130
    assert "Stopped. What is done is kept, and the same command goes on." in error
    assert "Traceback" not in error
    done = int(re.search(r"(\d+) done", out)[1])  # type: ignore[index]
    assert done >= 3
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(rf"33 videos: {32 - done} done, {done} unchanged", again.stdout), again.stdout + again.stderr


def test_two_runs_refuse_each_other(clips: Path) -> None:
    command = [sys.executable, "-m", "emotion_cam", "corpus", "clips", "--out", "data", "--without", "gender"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not Path("data/manifest.jsonl").exists():
            time.sleep(0.05)
        again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is being worked on since" in again.stderr
    assert again.stderr.count("\n") == 1


def test_workers_end_with_a_command_that_is_killed(clips: Path) -> None:
    command = [sys.executable, "-m", "emotion_cam", "corpus", "clips", "--out", "data", "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not _children(process.pid):
            time.sleep(0.05)
        workers = _children(process.pid)
        process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _children(process: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(process).children(recursive=True)]
