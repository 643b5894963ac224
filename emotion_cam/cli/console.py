"""How the command line talks: lines, errors, progress bars, and exit codes."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from emotion_cam.errors import EmotionCamError, message_of

if TYPE_CHECKING:
    from rich.progress import Progress

FAILED, WRONG_USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
"""Exit codes. Those after Ctrl-C and a closed pipe are 128 and the signal's number, as shells have them."""

stderr = Console(stderr=True, highlight=False, soft_wrap=True)
stdout = Console(highlight=False, soft_wrap=True)


class UsageError(Exception):
    """What was typed makes no sense; the message names options."""


@contextlib.contextmanager
def usage_checked() -> Iterator[None]:
    """Inside, a ValueError means that an option has a wrong value."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


@contextlib.contextmanager
def errors_shown(options: Collection[str] = ()) -> Iterator[None]:
    """Show an error as one line, and exit with the code that fits it. A termination counts as Ctrl-C.

    A closed pipe needs no message: whoever closed it knows.

    Args:
        options: the names of all options, as in --min-face; messages show parameters in backticks as these.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except BrokenPipeError:
        sys.exit(BROKEN_PIPE)
    except UsageError as error:
        _fail(f"{with_options(str(error), options)} “emotion-cam --help” lists all options.", WRONG_USAGE)
    except (EmotionCamError, OSError) as error:
        _fail(with_options(message_of(error), options), FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def with_options(message: str, options: Collection[str]) -> str:
    """A message of the library in the words of the command line: `min_face` becomes --min-face if that is an option."""

    def option(match: re.Match[str]) -> str:
        name = "--" + match[1].replace("_", "-")
        return name if name in options else match[0]

    return re.sub(r"`(\w+)`", option, message)


def _fail(message: str, code: int) -> NoReturn:
    show_error(message)
    sys.exit(code)


def show_error(message: str) -> None:
    stderr.print(f"[bold red]emotion-cam:[/] {plain(message)}")


class LogLines(logging.Handler):
    """Shows the package's log records as plain lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        stderr.print(plain(record.getMessage()))


def show_log() -> None:
    """Show what the package logs, from INFO on."""
    log = logging.getLogger("emotion_cam")
    log.handlers = [LogLines()]
    log.setLevel(logging.INFO)
    log.propagate = False


def plain(text: str) -> str:
    """A text without effect as markup of Rich."""
    from rich.markup import escape

    return escape(text)


def progress_bar(unit: str) -> Progress:
    """A progress bar with rate and time left, on a terminal only."""
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
        redirect_stdout=stdout.is_terminal,  # output that goes to a file must not pass through the bar
        disable=not stderr.is_terminal,
    )
