"""Pipes as input: standard input, named pipes, and what a shell writes for <(…)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from emotion_cam.errors import SourceError
from emotion_cam.sources.spec import STDIN


class Pipe:
    """What can be read only once, and only in order.

    FFmpeg reads it through this object and not by itself, because then Ctrl-C works while nothing arrives.
    """

    name = ""
    """PyAV asks for it; FFmpeg would take the format from its suffix."""

    def __init__(self, file: int | Path) -> None:
        self._file = open(file, "rb", buffering=0, closefd=file != 0)  # noqa: SIM115 - it may be a number

        self._interruption: BaseException | None = None

    def read(self, size: int) -> bytes:
        """At most so many bytes, as soon as there are some; none at the end, and after an interruption."""
        if self._interruption is not None:
            return b""
        try:
            return self._file.read(size) or b""
        except KeyboardInterrupt as error:  # could not pass through FFmpeg
            self._interruption = error
            return b""

    def check(self) -> None:
        """Raise the KeyboardInterrupt that came during a read, if there was one."""
        if self._interruption is not None:
            raise self._interruption

    def seekable(self) -> bool:
        """Whether it is a file after all, as with ``< clip.mp4``."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def open_pipe(path: Path) -> Pipe | None:
    """A path as a pipe; None if it is an ordinary file or a folder.

    Raises:
        SourceError: standard input is a terminal or closed, or the pipe cannot be opened.
    """
    is_stdin = path == Path(STDIN)
    try:
        mode = os.fstat(0).st_mode if is_stdin else path.stat().st_mode
        if is_stdin and os.isatty(0):
            raise SourceError("Standard input is a terminal: send a video into it with a pipe.")
        if not is_stdin and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return None
        return Pipe(0 if is_stdin else path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{'Standard input' if is_stdin else path} cannot be read: {error.strerror}.") from error
