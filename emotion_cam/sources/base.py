"""What every source has in common: Source, and what is found out of files and folders before they are opened."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.errors import SourceError
from emotion_cam.types import Frame

if TYPE_CHECKING:
    from typing_extensions import Self


class Source(ABC):
    """Gives frames: iterate over it, once. A context manager; ``close`` may be called at any time, and twice.

    Attributes:
        name: what it is, for people: the name of the file or folder, "camera 0", or the stream's address.
        live: whether frames come by themselves, and are dropped while nobody takes them.
        size: (width, height) in pixels as delivered, after any rotation; None if that is not known beforehand.
        fps: nominal frames per second; None if unknown.
        frame_count: the best estimate of how many frames there are; None if unknown.
        paths: the files that are read, so that no output overwrites them.
        ended: whether every frame has been given.
        while_waiting: is called some times a second while a live source has no frame, in the thread that iterates.
    """

    name: str
    live = False
    size: tuple[int, int] | None = None
    fps: float | None = None
    frame_count: int | None = None
    paths: tuple[Path, ...] = ()
    ended = False
    while_waiting: Callable[[], None] = staticmethod(lambda: None)

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order. Raises SourceError where the source fails, after the frames before that."""

    def close(self) -> None:  # noqa: B027 - not every source holds something
        """Let go of the camera or file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_readable(path: Path) -> None:
    """Raise SourceError, with the reason, if a file is not there, is empty, or may not be read."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty.")
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def files_in(folder: Path, suffixes: tuple[str, ...], what: str) -> tuple[Path, ...]:
    """The files of a folder that have one of these suffixes, in natural order (2 before 10); none that is hidden.

    Raises:
        SourceError: the folder cannot be read, or holds none of ``what`` these are.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."]
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not paths:
        raise SourceError(f"The folder {folder} holds no {what} ({' '.join(suffixes)}).")
    return tuple(sorted(paths, key=_natural))


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
