"""What every output has in common: Sink, and FileSink, which gives a file its name when it is whole."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Before av, which brings an X library of its own: the other way round OpenCV takes that, and its windows hang.
import cv2  # isort: skip
import av

from emotion_cam.errors import SinkError
from emotion_cam.types import Result

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Sink(ABC):
    """Takes results. A context manager: what it writes is whole once it is left.

    Attributes:
        kept: the path that holds the output in the end, with a * where there are several; None if there is none.
    """

    kept: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether it has seen enough, and the run may end."""
        return False

    @abstractmethod
    def write(self, result: Result) -> None:
        """Take one result. Raises SinkError if it cannot be written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - not every sink holds something
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the output."""


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """What the system, FFmpeg and OpenCV have to say about a path, as SinkError."""
    try:
        yield
    except (OSError, av.FFmpegError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise SinkError(f"{path} cannot be written: {reason}.") from error


def check_place(path: Path) -> None:
    """Tell now, and not after an hour, that a file cannot be written."""
    if path.is_dir():
        raise SinkError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise SinkError(f"{path} cannot be written: there is no folder {path.parent}.")
    with telling(path):
        tempfile.TemporaryFile(dir=path.parent).close()


def part_of(path: Path) -> Path:
    """The hidden name beside a path under which it is written until it is whole."""
    return path.with_name(f".{path.stem}.part-{os.getpid()}{path.suffix}")


def partial_of(path: Path) -> Path:
    """The name that a file gets in place of its own when something went wrong before it was whole."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def save(path: Path, data: bytes) -> None:
    """Write a file that has its name only once it is whole. Raises SinkError if it cannot be written."""
    part = part_of(path)
    with telling(path):
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


class FileSink(Sink):
    """An output in one file, which gets its name when it is whole; a file of that name lives on until then.

    After Ctrl-C it is whole as far as the run came, and so it is if nobody reads standard output any more. After any
    other exception what there is becomes ``NAME.partial.SUFFIX``. Without a single result nothing is left.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_place(self.path)
        self._part = part_of(self.path)
        self._empty = True

    @abstractmethod
    def _finish(self) -> None:
        """Write what is still to come, and close the file."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wanted = kind is None or issubclass(kind, (KeyboardInterrupt, BrokenPipeError))
        whole = False
        try:
            with telling(self.path):
                self._finish()
            whole = wanted
        except SinkError:
            if wanted:
                raise  # otherwise the first exception is the one to tell
        finally:
            self._settle(whole)

    def _settle(self, whole: bool) -> None:
        """Give the file the name that it deserves."""
        if self._empty:
            self._part.unlink(missing_ok=True)
            return
        self.kept = self._part
        target = self.path if whole else partial_of(self.path)
        try:
            self._part.replace(target)
        except OSError as error:
            raise SinkError(f"{target} cannot be replaced: {error.strerror}; see {self._part} instead.") from error
        self.kept = target
