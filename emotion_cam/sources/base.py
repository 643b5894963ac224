"""The interface of every source, and what files and folders need before they are opened."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.errors import SourceError
from emotion_cam.types import Frame

if TYPE_CHECKING:
    from typing_extensions import Self


class Source(ABC):
    """Gives frames: iterate over it, once. A context manager; ``close`` may be called at any time, and twice.

    Attributes:
        name: for people: the name of the file or folder, "camera 0", or the address of the stream.
        live: whether frames arrive in real time, and are dropped while nobody takes them.
        started: when time 0 of a live source's frames was, by ``time.monotonic``; None for others.
        size: (width, height) of the frames in pixels, after any rotation; None if unknown before they are read.
        fps: nominal frames per second; None if unknown.
        frame_count: the best estimate of the number of frames; None if unknown.
        paths: the files that are read, so that no output overwrites them.
        ended: whether every frame has been given.
    """

    name: str
    live = False
    started: float | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    frame_count: int | None = None
    paths: tuple[Path, ...] = ()
    ended = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order. Raises SourceError where the source fails, after the frames before that."""

    def poll(self) -> Iterator[Frame | None]:
        """The frames as in iteration; a live source gives None at least every 0.1 seconds while it has no frame."""
        yield from self

    def close(self) -> None:  # noqa: B027 - not every source holds something
        """Release the camera or file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_readable(path: Path) -> None:
    """Raise SourceError, with the reason, if a file does not exist, is empty, or cannot be read.

    A pipe is only looked up: what is read from it would be lost.
    """
    try:
        if path.is_fifo():
            return
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty.")
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def files_in(folder: Path, suffixes: tuple[str, ...], kind: str) -> tuple[Path, ...]:
    """The files of a folder that have one of these suffixes, in natural order (2 before 10), without hidden files.

    Args:
        folder: the folder; its subfolders are not searched.
        suffixes: in lower case, with the dot.
        kind: what the files are called in the error message, in the plural.

    Raises:
        SourceError: the folder cannot be read, or holds no such file.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."]
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not paths:
        raise SourceError(f"The folder {folder} holds no {kind} ({' '.join(suffixes)}).")
    return tuple(sorted(paths, key=_natural_key))


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """A key that sorts the numbers in names by their value."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
