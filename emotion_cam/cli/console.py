"""How the program speaks: plain lines, errors, bars, and the exit codes that go with them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from emotion_cam.errors import EmotionCamError, sentence

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit codes after Ctrl-C, and where nobody reads standard output any more, as shells have them: 128 and the signal's
number."""


stderr = Console(stderr=True, highlight=False, soft_wrap=True)
stdout = Console(highlight=False, soft_wrap=True)


@contextlib.contextmanager
def errors_told() -> Iterator[None]:
    """Tell what went wrong in one line, and exit with 1; with 130 after Ctrl-C. A termination counts as Ctrl-C.

    That nobody reads standard output any more is no news to who made it so: this exits with 141 and says nothing.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(BROKEN_PIPE) from None
    except (EmotionCamError, OSError) as error:
        tell_error(sentence(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def tell_error(reason: str) -> None:
    stderr.print(f"[bold red]emotion-cam:[/] {plain(reason)}")


def tell(message: str) -> None:
    """Tell people what they should know at once, beside what the program puts out."""
    stderr.print(plain(message))


def plain(text: str) -> str:
    """Text as it is, whatever in it looks like Rich's markup."""
    from rich.markup import escape

    return escape(text)


def progress_bar(unit: str) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.0f} {unit}", style="cyan")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        redirect_stdout=stdout.is_terminal,  # what goes into a file is none of its business
        disable=not stderr.is_terminal,
    )
