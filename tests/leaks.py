"""A fixture for tests that must leave nothing behind: no thread, no process, no file handle.

A room takes it with ``from tests.leaks import no_leaks`` in its conftest.py. It looks at Linux's /proc, and elsewhere
at threads only.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

GRACE = 5.0
"""Seconds in which what is about to end may end."""

_ITSELF = ("anon_inode:", "/dev/null", "/dev/pts/", "/dev/urandom")
"""Handles that libraries open once for the whole process."""


_KEPT = (".ttf", ".afm")
"""Files that libraries keep open: Matplotlib its fonts."""


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fails a test after which a thread, a process or a file handle is left that was not there before."""
    before = _everything()
    yield
    deadline = time.monotonic() + GRACE
    while left := _everything() - before:
        gc.collect()
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + ", ".join(sorted(left)))
        time.sleep(0.05)


def _everything() -> set[str]:
    return _threads() | _processes() | _handles()


def _threads() -> set[str]:
    # Pytest's own plugins use threads too, which are all there before the first test.
    return {f"thread {thread.name} ({thread.ident})" for thread in threading.enumerate()}


def _processes() -> set[str]:
    children = Path("/proc/self/task").glob("*/children")
    return {f"process {child}" for file in children for child in file.read_text().split()}


def _handles() -> set[str]:
    folder = Path("/proc/self/fd")
    found = set()
    for number in os.listdir(folder) if folder.is_dir() else ():  # noqa: PTH208 - iterdir would give the same, later
        try:
            target = os.readlink(folder / number)  # noqa: PTH115 - a target such as pipe:[7] is no path
        except OSError:  # the handle of this listing
            continue
        if not target.startswith((*_ITSELF, "/proc/")) and not target.endswith(_KEPT):
            found.add(f"handle {number} on {target}")
    return found
