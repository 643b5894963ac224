"""Writing files so that none is ever left incomplete under its own name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotion_cam.errors import SinkError


def check_writable(path: Path) -> None:
    """Raise SinkError now, and not after hours of work, if a file cannot be written."""
    if path.is_dir():
        raise SinkError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise SinkError(f"{path} cannot be written: there is no folder {path.parent}.")
    with _sink_errors(path):
        tempfile.TemporaryFile(dir=path.parent).close()


def temporary_path(path: Path) -> Path:
    """The hidden name beside a path under which a file is written until it is complete."""
    return path.with_name(f".{path.stem}.part-{os.getpid()}{path.suffix}")


def partial_path(path: Path) -> Path:
    """The name that a file gets instead of its own if something fails before it is complete."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def write_file(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, and rename it when it is complete. Raises SinkError if that fails."""
    temporary = temporary_path(path)
    with _sink_errors(path):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _sink_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error.strerror or error}.") from error
