"""Many videos on the command line: bars while they run, a line for each as it ends, and a count at the end."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.batch import Outcome, Running, expand, is_done, run_all
from emotion_cam.cli.console import FAILED, INTERRUPTED, one_line, plain, progress_bar, show_error, stdout
from emotion_cam.cli.run import lines_of
from emotion_cam.pipeline import RunSpec

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def run_batch(spec: RunSpec, workers: int, *, resume: bool) -> None:
    """Run every video of a spec, so many at a time; with ``resume`` only those whose outputs do not exist yet.

    Exits with FAILED if a video failed, and with INTERRUPTED after Ctrl-C.
    """
    specs = expand(spec)
    waiting, outcomes = [], []
    for one in specs:
        if resume and is_done(one):
            stdout.print(f"Skipped {one_line(one.input.video[0])}: its outputs exist", markup=False)
        else:
            waiting.append(one)
    with _interruption() as is_interrupted, progress_bar("frames/s") as progress:
        bars = _Bars(progress)
        for outcome in run_all(waiting, workers, is_stopped=is_interrupted, on_progress=bars):
            for line in lines_of(outcome.summary, "frame", f"{one_line(outcome.video)}: "):
                print(line, flush=True)  # Rich redirects it, and so keeps its bars below
            outcomes.append(outcome)
        was_interrupted = is_interrupted()
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in dict.fromkeys(errors):  # an error that names no video is the same for all of them
        show_error(error)
    stdout.print(_count(outcomes, total=len(specs), skipped=len(specs) - len(waiting)))
    if was_interrupted:
        sys.exit(INTERRUPTED)
    if errors:
        sys.exit(FAILED)


def _count(outcomes: Sequence[Outcome], *, total: int, skipped: int) -> str:
    failed = sum(outcome.error is not None for outcome in outcomes)
    stopped = sum(outcome.stopped for outcome in outcomes)
    counts = {
        "done": len(outcomes) - failed - stopped,
        "skipped": skipped,
        "failed": failed,
        "stopped": stopped,
        "not begun": total - skipped - len(outcomes),
    }
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{total} video{'' if total == 1 else 's'}: {parts}"


@contextlib.contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Gives a function that is true after Ctrl-C or a termination; neither interrupts anything meanwhile."""
    interrupted = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: interrupted.set()) for number in signals}
    try:
        yield interrupted.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Bars:
    """A progress bar for each video that is being processed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, running: Sequence[Running]) -> None:
        for ended in self._tasks.keys() - {one.video for one in running}:
            self._progress.remove_task(self._tasks.pop(ended))
        for video, frames, total in running:
            if video not in self._tasks:
                self._tasks[video] = self._progress.add_task(plain(Path(video).name), total=None)
            self._progress.update(self._tasks[video], completed=frames, total=total)
