"""Many videos: a RunSpec for each, and processes that execute some of them at a time.

A process works on one video after the other. If one crashes, as damaged files or too little memory can cause, only
its current video is lost.
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

from emotion_cam.errors import EmotionCamError, SinkError, SourceError, message_of
from emotion_cam.files import partial_path
from emotion_cam.pipeline import RunSpec, RunSummary, execute
from emotion_cam.sinks.registry import check_suffix, refuse_inputs
from emotion_cam.sinks.spec import NAME, refuse_duplicates
from emotion_cam.sources.address import is_address
from emotion_cam.sources.base import Source
from emotion_cam.sources.spec import STDIN
from emotion_cam.sources.video import videos_in

_PAUSE = 0.2  # seconds between two looks at the progress of the processes


# From one spec to one for each video


def expand(spec: RunSpec) -> list[RunSpec]:
    """A spec for each of the videos of a spec.

    Args:
        spec: its input is videos, each a file or a folder of files. In its outputs, NAME stands for the name of each
            video, and a folder receives an annotated video under that name.

    Returns:
        The specs in the order of the videos; a file that is given twice comes once.

    Raises:
        SourceError: a folder cannot be read or has no video, or one of the videos is a stream.
        SinkError: nothing is written under a suffix, two outputs are the same file, or one of them is an input.
    """
    files = _files(spec.input.video)
    specs = [_for_video(spec, file) for file in files]
    writer: dict[str, RunSpec] = {}
    for one in specs:
        refuse_duplicates(one.output.out)
        for path in one.output.out:
            check_suffix(path)
            other = writer.setdefault(os.path.normcase(os.path.realpath(path)), one)
            if other is not one:
                same = Path(_video(one)).stem == Path(_video(other)).stem
                advice = "rename one of them" if same else f"put {NAME} into `out`, for the name of each"
                raise SinkError(f"{_video(other)} and {_video(one)} would both be written to {path}: {advice}.")
    refuse_inputs(files, *(path for one in specs for path in one.output.out))
    return specs


def is_done(spec: RunSpec) -> bool:
    """Whether every output exists; each gets its name only when it is whole."""
    return all(path.is_file() for path in spec.output.out)


def _video(spec: RunSpec) -> str:
    return spec.input.video[0]


def _files(videos: Sequence[str]) -> list[Path]:
    if any(is_address(video) or video == STDIN for video in videos):
        raise SourceError("A stream or a pipe cannot be repeated: give it without other videos, and without `resume`.")
    paths = [Path(video) for video in videos]
    found: dict[str, Path] = {}
    for path in paths:
        for file in videos_in(path) if path.is_dir() else [path]:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _for_video(spec: RunSpec, file: Path) -> RunSpec:
    folders = [path / f"{NAME}.mp4" if path.is_dir() or not path.suffix else path for path in spec.output.out]
    output = replace(spec.output, out=tuple(folders))
    output = replace(output, out=output.named_after(file))
    return replace(spec, input=replace(spec.input, video=(str(file),)), output=output)


# Execution


@dataclass(frozen=True)
class Outcome:
    """How a run ended: well, with an error, or stopped.

    Attributes:
        spec: the run.
        summary: what it had produced by then.
        error: what went wrong; None if nothing did.
        stopped: whether it was stopped before it was whole.
    """

    spec: RunSpec
    summary: RunSummary
    error: str | None = None
    stopped: bool = False

    @property
    def video(self) -> str:
        """The video's path."""
        return _video(self.spec)


class Running(NamedTuple):
    """The progress of a run: ``frames`` of a ``total``, which is None if it is unknown."""

    video: str
    frames: int
    total: int | None


def run_all(
    specs: Sequence[RunSpec],
    workers: int,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Sequence[Running]], None] = lambda running: None,
) -> Iterator[Outcome]:
    """Execute runs, several at a time, and yield the outcome of each as it ends; one failure does not stop the rest.

    Outputs get their names when the whole video is in them. A run that fails or is stopped leaves
    NAME.partial.SUFFIX. Missing folders of outputs are made.

    Args:
        specs: they differ in nothing but videos and outputs.
        workers: how many to execute at a time, each in a process of its own.
        is_stopped: whether to stop: runs that have begun end with their next frame, and no other begins.
        on_progress: is called several times a second with the runs that have begun.

    Raises:
        EmotionCamError: an error that all of them would have.
        OSError: a folder cannot be made.
    """
    if not specs:
        return
    specs[0].models.open()
    for folder in {path.parent for spec in specs for path in spec.output.out}:
        folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # a fork would not survive OpenCV's and FFmpeg's threads
    stop = context.Event()
    idle = [_Worker(context, stop) for _ in range(min(workers, len(specs)))]
    waiting = deque(specs)
    with contextlib.ExitStack() as stack:
        for worker in idle:
            stack.callback(worker.close)
        stack.callback(stop.set)
        busy: dict[Future[Outcome], _Worker] = {}
        while waiting or busy:
            if is_stopped():
                stop.set()
                waiting.clear()
            while idle and waiting:
                worker = idle.pop()
                busy[worker.begin(waiting.popleft())] = worker
            ended, _ = wait(busy, _PAUSE, FIRST_COMPLETED)
            on_progress([worker.running for worker in busy.values()])
            for future in ended:
                worker = busy.pop(future)
                idle.append(worker)
                yield worker.outcome(future)


class _Shared(NamedTuple):
    """What a process shares with the one that started it."""

    stop: Event
    frames: Synchronized[int]
    total: Synchronized[int]


class _Worker:
    """A process for one run after the other; after a crash, a new process executes the next."""

    def __init__(self, context: SpawnContext, stop: Event) -> None:
        self._context = context
        self._shared = _Shared(stop, context.Value("q"), context.Value("q"))
        self._pool = self._new_pool()

    def begin(self, spec: RunSpec) -> Future[Outcome]:
        self._spec = spec
        self._shared.frames.value = self._shared.total.value = 0
        with _signals_blocked():
            try:
                return self._pool.submit(_work, spec)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                return self._pool.submit(_work, spec)

    @property
    def running(self) -> Running:
        return Running(_video(self._spec), self._shared.frames.value, self._shared.total.value or None)

    def outcome(self, future: Future[Outcome]) -> Outcome:
        try:
            return future.result()
        except BrokenProcessPool:
            reason = "was left unfinished: its process crashed or was killed, perhaps for lack of memory."
            return Outcome(self._spec, RunSummary(), f"{_video(self._spec)} {reason}")
        except Exception as error:  # a bug of ours, which is no reason to lose the other videos
            return Outcome(self._spec, RunSummary(), f"{_video(self._spec)} was left unfinished: {error!r}.")

    def close(self) -> None:
        self._pool.shutdown()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _set_up, (self._shared,))


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Processes started meanwhile ignore Ctrl-C, which the terminal sends to all; the parent process handles it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Inside a worker process

_shared: _Shared


class _StoppedError(Exception):
    """A run must stop. Sinks treat it as a failure, so that nothing incomplete gets a final name."""


def _set_up(shared: _Shared) -> None:
    global _shared  # noqa: PLW0603 - a process has no other place for what its runs share
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals cannot be blocked
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """If the parent is killed, nothing else ends this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(spec: RunSpec) -> Outcome:
    summary = RunSummary()
    try:
        execute(spec, summary, progress=_progress)
    except _StoppedError:
        return Outcome(spec, summary, stopped=True)
    except (EmotionCamError, OSError) as error:
        return Outcome(spec, summary, message_of(error))
    for path in spec.output.out:
        partial_path(path).unlink(missing_ok=True)  # left by an earlier run, and made good now
    return Outcome(spec, summary)


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
