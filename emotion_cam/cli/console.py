"""How the command line talks: lines, errors, progress bars, and exit codes."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from rich.console import Console

from emotion_cam.errors import EmotionCamError, message_of

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

    from emotion_cam.sources.base import Source

FAILED, WRONG_USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
"""Exit codes. Those after Ctrl-C and a closed pipe are 128 and the signal's number, as shells have them."""


class _Console(Console):
    """A console that shows any text as it is, and leaves it to ``errors_shown`` what a closed pipe means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_CONTROLS.sub(_escaped, text), **options)


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would steer a terminal: all control characters but tab and line feed. Names of files may contain them."""


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]


stderr = _Console(stderr=True)
stdout = _Console()


def encode_all() -> None:
    """Let standard output and error show a character that their encoding lacks as in \\u2026, which never fails."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
def errors_shown(options: Callable[[], Collection[str]] = tuple) -> Iterator[None]:
    """Show an error as one line, and exit with the code that fits it. A termination counts as Ctrl-C.

    A closed pipe needs no message: whoever closed it knows.

    Args:
        options: gives the names of all options, as in --min-face; messages show parameters in backticks as these.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as for a program in the background of a script
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            _flush_stdout()
    except BrokenPipeError:
        _discard(sys.stdout)
        sys.exit(BROKEN_PIPE)
    except UsageError as error:
        _fail(f"{with_options(str(error), options())} “emotion-cam --help” lists all options.", WRONG_USAGE)
    except OSError as error:
        _fail(_stdout_problem() or with_options(message_of(error), options()), FAILED)
    except EmotionCamError as error:
        _fail(with_options(message_of(error), options()), FAILED)
    except MemoryError:
        _fail("There is not enough memory for this input.", FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@contextlib.contextmanager
def interruptible_at_once() -> Iterator[None]:
    """Inside, Ctrl-C ends the process at once. For imports: one that is interrupted fails in any way and may print."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _flush_stdout() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _stdout_problem() -> str | None:
    """The message if standard output is what cannot be written. What it did not take is given up then."""
    try:
        _flush_stdout()
    except OSError as error:
        _discard(sys.stdout)
        return f"Standard output cannot be written: {error.strerror}."
    return None


def _discard(stream: TextIO) -> None:
    """Send a stream nowhere: otherwise Python tries to write the rest when it exits, and complains."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


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
    """Show an error as one line, if there is anywhere to show it."""
    try:
        stderr.print(f"[bold red]emotion-cam:[/] {plain(one_line(message))}")
    except OSError:
        _discard(sys.stderr)


def one_line(text: str) -> str:
    """A text without line breaks, which names of files may contain."""
    return text.replace("\n", "\\n")


class LogLines(logging.Handler):
    """Shows the package's log records as plain lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        stderr.print(plain(record.getMessage()))


def show_log() -> None:
    """Show what the package logs, from INFO on, and not what Pillow says of a damaged picture: the errors tell that."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
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


@contextlib.contextmanager
def source_progress(source: Source, *, shown: bool = True) -> Iterator[Callable[[], None]]:
    """A progress bar over the frames of a file; nothing for a live source, which has no end.

    Yields:
        The function to call after each frame.
    """
    if source.live or not shown:
        yield lambda: None
        return
    with progress_bar("frames/s") as progress:
        task = progress.add_task(plain(source.name), total=source.frame_count)
        yield lambda: progress.advance(task)
