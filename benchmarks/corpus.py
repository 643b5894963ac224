"""What a corpus costs, and what it survives.

    python benchmarks/corpus.py                    2,000 short clips: overhead for each, and a second run
    python benchmarks/corpus.py --kills 5          the same, killed five times, compared row for row
    python benchmarks/corpus.py --stop-worker      two workers over TCP with a scheduler of their own, one stopped
    python benchmarks/corpus.py --pairs 3          two workers against one, in turns; longer clips with --frames 100
    python benchmarks/corpus.py --start            the start of a run with two workers, with Dask and without
    python benchmarks/corpus.py --nothing 100000   calls that do nothing through the engine

``--clips 20`` makes any of them shorter. Clips are made in a temporary folder, or in the one of ``--folder``. Figures
need a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.dataset
from skimage.data import astronaut

from emotion_cam.corpus.engine import Call, Engine
from emotion_cam.corpus.manifest import Manifest
from emotion_cam.corpus.settings import Work
from emotion_cam.corpus.work import recognize_all
from emotion_cam.sources.video import VideoSource

BROKEN = 50
"""Every how many clips one is broken."""


def make_clips(folder: Path, count: int, frames: int = 10) -> None:
    """Clips with a face that moves, 10 frames a second; every 50th is cut off."""
    folder.mkdir()
    portrait = np.ascontiguousarray(astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    kinds = []
    for kind in range(8):
        path = folder / "clip.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for index in range(frames):
                left = 50 + 2 * kind + abs(index % 40 - 20)
                image = np.ascontiguousarray(portrait[20:260, left : left + 320])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode())
        kinds.append(path.read_bytes())
        path.unlink()
    for number in range(count):
        content = kinds[number % len(kinds)]
        if number % BROKEN == BROKEN - 1:
            content = content[:3000]
        else:  # each file has content of its own: an empty box at its end, with a number in it
            content += (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
        (folder / f"{number:06}.mp4").write_bytes(content)


def command(clips: Path, dataset: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "emotion_cam", "corpus", str(clips), "--out", str(dataset), *more]


def run(clips: Path, dataset: Path, *more: str) -> tuple[float, str]:
    """Run the command to its end; returns the seconds it took and its last line."""
    began = time.perf_counter()
    ended = subprocess.run(command(clips, dataset, *more), capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1) or not ended.stdout:
        sys.exit(ended.stderr)
    return time.perf_counter() - began, ended.stdout.splitlines()[-1]


def rows_of(dataset: Path) -> pa.Table:
    """All rows, in order."""
    table = pyarrow.dataset.dataset(dataset / "faces", schema=None, format="parquet").to_table()
    return table.sort_by([(name, "ascending") for name in ("path", "frame", "face", "task")])


def compare(dataset: Path, with_dataset: Path) -> None:
    """Say whether two data sets are equal, row for row; exit if they are not."""
    rows, others = rows_of(dataset), rows_of(with_dataset)
    if not rows.equals(others):
        sys.exit(f"The data sets differ: {len(rows)} and {len(others)} rows.")
    results = [
        {entry.id: entry.result for entry in Manifest(each).entries.values()} for each in (dataset, with_dataset)
    ]
    if results[0] != results[1]:
        sys.exit("The manifests differ.")
    print(f"The data sets are equal: {len(rows)} rows of {len(results[0])} videos")


def plain_milliseconds(clips: Path, count: int) -> tuple[float, float]:
    """What a clip takes without engine, manifest and data set, in this process: median over clips, and of a core."""
    work, times, used = Work(), [], []
    for path in sorted(clips.glob("*.mp4"))[: count + 1]:
        if int(path.stem) % BROKEN == BROKEN - 1:
            continue
        began, used_before = time.perf_counter(), time.process_time()
        with VideoSource(path) as source:
            recognize_all(work, source, [])
        times.append(time.perf_counter() - began)
        used.append(time.process_time() - used_before)
    return 1000 * statistics.median(times[1:]), 1000 * statistics.median(used[1:])  # the first loads the models


def start(clips: Path, folder: Path) -> None:
    """A run over two clips with two workers: what it takes to start, with Dask and with the processes of ``--jobs``."""
    plain = [
        sys.executable,
        "-m",
        "emotion_cam",
        "--video",
        str(clips),
        "--jobs",
        "2",
        "--out",
        str(folder / "{name}.csv"),
    ]
    for name, arguments in (("with Dask", command(clips, folder / "start", "--jobs", "2")), ("without", plain)):
        before, began = _cpu_of_children(), time.perf_counter()
        subprocess.run(arguments, capture_output=True, check=True)
        print(f"{name}: {time.perf_counter() - began:.2f} s, {_cpu_of_children() - before:.2f} s of a core")


def _cpu_of_children() -> float:
    """The seconds of a core that the processes took which this one has started, as far as they have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def overhead(clips: Path, folder: Path, count: int) -> None:
    before = _cpu_of_children()
    start, _ = run(clips / "000000.mp4", folder / "one", "--jobs", "2")
    start_cpu = _cpu_of_children() - before
    took, line = run(clips, folder / "whole", "--jobs", "2")
    cpu = 1000 * (_cpu_of_children() - before - 2 * start_cpu) / count
    print(line)
    entries = [entry for entry in Manifest(folder / "whole").entries.values() if entry.result == "done"]
    inside = 1000 * statistics.median(entry.took for entry in entries)
    plain, plain_cpu = plain_milliseconds(clips, min(count, 60))
    each = 1000 * 2 * (took - start) / count
    print(f"start and end, with one clip: {start:.2f} s")
    print(
        f"a clip, plain: {plain:.1f} ms; in a worker, with its rows: {inside:.1f} ms; in all: {each:.1f} ms of a worker"
    )
    print(f"overhead of engine, manifest and data set: {each - plain:.1f} ms a clip")
    print(f"of a core: a clip, plain: {plain_cpu:.1f} ms; in all: {cpu:.1f} ms; overhead: {cpu - plain_cpu:.1f} ms")
    again, line = run(clips, folder / "whole", "--jobs", "2")
    print(f"the same command again: {again:.2f} s ({line})")


def pairs(clips: Path, folder: Path, count: int) -> None:
    """Two workers against one, in turns."""
    ratios = []
    for number in range(count):
        one, two = (run(clips, folder / f"{jobs}-{number}", "--jobs", str(jobs))[0] for jobs in (1, 2))
        ratios.append(one / two)
        print(f"one worker {one:.1f} s, two workers {two:.1f} s: {one / two:.2f} times the videos an hour")
    print(f"median: {statistics.median(ratios):.2f}")


class Cluster:
    """A scheduler and two workers, each in a process of its own, over TCP."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scheduler = self._start_scheduler(0)
        self.port = int(self.address.rpartition(":")[2])
        self.workers = [self._start_worker() for _ in range(2)]

    def _start_scheduler(self, port: int) -> subprocess.Popen[bytes]:
        log = self._folder / "scheduler.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port),
                 "--no-dashboard"], stderr=file, env=ENVIRONMENT,
            )  # fmt: skip
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text(encoding="utf-8"))):
            if process.poll() is not None:
                sys.exit(log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        self.address = found[1]
        return process

    def _start_worker(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-dashboard",
             "--death-timeout", "300"], stderr=subprocess.DEVNULL, cwd=self._folder,
        )  # fmt: skip

    def mend(self) -> None:
        """Start again what is not running."""
        if self.scheduler.poll() is not None:
            for worker in self.workers:
                _kill(worker)
            self.scheduler = self._start_scheduler(self.port)
        self.workers = [worker if worker.poll() is None else self._start_worker() for worker in self.workers]

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            _kill(process)


ENVIRONMENT = {
    **os.environ,
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10",
}
"""The settings of the scheduler that docs/corpus.md recommends."""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()


def kills(clips: Path, folder: Path, count: int, seed: int) -> None:
    """Kill something at random, so many times, and run the same command until it ends by itself."""
    chance, cluster, dataset = random.Random(seed), Cluster(folder), folder / "killed"
    total = sum(1 for _ in clips.glob("*.mp4"))
    # The work is divided, so that every kill comes in the middle of it.
    limits = deque(int(total * (number + 1) / (count + 1)) for number in range(count))
    try:
        while True:
            process = subprocess.Popen(
                command(clips, dataset, "--scheduler", cluster.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            while process.poll() is None:
                if limits and _lines(dataset) > limits[0]:
                    limits.popleft()
                    _kill_one(chance, cluster, process)
                time.sleep(0.05)
            out, error = process.communicate()
            for line in error.decode().splitlines():
                if "scheduler" in line or "killed" in line:
                    print("  ", line)
            if process.returncode in (0, 1) and b" videos: " in out and b" left" not in out:
                print(out.decode().strip())
                break
            cluster.mend()
    finally:
        cluster.close()
    compare(folder / "whole", dataset)


def _lines(dataset: Path) -> int:
    path = dataset / "manifest.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _kill_one(chance: random.Random, cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    what = chance.choice(["a worker", "the scheduler", "the command"])
    print(f"SIGKILL to {what}")
    if what == "the scheduler":
        _kill(cluster.scheduler)
    elif what == "the command":
        process.send_signal(signal.SIGKILL)
    else:
        _kill(chance.choice(cluster.workers))
        cluster.mend()


def stop_worker(clips: Path, folder: Path) -> None:
    """Stop one of two workers in the middle."""
    cluster, dataset = Cluster(folder), folder / "stopped"
    total = sum(1 for _ in clips.glob("*.mp4"))
    try:
        with subprocess.Popen(
            command(clips, dataset, "--scheduler", cluster.address), stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and _lines(dataset) < total / 2:
                time.sleep(0.05)
            print(f"SIGTERM to a worker after {_lines(dataset) - 1} videos")
            cluster.workers[0].terminate()
    finally:
        cluster.close()
    compare(folder / "whole", dataset)


def nothing(count: int) -> None:
    """Calls that do nothing: what the engine costs for each, and what the scheduler holds."""
    with Engine(2) as engine:
        memory, began, used = _memory(), time.perf_counter(), time.process_time()
        ended = sum(1 for _ in engine.run(deque(Call(abs, (number,)) for number in range(count))))
        took, used = time.perf_counter() - began, time.process_time() - used
        print(f"{ended} calls in {took:.1f} s: {1000 * took / count:.2f} ms each")
        print(f"client and scheduler: {1000 * used / count:.2f} ms of a core each")
        print(f"memory of client and scheduler: {memory:.0f} MB before, at most {_memory():.0f} MB")


def _memory() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=10, help="of each clip, 10 a second")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop-worker", action="store_true")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--nothing", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.nothing:
        nothing(given.nothing)
        return
    with _place(given.folder) as folder:
        clips = folder / "clips"
        make_clips(clips, 2 if given.start else given.clips, given.frames)
        if given.start:
            start(clips, folder)
            return
        if given.pairs:
            pairs(clips, folder, given.pairs)
            return
        overhead(clips, folder, given.clips)
        if given.kills:
            kills(clips, folder, given.kills, given.seed)
        if given.stop_worker:
            stop_worker(clips, folder)


if __name__ == "__main__":
    main()
