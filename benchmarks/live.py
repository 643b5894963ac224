"""Measures how live the window is: numbered pictures of a camera are read back from the screen.

    python benchmarks/live.py                   # half a minute
    python benchmarks/live.py --seconds 600

A simulated camera (tests/cli/pretend_camera.c) gives the real program 30 numbered pictures per second of a moving
portrait. The program's window is on a virtual display, which is read all the time. Both record their times by the same
clock. Needs Linux with gcc, Xvfb and xdotool.

The age of a picture is the time from when the camera took it to when the window shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from portrait import FPS, HEIGHT, WIDTH, moving_frames  # noqa: E402

BITS = 8
BLOCK = 24  # side of a block in pixels; a white one, a black one, and one for each bit are in the lower left corner


def simulated_camera(folder: Path, log: Path) -> dict[str, str]:
    """The environment in which a program sees a camera that shows ``film``; needs gcc.

    Args:
        folder: for what the camera needs.
        log: where it notes when each picture was taken.
    """
    library, source = folder / "camera.so", ROOT / "tests" / "cli" / "pretend_camera.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    (folder / "film").write_bytes(film())
    return {
        "LD_PRELOAD": str(library),
        "PRETEND_FRAMES": str(folder / "film"),
        "PRETEND_SIZE": f"{WIDTH}x{HEIGHT}",
        "PRETEND_FPS": str(FPS),
        "PRETEND_LOG": str(log),
    }


def film() -> bytes:
    """The moving portrait as the camera sends it; each picture shows its number."""
    pictures = []
    for frame in moving_frames():
        image = frame.image.copy()
        bits = [1, 0, *(frame.index >> bit & 1 for bit in range(BITS))]
        for place, bit in enumerate(bits):
            image[-BLOCK:, place * BLOCK : (place + 1) * BLOCK] = 255 * bit
        pictures.append(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_YUY2).tobytes())
    return b"".join(pictures)


class Screen:
    """A virtual display whose picture can be read at any time."""

    def __init__(self, server: subprocess.Popen[bytes], name: str, file: Path) -> None:
        self._server, self.name = server, name
        header = np.fromfile(file, ">u4", 25)  # as in XWDFile.h
        size, width, height, line = (int(header[i]) for i in (0, 4, 5, 12))
        start = size + int(header[19]) * 12
        self.pixels = np.memmap(file, np.uint8, "r", start, (height, line))[:, : width * 4].reshape(height, width, 4)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Screen]:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-noreset", "-screen", "0", "1280x800x24", "-fbdir", str(folder)]
        server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as numbers:
            name = f":{numbers.readline().strip()}"
        try:
            yield cls(server, name, folder / "Xvfb_screen0")
        finally:
            server.terminate()
            server.wait()

    def number(self) -> int | None:
        """The number of the picture in the window, which is mirrored; None if there is none."""
        row = self.pixels[HEIGHT - BLOCK // 2, WIDTH - BLOCK // 2 - BLOCK * np.arange(BITS + 2), 1]
        bits = row > 127
        if np.any((row > 60) & (row < 195)) or not bits[0] or bits[1]:
            return None
        return int(bits[2:] @ (1 << np.arange(BITS)))


def memory(process: int) -> float:
    """Resident memory in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def processor(process: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float, arguments: list[str], picture: Path | None = None) -> dict[str, Any]:
    """Run the program for some seconds on the simulated camera.

    Args:
        seconds: how long.
        arguments: more options for the program.
        picture: a file for the last picture of the window.
    """
    with tempfile.TemporaryDirectory() as name, Screen.opened(Path(name)) as screen:
        folder = Path(name)
        log = folder / "log"
        environment = os.environ | {"DISPLAY": screen.name} | simulated_camera(folder, log)
        start = time.monotonic()
        command = [sys.executable, "-m", "emotion_cam", "--camera", "0", *arguments]
        program = subprocess.Popen(command, env=environment, cwd=folder)
        try:
            shown, memories, used = watch(screen, program, start, seconds)
            if picture is not None:
                cv2.imwrite(str(picture), np.ascontiguousarray(screen.pixels[:HEIGHT, :WIDTH, :3]))
        finally:
            program.terminate()
            program.wait()
        taken = np.loadtxt(log)[:, 1]
    return summary(start, shown, memories, used, taken)


def watch(
    screen: Screen, program: subprocess.Popen[bytes], start: float, seconds: float
) -> tuple[list[tuple[float, int]], list[float], float]:
    """The time and number of each picture on the screen, the memory in MB every second, and the share of a core."""
    shown: list[tuple[float, int]] = []
    memories: list[float] = []
    last, begun, used = None, 0.0, 0.0
    while not shown or time.monotonic() - shown[0][0] < seconds:
        number = screen.number()
        now = time.monotonic()
        if number is not None and number != last:
            shown.append((now, number))
            last = number
        if shown and not begun and now - shown[0][0] > 2:
            begun, used = now, processor(program.pid)
        if shown and now - shown[0][0] > len(memories):
            memories.append(memory(program.pid))
        if program.poll() is not None or (not shown and now - start > 60):
            sys.exit("The program has ended, or shows no picture.")
        time.sleep(0.0007)
    return shown, memories, (processor(program.pid) - used) / (time.monotonic() - begun)


def summary(
    start: float, shown: list[tuple[float, int]], memories: list[float], used: float, taken: np.ndarray
) -> dict[str, Any]:
    period = FPS * 6
    ages = []
    for now, number in shown:
        newest = np.searchsorted(taken, now) - 1  # that the camera had taken by then
        ages.append(now - taken[newest - (newest - number) % period])
    steady = [(now, age) for (now, _), age in zip(shown, ages, strict=True) if now - shown[0][0] > 2]
    times, waits = (np.array(column) for column in zip(*steady, strict=True))
    half = len(waits) // 2
    return {
        "seconds": round(float(times[-1] - times[0]), 1),
        "start_to_first_picture_s": round(shown[0][0] - start, 3),
        "pictures_shown_a_second": round((len(times) - 1) / float(times[-1] - times[0]), 2),
        "age_ms_median": round(1000 * float(np.median(waits)), 1),
        "age_ms_99_of_100": round(1000 * float(np.percentile(waits, 99)), 1),
        "age_ms_first_half": round(1000 * float(waits[:half].mean()), 1),
        "age_ms_second_half": round(1000 * float(waits[half:].mean()), 1),
        "memory_mb_after_10_s": round(memories[min(10, len(memories) - 1)], 1),
        "memory_mb_at_the_end": round(memories[-1], 1),
        "memory_mb_most": round(max(memories), 1),
        "share_of_a_core": round(used, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--picture", type=Path, metavar="PNG", help="save the last picture of the window")
    parser.add_argument("options", nargs="*", help="more options for emotion-cam, after --")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.seconds, arguments.options, arguments.picture), indent=2))


if __name__ == "__main__":
    main()
