"""Writing files so that none is ever left incomplete under its own name.

A file is written under a hidden name beside its own, ``.NAME.part-PID.SUFFIX``, and renamed when it is complete. What a
killed run leaves there is found by the next run with the same output: see ``check_writable``.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emotion_cam.errors import SinkError

log = logging.getLogger(__name__)

_MARK_LENGTH = 32
"""Bytes that are left for what is added to a name, whatever the process number, so that a name is always cut alike."""

_unfinished: set[Path] = set()
"""The unfinished files of this process."""


def check_writable(path: Path) -> None:
    """Raise SinkError now, and not after hours of work, if a file cannot be written.

    What a run that was killed had written of this file becomes NAME.partial.SUFFIX, and is logged.
    """
    with write_errors(path):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()  # names the reason: a name that is too long, a symbolic link to itself
        if path.is_dir():
            raise SinkError(f"{path} is a folder: give the name of a file.")
        if not path.parent.is_dir():
            raise SinkError(f"{path} cannot be written: there is no folder {path.parent}.")
        tempfile.TemporaryFile(dir=path.parent).close()
        _rescue(path)


def temporary_path(path: Path, tag: str = "") -> Path:
    """The hidden name beside a path under which a file is written until it is complete.

    Args:
        path: the file.
        tag: letters that distinguish a second file for the same path.
    """
    return path.with_name(f".{_short_stem(path)}.part-{os.getpid()}{tag}{path.suffix}")


def partial_path(path: Path) -> Path:
    """The name that a file gets instead of its own if something fails before it is complete."""
    return path.with_name(f"{_short_stem(path)}.partial{path.suffix}")


def create_temporary(path: Path) -> Path:
    """Make an empty file under the temporary name of a path, and return that name. Raises SinkError if that fails."""
    temporary = temporary_path(path)
    with write_errors(path):
        temporary.unlink(missing_ok=True)
        temporary.open("xb").close()  # x: never through a link that somebody has put there
    _unfinished.add(temporary.absolute())
    return temporary


def check_present(path: Path, temporary: Path) -> None:
    """Raise SinkError if the unfinished file of a path is no longer there."""
    if temporary.exists():
        return
    if not path.parent.is_dir():
        raise SinkError(f"{path} cannot be written any more: the folder {path.parent} was removed or renamed.")
    raise SinkError(f"{path} cannot be written any more: its unfinished file {temporary.name} was removed.")


def finish_temporary(temporary: Path, target: Path) -> None:
    """Give an unfinished file its name, once its content is on the disk. Raises OSError if that fails."""
    try:
        with temporary.open("rb+") as file:
            try:
                os.fsync(file.fileno())  # otherwise, after a power failure, the name may be there without the content
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # not every file system can do that
                    raise
    except KeyboardInterrupt:  # a second Ctrl-C, which must not cost the file its name
        _give_name(temporary, target)
        raise
    _give_name(temporary, target)


def _give_name(temporary: Path, target: Path) -> None:
    temporary.replace(target)
    _unfinished.discard(temporary.absolute())


def drop_temporary(temporary: Path) -> None:
    """Remove an unfinished file, if it is there."""
    temporary.unlink(missing_ok=True)
    _unfinished.discard(temporary.absolute())


def write_file(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, and rename it when it is complete. Raises SinkError if that fails."""
    temporary = temporary_path(path)
    with write_errors(path):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system as SinkErrors that name the path, whichever helper file they are about."""
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {reason_of(error, path)}.") from error


def reason_of(error: OSError, path: Path) -> str:
    """Why a path cannot be written, in the system's words, or that its folder is not there."""
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return error.strerror or str(error)


# What killed runs leave


def sweep(folder: Path, stem: str = ".*") -> None:
    """Remove the unfinished files of killed runs from a folder; ``stem`` is a pattern for the names of the files."""
    for leftover in _leftovers(folder, re.compile(rf"\.(?:{stem})\.part-(\d+)[a-z]*(\.\w+)?", re.DOTALL)):
        with suppress(OSError):
            leftover.unlink()


def _rescue(path: Path) -> None:
    """Give the newest thing that killed runs had written of a file the name of a partial file; remove the others."""
    stem = re.escape(_short_stem(path))
    ours = re.compile(rf"\.{stem}\.part-(\d+){re.escape(path.suffix)}")
    found = [leftover for leftover in _leftovers(path.parent, ours) if leftover.stat().st_size]
    if found:
        newest = max(found, key=lambda leftover: leftover.stat().st_mtime)
        newest.replace(partial_path(path))
        log.info("%s is what an earlier run had written when it was killed.", partial_path(path))
    sweep(path.parent, stem)


def _leftovers(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """The files of a folder with such names, whose first group is the number of a process that has ended."""
    found = []
    for name in os.listdir(folder):  # noqa: PTH208 - a folder may have very many
        match = pattern.fullmatch(name) if name.startswith(".") else None
        if match and not _is_in_use(folder / name, int(match[1])):
            found.append(folder / name)
    return found


def _is_in_use(path: Path, process: int) -> bool:
    """Whether an unfinished file belongs to a process that is running."""
    if process == os.getpid():  # in a container, every run may have the same number
        return path.absolute() in _unfinished
    if os.name == "nt":  # there, os.kill would end the process; but a file that is open cannot be removed
        return False
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _short_stem(path: Path) -> str:
    """The stem of a path, cut where there is no room to add something; then a hash keeps two names apart."""
    room = _longest_name(path.parent) - _MARK_LENGTH - len(os.fsencode(path.suffix))
    stem = path.stem
    if len(os.fsencode(stem)) <= room:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    while stem and len(os.fsencode(stem)) > room - 9:
        stem = stem[:-1]
    return f"{stem}~{digest}"


def _longest_name(folder: Path) -> int:
    """How many bytes a name in a folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows; a folder that does not exist yet
        return 255
