"""The commands that check a model on one person: enroll films the person, adapt fits the model to him or her."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from emotion_cam.cli.console import UsageError, interruptible_at_once, one_line, plain, stderr, stdout
from emotion_cam.enrollment import EnrollSpec
from emotion_cam.sources.spec import InputSpec

if TYPE_CHECKING:
    from rich.status import Status

    from emotion_cam.enrollment.film import Moment, Screen
    from emotion_cam.enrollment.fit import ScoreTable
    from emotion_cam.types import Box, Frame


def enroll(
    folder: Path,
    /,
    *,
    input: Annotated[InputSpec, Parameter(name="*", group=Group("Input", sort_key=1))] = InputSpec(),  # noqa: A002
    spec: Annotated[EnrollSpec, Parameter(name="*", group=Group("Filming", sort_key=2))] = EnrollSpec(),
) -> None:
    """Film yourself as you show each label in turn, and see how often the model is right. Nothing leaves this machine.

    The first camera is used unless another input is given. An interrupted run keeps what it has finished, and the same
    command goes on from there.

    Args:
        folder: Where to keep the pictures; a new folder, or one of an earlier run.
    """
    if input.image is not None or len(input.video) > 1 or "-" in input.video:
        raise UsageError("Only a `camera` or one `video` can be filmed; pictures are measured by “evaluate”.")
    with interruptible_at_once():
        from emotion_cam.card import read_card
        from emotion_cam.enrollment.fit import measure
        from emotion_cam.enrollment.pictures import find_model, missing_takes, prepare_folder
    model = spec.model or find_model()
    labels = read_card(model).labels
    prepare_folder(folder, labels)
    takes, total = missing_takes(folder, labels, spec.rounds, spec.pictures), spec.rounds * len(labels)
    if takes:
        if len(takes) < total:
            stderr.print(f"{total - len(takes)} of {total} are there already.")
        done = 0
        try:
            done = _film(input, spec, folder, takes)
        finally:
            left = len(missing_takes(folder, labels, spec.rounds, spec.pictures))
            if 0 < left < total:
                stderr.print(f"{left} left; what is finished is in {one_line(str(folder))}.", markup=False)
                stderr.print("The same command goes on from there.")
        if done < len(takes):
            return
    print_table(measure(folder, model))


def adapt(folder: Path, /, *, out: Path, model: Path | None = None) -> None:
    """Fit a model to your face: a small number for each label, from the pictures that “enroll” has taken.

    The numbers are tried on pictures that the fit has not seen. If they do not help, they are all zero.

    Args:
        folder: A folder of “enroll”, or any folder with a folder of face pictures for each label.
        out: The file to write (JSON); --adapt reads it.
        model: A model folder; the shipped model with these labels by default.
    """
    with interruptible_at_once():
        from emotion_cam.adaptation import write_adaptation
        from emotion_cam.enrollment.fit import adapt as fit_model
        from emotion_cam.files import check_writable
    if out.suffix.lower() != ".json":
        raise UsageError(f"`out` must end in .json, not “{out.suffix}”.")
    check_writable(out)
    adaptation, fit = fit_model(folder, model)
    write_adaptation(out, adaptation)
    stdout.print(f"{adaptation.pictures} pictures; each third was tried with offsets fitted to the other two.")
    if fit.helps:
        stdout.print(f"Right on {fit.before:.0%} without and on {fit.after:.0%} with offsets (mean over the labels).")
        numbers = (f"{name} {offset:+.2f}" for name, offset in zip(adaptation.labels, adaptation.offsets, strict=True))
        stdout.print(", ".join(numbers), markup=False)
    else:
        stdout.print(f"Offsets do not help: right on {fit.before:.0%} without, on {fit.after:.0%} with them.")
        stdout.print("The file has zeros, which change nothing.")
    stdout.print(f"Wrote {one_line(str(out))}", markup=False)


def print_table(table: ScoreTable) -> None:
    """Print for each label how often it was recognized, and what the model saw instead."""
    width, digits = max(map(len, table.labels)), len(str(table.confusion.sum(axis=1).max()))
    for number, label in enumerate(table.labels):
        row = table.confusion[number]
        others = [other for other in row.argsort(kind="stable")[::-1] if other != number and row[other]]
        instead = ", ".join(f"{table.labels[other]} {row[other]}" for other in others)
        line = f"{label:{width}}  {row[number]:{digits}} of {row.sum():{digits}} right"
        stdout.print(line + (f"; instead {instead}" if instead else ""), markup=False)
    right, total = table.confusion.diagonal().sum(), len(table)
    mean = table.balanced_accuracy
    stdout.print(f"Right on {right} of {total} pictures ({right / total:.0%}); {mean:.0%} as the mean over the labels.")


def _film(input: InputSpec, spec: EnrollSpec, folder: Path, takes: Sequence[tuple[str, int]]) -> int:  # noqa: A002
    """Film takes; returns how many were completed."""
    from emotion_cam.detect import open_detector
    from emotion_cam.enrollment.film import film
    from emotion_cam.enrollment.pictures import Take
    from emotion_cam.errors import SourceError

    detector = open_detector(spec.detector, spec.detector_model)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context((replace(input, camera="0") if input.is_empty else input).open())
        screen = stack.enter_context(_screen(spec.show))
        done = film(source.poll(), detector, folder, [Take(*take) for take in takes], spec.pictures, screen)
        if done < len(takes) and not screen.finished:
            raise SourceError(f"{source.name} ended before “{takes[done][0]}” was filmed.")
    return done


@contextlib.contextmanager
def _screen(show: bool) -> Iterator[Screen]:
    """The window, or the terminal."""
    if show:
        from emotion_cam.enrollment.window import WindowScreen

        with WindowScreen() as window:
            yield window
    else:
        with stderr.status("") as status:
            yield _TerminalScreen(status)


class _TerminalScreen:
    """Shows what is asked for in one line that changes; where there is no terminal, in a line for each change."""

    finished = False

    def __init__(self, status: Status) -> None:
        self._status = status
        self._shown = ""

    def show(self, frame: Frame, boxes: Sequence[Box], moment: Moment) -> None:
        text = f"{moment.take.label}: {moment.line}"
        if text == self._shown:
            return
        self._shown = text
        if stderr.is_terminal:
            self._status.update(f"[bold]{plain(text)}[/]")
        elif moment.countdown and moment.faces == 1:
            stderr.print(text, markup=False)

    def idle(self) -> None:
        """A status line needs no care."""
