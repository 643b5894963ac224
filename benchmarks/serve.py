"""Measures how live the page stays under load: pages that send a webcam's pictures to a real server on loopback.

    python benchmarks/serve.py                           # 1, 4 and 16 pages, a minute each
    python benchmarks/serve.py --pages 4 --seconds 20
    python benchmarks/serve.py -- --pages 16 --workers 2   # more options for emotion-cam serve, after --

The server is a process of its own, and so is this load. Every page does what the page in the browser does: its camera
takes 30 pictures a second of a moving portrait; whenever no frame is under way, it sends the newest one.

The age of the boxes is measured whenever a picture is shown, 30 times a second: the time since the camera took the
picture that the newest boxes belong to. A page that the server refuses is counted, and not measured. The memory is that
of the server, at the beginning and at the end of the measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from portrait import FPS, moving_frames  # noqa: E402

FULL = 1013
WARM_UP = 8.0  # seconds that are not measured: pages that come at the same moment are let in one after the other


def film() -> list[bytes]:
    """The moving portrait as the page sends it: JPEG files."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    return [cv2.imencode(".jpg", frame.image, quality)[1].tobytes() for frame in moving_frames()]


@contextmanager
def server(options: list[str]) -> Iterator[tuple[str, int]]:
    """A running server: its address, and the number of its process."""
    command = [sys.executable, "-m", "emotion_cam", "serve", "--no-browser", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if line.startswith("Serving on ")), None)
        if line is None:
            sys.exit("The server does not start.")
        yield line.split()[-1].replace("http://", "ws://") + "v1/frames", process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@dataclass
class Page:
    """What one page measured; all times are in seconds by the same clock.

    Attributes:
        answers: when an answer came.
        trips: how long each answer took.
        ages: how old the boxes were at each picture that was shown.
        refused: whether the server was full.
    """

    answers: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    refused: bool = False
    taken: float = 0.0  # when the picture of the newest boxes was taken

    async def run(self, address: str, pictures: list[bytes], start: float, end: float) -> None:
        """Behave as a page until a time comes."""
        async with connect(address, compression=None, max_queue=4) as socket:
            showing = asyncio.create_task(self._show(start, end))
            try:
                await self._send(socket, pictures, start, end)
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code != FULL:
                    raise
                self.refused = True
            finally:
                showing.cancel()

    async def _send(self, socket: ClientConnection, pictures: list[bytes], start: float, end: float) -> None:
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        number = -1
        while time.monotonic() < end:
            newest = int((time.monotonic() - start) * FPS)
            if newest == number:  # it was sent already
                await asyncio.sleep(start + (number + 1) / FPS - time.monotonic())
                continue
            number = newest
            taken = start + number / FPS
            sent = time.monotonic()
            await socket.send(struct.pack("<Id", number, number / FPS) + pictures[number % len(pictures)])
            await socket.recv()
            self.taken = taken
            self.answers.append(time.monotonic())
            self.trips.append(self.answers[-1] - sent)

    async def _show(self, start: float, end: float) -> None:
        shown = 0
        while time.monotonic() < end:
            shown = max(shown + 1, int((time.monotonic() - start) * FPS))
            await asyncio.sleep(max(0.0, start + shown / FPS - time.monotonic()))
            if self.taken and time.monotonic() > start + WARM_UP:
                self.ages.append(time.monotonic() - self.taken)


async def measure(address: str, process: int, count: int, seconds: float, pictures: list[bytes]) -> dict[str, Any]:
    """Let some pages run at a time."""
    start = time.monotonic() + 0.2
    end = start + WARM_UP + seconds
    pages = [Page() for _ in range(count)]
    offsets = [index / count / FPS for index in range(count)]  # cameras do not take their pictures at the same moment
    runs = asyncio.gather(
        *(page.run(address, pictures, start + offset, end) for page, offset in zip(pages, offsets, strict=True))
    )
    memories = []
    while not runs.done():
        await asyncio.wait([runs], timeout=1)
        if time.monotonic() > start + WARM_UP and not runs.done():
            memories.append(memory(process))
    memories.append(memory(process))
    await runs
    return summary(pages, start + WARM_UP, seconds, memories)


def summary(pages: list[Page], start: float, seconds: float, memories: list[float]) -> dict[str, Any]:
    """The figures of some pages.

    Args:
        pages: what they measured.
        start: when the measurement began.
        seconds: how long it lasted.
        memories: the memory of the server in MB, every second of the measurement.
    """
    served = [page for page in pages if not page.refused]
    rates = [sum(answer >= start for answer in page.answers) / seconds for page in served]
    ages = np.concatenate([page.ages for page in served] or [[0.0]])
    trips = np.concatenate([page.trips for page in served] or [[0.0]])
    return {
        "pages": len(pages),
        "served": len(served),
        "refused": len(pages) - len(served),
        "answers_a_second_least": round(min(rates, default=0.0), 1),
        "answers_a_second_mean": round(float(np.mean(rates or [0.0])), 1),
        "age_ms_median": round(1000 * float(np.median(ages)), 1),
        "age_ms_99_of_100": round(1000 * float(np.percentile(ages, 99)), 1),
        "round_trip_ms_median": round(1000 * float(np.median(trips)), 1),
        "memory_mb_first": round(memories[0], 1),
        "memory_mb_last": round(memories[-1], 1),
    }


def memory(process: int) -> float:
    """Resident memory in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pages", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("options", nargs="*", help="more options for emotion-cam serve, after --")
    arguments = parser.parse_args()
    pictures = film()
    figures = []
    with server(arguments.options) as (address, process):
        for count in arguments.pages:
            figures.append(asyncio.run(measure(address, process, count, arguments.seconds, pictures)))
            time.sleep(1)
    print(json.dumps({"cores": os.cpu_count(), "runs": figures}, indent=2))


if __name__ == "__main__":
    main()
