"""The interface of every sink, and FileSink, which gives a file its name when it is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # isort: skip
import av

from emotion_cam.errors import SinkError
from emotion_cam.files import (
    check_present,
    check_writable,
    create_temporary,
    drop_temporary,
    finish_temporary,
    partial_path,
    reason_of,
)
from emotion_cam.result import Result

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Sink(ABC):
    """Takes results. A context manager: the output is complete once the context is left.

    Attributes:
        output: the path of the output once it is written, with a * where there are several; None if there is none.
    """

    output: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether it wants no more results, so that the run may end."""
        return False

    @abstractmethod
    def write(self, result: Result) -> None:
        """Take one result. Raises SinkError if it cannot be written."""

    def idle(self) -> None:  # noqa: B027 - only the window has something to do
        """Called several times a second while a live source has no frame."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - not every sink holds something
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete and release the output."""


@contextmanager
def sink_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system, FFmpeg and OpenCV as SinkErrors that name the path."""
    try:
        yield
    except OSError as error:  # some of FFmpeg's errors are OSErrors too
        raise SinkError(f"{path} cannot be written: {reason_of(error, path)}.") from error
    except (av.FFmpegError, cv2.error) as error:
        raise SinkError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error


class FileSink(Sink):
    """An output in one file, which gets its name when it is complete; an older file of that name stays until then.

    After Ctrl-C, and after standard output was closed, the file is complete as far as the run came. After any other
    exception the file becomes ``NAME.partial.SUFFIX``. Without a single result, no file is left. If the folder is
    removed during the run, the next result raises SinkError.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_writable(self.path)
        self._temporary = create_temporary(self.path)
        self._empty = True

    def write(self, result: Result) -> None:
        with sink_errors(self.path):
            check_present(self.path, self._temporary)
            self._add(result)
        self._empty = False

    @abstractmethod
    def _add(self, result: Result) -> None:
        """Write one result to the temporary file. May raise any error of the system, FFmpeg or OpenCV."""

    @abstractmethod
    def _finish(self) -> None:
        """Write the rest, and close the file."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended_well = kind is None or issubclass(kind, (KeyboardInterrupt, BrokenPipeError))
        complete = False
        try:
            with sink_errors(self.path):
                self._finish()
                check_present(self.path, self._temporary)
            complete = ended_well
        except SinkError:
            if ended_well:
                raise  # otherwise the first exception matters more
        finally:
            self._rename(complete)

    def _rename(self, complete: bool) -> None:
        """Give the file its own name, or the name of a partial file; remove it if nothing was written."""
        if self._empty or not self._temporary.exists():
            drop_temporary(self._temporary)
            return
        target = self.path if complete else partial_path(self.path)
        try:
            finish_temporary(self._temporary, target)
        except OSError as error:
            raise SinkError(f"{target} cannot be replaced: {error.strerror}; see {self._temporary} instead.") from error
        finally:
            self.output = self._temporary if self._temporary.exists() else target
