"""The main command: recognize the faces of a camera, a video or pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from emotion_cam.cli.console import (
    UsageError,
    interruptible_at_once,
    one_line,
    source_progress,
    stderr,
    stdout,
    usage_checked,
)
from emotion_cam.drawing.view import View
from emotion_cam.pipeline import RunSpec, RunSummary, execute
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.sinks.spec import STDOUT, OutputSpec
from emotion_cam.sources.spec import InputSpec

_MANY = Group("Many videos", sort_key=5)


def run(
    *,
    input: Annotated[InputSpec, Parameter(name="*", group=Group("Input", sort_key=1))] = InputSpec(),  # noqa: A002
    output: Annotated[OutputSpec, Parameter(name="*", group=Group("Output", sort_key=2))] = OutputSpec(),
    view: Annotated[View, Parameter(name="*", group=Group("View", sort_key=3))] = View(),
    models: Annotated[ModelSpec, Parameter(name="*", group=Group("Recognition", sort_key=4))] = ModelSpec(),
    jobs: Annotated[int, Parameter(group=_MANY)] = 1,
    resume: Annotated[bool, Parameter(group=_MANY)] = False,
) -> None:
    """Show, live and on an ordinary laptop, the emotion and perceived gender of each face.

    Args:
        jobs: How many videos to process at a time.
        resume: Skip the videos whose outputs exist already.
    """
    with usage_checked():
        spec = RunSpec(input, models, view, output)
    if resume and not input.video:
        raise UsageError("`resume` is for video files.")
    if jobs < 1:
        raise UsageError(f"`jobs` must be at least 1, not {jobs}.")
    if resume or len(input.video) > 1 or any(Path(video).is_dir() for video in input.video):
        if not output.is_files_only:
            raise UsageError("Several videos can only be written to files, as with `out` and a folder.")
        from emotion_cam.cli.batch import run_batch

        run_batch(spec, jobs, resume=resume)
    else:
        _run_one(spec)


def _run_one(spec: RunSpec) -> None:
    if spec.input.video:
        with usage_checked():  # an address may be none
            spec = replace(spec, output=replace(spec.output, out=spec.output.named_after(spec.input.video[0])))
    _import_all()
    summary = RunSummary()
    # JSON Lines on standard output are for another program: everything else goes to standard error.
    streams = STDOUT in spec.output.out
    try:
        execute(spec, summary, progress=partial(source_progress, shown=not (streams and stdout.is_terminal)))
    finally:
        lines = outputs(summary) if streams else lines_of(summary, "frame" if spec.input.image is None else "picture")
        for line in lines:
            (stderr if streams else stdout).print(line, markup=False)


def _import_all() -> None:
    """Import what every run needs."""
    with interruptible_at_once():
        import emotion_cam.loop
        import emotion_cam.recognition.recognizer
        import emotion_cam.sources.video  # noqa: F401


def lines_of(summary: RunSummary, unit: str, prefix: str = "") -> Iterator[str]:
    """What a run produced, in lines for people.

    Args:
        summary: the run.
        unit: "frame" or "picture".
        prefix: what the first line begins with.
    """
    if summary.frames == 1:
        faces = [
            ", ".join(f"{p.label} {p.score:.0%}" if p.is_sure else p.label for p in face.predictions.values())
            for face in summary.faces
        ]
        count = f"{len(faces)} face" + ("" if len(faces) == 1 else "s")
        yield f"{prefix}1 {unit}, " + ": ".join([count, *filter(None, ["; ".join(faces)])])
    elif summary.frames:
        yield f"{prefix}{summary.frames} {unit}s, {summary.frames_with_face} of them with a face"
    yield from outputs(summary)


def outputs(summary: RunSummary) -> Iterator[str]:
    """A line for each file that a run wrote."""
    return (f"Wrote {one_line(str(path))}" for path in summary.outputs)
