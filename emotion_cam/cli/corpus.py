"""The command that works on a corpus of videos: a bar, failures as they come, and a count at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from emotion_cam.cli.console import FAILED, one_line, show_error, stderr, stdout, usage_checked
from emotion_cam.corpus.spec import CorpusSpec
from emotion_cam.drawing.view import View
from emotion_cam.recognition.spec import ModelSpec

if TYPE_CHECKING:
    from rich.progress import Progress, Task

    from emotion_cam.corpus.manifest import Entry
    from emotion_cam.corpus.plan import Plan
    from emotion_cam.corpus.run import Totals


def corpus(
    *places: Path,
    corpus: Annotated[CorpusSpec, Parameter(name="*", group=Group("Data set", sort_key=1))],
    dry_run: Annotated[bool, Parameter(group=Group("Data set", sort_key=1))] = False,
    view: Annotated[View, Parameter(name="*", group=Group("View", sort_key=3))] = View(),
    models: Annotated[ModelSpec, Parameter(name="*", group=Group("Recognition", sort_key=4))] = ModelSpec(),
) -> None:
    """Recognize the faces of many videos, on one machine or on many, into one data set. Needs the extra “cluster”.

    The data set is Parquet files. The same command again does only what is new, changed or failed.

    Args:
        places: Folders, which are searched with all folders below them; videos; or lists of videos (.csv, .parquet)
            with a column “path” and any columns of your own.
        dry_run: Only say what would be done.
    """
    from emotion_cam.corpus import check_extra

    check_extra()
    if not places:
        with usage_checked():
            raise ValueError("No place: name a folder, a video, or a list of videos.")
    from emotion_cam.corpus.run import Totals, prepare, run_corpus
    from emotion_cam.corpus.settings import Work

    work = Work(models, view, corpus.also, corpus.split_seconds)
    if dry_run:
        _show_plan(prepare(places, corpus, work))
        return
    totals = Totals()
    watch = _Watch()
    try:
        run_corpus(places, corpus, work, watch, totals)
    except KeyboardInterrupt:
        stderr.print("Stopped. What is done is kept, and the same command goes on.", markup=False)
        raise
    finally:
        watch.close()
        if watch.has_plan:
            stdout.print(_count(totals, watch.damaged), markup=False)
    if totals.failed or watch.damaged:
        sys.exit(FAILED)


def _show_plan(made: Plan) -> None:
    for job, _ in made.jobs:
        stdout.print(one_line(job.path), markup=False)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.reasons.items()))
    stdout.print(
        f"{len(made.jobs)} to do{f' ({reasons})' if reasons else ''}, {made.unchanged} unchanged", markup=False
    )
    if made.damaged:
        stdout.print(f"{len(made.damaged)} damaged; --retry tries them again", markup=False)


def _count(totals: Totals, damaged: int) -> str:
    counts = {
        "done": totals.done,
        "unchanged": totals.unchanged + totals.same,
        "failed": totals.failed,
        "damaged before": damaged,
        "left": totals.left,
    }
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    total = sum(counts.values())
    line = f"{total} video{'' if total == 1 else 's'}: {parts}"
    if totals.duration:
        speed = totals.duration / totals.took
        line += f"; {totals.duration / 3600:.2f} hours of video in {totals.took:.1f} s, {speed:.1f} times real time"
    return line


class _Watch:
    """Shows how a run goes."""

    def __init__(self) -> None:
        self.damaged = 0
        self.has_plan = False
        self._bar: Progress | None = None

    def planned(self, made: Plan) -> None:
        self.has_plan = True
        self.damaged = len(made.damaged)
        for entry in made.damaged:
            show_error(f"{entry.error} (--retry tries it again)")
        self._bytes = sum(size for _, size in made.jobs)
        self._videos = len(made.jobs)

    def started(self, dashboard: str | None) -> None:
        if dashboard:
            stderr.print(f"Dask's page: {dashboard}", markup=False)
        self._bar = _bar()
        self._bar.start()
        # The sizes of the files say best how much work is left; their lengths are not known.
        self._task = self._bar.add_task("", total=self._bytes, ended=0, videos=self._videos, seconds=0.0)

    def ended(self, entry: Entry, size: int) -> None:
        if entry.result != "done":
            show_error(entry.error or "")
        if self._bar is not None:
            fields = self._bar.tasks[0].fields
            seconds = fields["seconds"] + entry.duration
            self._bar.update(self._task, advance=size, ended=fields["ended"] + 1, seconds=seconds)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Progress:
    """A bar for all videos: how many, hours, times real time, and the time left."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TimeRemainingColumn
    from rich.text import Text

    class Videos(ProgressColumn):
        def render(self, task: Task) -> Text:
            seconds, elapsed = task.fields["seconds"], task.elapsed or 0.0
            speed = f", {seconds / elapsed:.0f}× real time" if elapsed > 1 else ""
            return Text(f"{task.fields['ended']}/{task.fields['videos']} videos, {seconds / 3600:.2f} h{speed}")

    return Progress(
        BarColumn(),
        Videos(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        redirect_stdout=stdout.is_terminal,
        disable=not stderr.is_terminal,
    )
