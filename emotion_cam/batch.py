"""Several videos: a Job for each, and processes that do so many of them at a time.

A process works on one video after the other, so that one which crashes, as damaged files and too little memory can
make it, takes down its own video only.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from emotion_cam.errors import EmotionCamError, SinkError, SourceError, sentence
from emotion_cam.pipeline import NAME, Job, Outcome, do, named, open_recognizer, refuse_twice
from emotion_cam.sinks import check_suffix, partial_of, spare
from emotion_cam.sources import Source, videos_in

_PAUSE = 0.2  # seconds between two looks at how far the processes are


# What is to be done


def jobs_for(job: Job, videos: Sequence[str]) -> list[Job]:
    """The job for each of several videos, which are files and folders of files.

    Args:
        job: what all of them have in common; in its outputs NAME stands for the name of each video, and a folder takes
            an annotated video under that name.
        videos: in the order wanted; a file that comes twice is done once.

    Raises:
        SourceError: a folder cannot be read or holds no video, or one of them is a stream.
        SinkError: nothing is written under a suffix, two outputs would be one file, or one of them a video of these.
    """
    files = _files(videos)
    jobs = [replace(job, video=str(file), out=tuple(_output(path, file) for path in job.out)) for file in files]
    writer: dict[str, Job] = {}
    for one in jobs:
        refuse_twice(one.out)
        for path in one.out:
            check_suffix(path)
            other = writer.setdefault(os.path.normcase(path.resolve()), one)
            if other is not one:
                same = Path(str(one.video)).stem == Path(str(other.video)).stem
                advice = "rename one of them" if same else f"put {NAME} into --out, for the name of each"
                raise SinkError(f"{other.video} and {one.video} would both be written to {path}: {advice}.")
    spare(files, *(path for one in jobs for path in one.out))
    return jobs


def is_done(job: Job) -> bool:
    """Whether every output is there; each gets its name when it is whole."""
    return all(path.is_file() for path in job.out)


def _files(videos: Sequence[str]) -> list[Path]:
    if any("://" in video for video in videos):
        raise SourceError("A stream has no end to wait for: give it without other videos, and without --resume.")
    paths = [Path(video) for video in videos]
    found: dict[Path, Path] = {}
    for path in paths:
        for file in videos_in(path) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _output(path: Path, video: Path) -> Path:
    return named(path / f"{NAME}.mp4" if path.is_dir() or not path.suffix else path, video)


# Doing it


@dataclass(frozen=True)
class Ending:
    """How a job ended: well, with an error, or stopped.

    Attributes:
        job: the job.
        outcome: what it came to until then.
        error: what went wrong, in a sentence; None if nothing did.
        stopped: whether it was to stop before it was whole.
    """

    job: Job
    outcome: Outcome
    error: str | None = None
    stopped: bool = False


class Running(NamedTuple):
    """How far a job is: ``frames`` of a ``total``, which is None if nobody knows."""

    job: Job
    frames: int
    total: int | None


def do_all(
    jobs: Sequence[Job],
    workers: int,
    *,
    stopped: Callable[[], bool] = lambda: False,
    watch: Callable[[Sequence[Running]], None] = lambda running: None,
    tell: Callable[[str], None] = lambda message: None,
) -> Iterator[Ending]:
    """Do jobs, so many at a time, and give the ending of each as it comes; a failure of one does not stop the rest.

    Outputs get their names when the whole video is in them; of a job that fails or is stopped, NAME.partial.SUFFIX
    is left. Folders of outputs that are not there are made.

    Args:
        jobs: they differ in nothing but videos and outputs.
        workers: how many to do at a time, each in a process of its own.
        stopped: tells whether to stop: those that have begun end with their next frame, and no other begins.
        watch: is shown the jobs that have begun, several times a second.
        tell: is told in a sentence if something is fetched for all of them.

    Raises:
        EmotionCamError: what would be wrong with all of them.
        OSError: a folder cannot be made.
    """
    if not jobs:
        return
    open_recognizer(jobs[0], tell)
    for folder in {path.parent for job in jobs for path in job.out}:
        folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # a fork would not survive OpenCV's and FFmpeg's threads
    stop = context.Event()
    idle = [_Worker(context, stop) for _ in range(min(workers, len(jobs)))]
    waiting = deque(jobs)
    with contextlib.ExitStack() as stack:
        for worker in idle:
            stack.callback(worker.close)
        stack.callback(stop.set)
        busy: dict[Future[Ending], _Worker] = {}
        while waiting or busy:
            if stopped():
                stop.set()
                waiting.clear()
            while idle and waiting:
                worker = idle.pop()
                busy[worker.begin(waiting.popleft())] = worker
            ended, _ = wait(busy, _PAUSE, FIRST_COMPLETED)
            watch([worker.running for worker in busy.values()])
            for future in ended:
                worker = busy.pop(future)
                idle.append(worker)
                yield worker.ending(future)


class _Shared(NamedTuple):
    """What a process has in common with the one that started it."""

    stop: Event
    frames: Synchronized[int]
    total: Synchronized[int]


class _Worker:
    """A process for one job after the other; where it crashed, a new one does the next."""

    def __init__(self, context: SpawnContext, stop: Event) -> None:
        self._context = context
        self._shared = _Shared(stop, context.Value("q"), context.Value("q"))
        self._pool = self._new_pool()

    def begin(self, job: Job) -> Future[Ending]:
        self._job = job
        self._shared.frames.value = self._shared.total.value = 0
        with _uninterrupted():
            try:
                return self._pool.submit(_work, job)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                return self._pool.submit(_work, job)

    @property
    def running(self) -> Running:
        return Running(self._job, self._shared.frames.value, self._shared.total.value or None)

    def ending(self, future: Future[Ending]) -> Ending:
        try:
            return future.result()
        except BrokenProcessPool:
            why = "was left unfinished: its process crashed or was ended, perhaps for lack of memory."
            return Ending(self._job, Outcome(), f"{self._job.video} {why}")
        except Exception as error:  # a mistake of ours, which is no reason to lose the other videos
            return Ending(self._job, Outcome(), f"{self._job.video} was left unfinished: {error!r}.")

    def close(self) -> None:
        self._pool.shutdown()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _set_up, (self._shared,))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that are started meanwhile leave Ctrl-C, which the terminal sends to all of them, to this one."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a process of its own

_shared: _Shared


class _StoppedError(Exception):
    """A job is to stop. Sinks take it for a failure, and so give no final name to what is not whole."""


def _set_up(shared: _Shared) -> None:
    global _shared  # noqa: PLW0603 - there is no other way from a process's start to its jobs
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals cannot be blocked
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Where the parent was killed, nothing else would end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> Ending:
    outcome = Outcome()
    try:
        do(job, outcome, progress=_progress)
    except _StoppedError:
        return Ending(job, outcome, stopped=True)
    except (EmotionCamError, OSError) as error:
        return Ending(job, outcome, sentence(error))
    for path in job.out:
        partial_of(path).unlink(missing_ok=True)  # of a run before, which this one has made good
    return Ending(job, outcome)


@contextlib.contextmanager
def _progress(source: Source) -> Iterator[Callable[[], None]]:
    def advance() -> None:
        if _shared.stop.is_set():
            raise _StoppedError
        _shared.frames.value += 1

    if _shared.stop.is_set():
        raise _StoppedError
    _shared.total.value = source.frame_count or 0
    yield advance
