"""Runs the program for a long time on a simulated camera while it records, and checks that nothing grows.

    python benchmarks/endurance.py                  # 30 minutes
    python benchmarks/endurance.py --minutes 600

A simulated camera (tests/cli/pretend_camera.c) gives the real program 30 pictures of a moving portrait per second. The
program records a video, and writes a line for each picture into a pipe. Every second its memory, file handles and
threads are noted, and for each line the age of its picture: the time since the camera took it. At the end the program
is stopped as by Ctrl-C, and the recording is decoded. Ends with 1 if something grew, or if the recording is not whole.
Needs Linux with gcc.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

import av
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tools")]

from live import memory, simulated_camera  # noqa: E402

WARM = 10.0
"""Seconds at the beginning that do not count: everything is loaded, and buffers fill."""

MOST_GROWTH = {"memory_mb": 8.0, "handles": 0.0, "threads": 0.0, "age_ms": 100.0}
"""How much the median of the last third may exceed that of the first third."""


class Lines:
    """Reads the program's lines, with the time at which each one came."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.received: list[tuple[float, int, float]] = []  # the clock, the picture's number, its time in the stream
        self._stream = stream
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        for line in self._stream:
            now = time.monotonic()
            frame = json.loads(line)
            self.received.append((now, frame["frame"], frame["time"]))


def measure(minutes: float) -> dict[str, Any]:
    """Run the program for some minutes; returns what was measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        environment = os.environ | simulated_camera(folder, log)
        command = [sys.executable, "-m", "emotion_cam", "--camera", "0", "--no-show", "--out", "run.mp4", "--out", "-"]
        program = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE)
        assert program.stdout is not None
        lines = Lines(program.stdout)
        try:
            notes = _watch(program, lines, 60 * minutes)
        finally:
            program.terminate()  # as Ctrl-C, which a shell lets programs in the background ignore
            code = program.wait()
            lines.thread.join()
            program.stdout.close()
        taken = np.loadtxt(log)[:, 1]
        return _summary(code, notes, np.array(lines.received), taken, _recorded(folder / "run.mp4"))


def _watch(program: subprocess.Popen[bytes], lines: Lines, seconds: float) -> list[tuple[float, float, int, int]]:
    """Memory in MB, handles and threads of the program, every second from its first line on."""
    notes = []
    start = time.monotonic()
    while not lines.received or time.monotonic() < lines.received[0][0] + seconds:
        if program.poll() is not None or (not lines.received and time.monotonic() > start + 60):
            sys.exit("The program has ended, or gives no line.")
        handles, threads = (len(os.listdir(f"/proc/{program.pid}/{kind}")) for kind in ("fd", "task"))  # noqa: PTH208
        notes.append((time.monotonic(), memory(program.pid), handles, threads))
        time.sleep(1)
    return notes


def _recorded(path: Path) -> list[float]:
    """The times of the frames of a recording, all of which are decoded."""
    with av.open(str(path)) as file:
        return [float(frame.time) for frame in file.decode(video=0)]


def _summary(
    code: int,
    notes: list[tuple[float, float, int, int]],
    received: np.ndarray,
    taken: np.ndarray,
    recorded: list[float],
) -> dict[str, Any]:
    begin = min(WARM, (received[-1, 0] - received[0, 0]) / 4) + received[0, 0]
    noted = np.array([note for note in notes if note[0] > begin])
    steady = received[received[:, 0] > begin]
    ages = 1000 * (steady[:, 0] - taken[steady[:, 1].astype(int)])
    series = {"memory_mb": noted[:, 1], "handles": noted[:, 2], "threads": noted[:, 3], "age_ms": ages}
    thirds = {name: _thirds(values) for name, values in series.items()}
    times = received[:, 2] - received[0, 2]
    is_whole = len(recorded) == len(times) and bool(np.abs(np.array(recorded) - times).max() < 0.02)
    grown = [name for name, (first, last) in thirds.items() if last - first > MOST_GROWTH[name]]
    return {
        "minutes": round(float(received[-1, 0] - received[0, 0]) / 60, 2),
        "pictures": len(received),
        "pictures_a_second": round((len(steady) - 1) / float(steady[-1, 0] - steady[0, 0]), 2),
        **{f"{name}_first_third": first for name, (first, _) in thirds.items()},
        **{f"{name}_last_third": last for name, (_, last) in thirds.items()},
        "age_ms_99_of_100": round(float(np.percentile(ages, 99)), 1),
        "memory_mb_most": round(float(noted[:, 1].max()), 1),
        "exit_code": code,
        "recording_is_whole": is_whole,
        "grown": grown,
    }


def _thirds(values: np.ndarray) -> tuple[float, float]:
    """The medians of the first and of the last third."""
    third = max(1, len(values) // 3)
    return round(float(np.median(values[:third])), 1), round(float(np.median(values[-third:])), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    found = measure(parser.parse_args().minutes)
    print(json.dumps(found, indent=2))
    sys.exit(0 if found["exit_code"] == 130 and found["recording_is_whole"] and not found["grown"] else 1)


if __name__ == "__main__":
    main()
