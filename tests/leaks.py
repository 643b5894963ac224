"""A fixture for all tests, which must leave nothing behind: no thread, process, file handle or shared memory.

It looks at Linux's /proc and /dev/shm, and elsewhere at threads only. What a fixture of a module or of the session has
started is there before, and so no leak.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

if sys.platform != "win32":
    resource_tracker.ensure_running()  # Python's own process for shared memory, which stays to the end of this one

GRACE = 10.0
"""Seconds in which what is about to end may end."""

_ITSELF = ("anon_inode:", "/dev/null", "/dev/pts/", "/dev/urandom", "/dev/shm/pym-")
"""Handles that libraries open once for the whole process; the last are those in which Python keeps shared numbers."""

_KEPT = (".ttf", ".afm")
"""Files that libraries keep open: Matplotlib its fonts."""

_WORKERS = ("recognition_", "asyncio_", "AnyIO worker thread")
"""Threads of a server of the tests: they start with its first picture, and stay as long as it does."""

_EXEMPT = ("training", "corpus")
"""Folders of tests in which TensorFlow and Dask start threads for the whole process."""


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test after which something is left that was not there before."""
    if request.path.parent.name in _EXEMPT:
        yield
        return
    before = _everything()
    yield
    deadline = time.monotonic() + GRACE
    while left := _everything() - before:
        gc.collect()
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + ", ".join(sorted(left)))
        time.sleep(0.05)


def _everything() -> set[str]:
    return _threads() | _processes() | _handles() | _shared_memory()


def _threads() -> set[str]:
    # Pytest's own plugins use threads too, which are all there before the first test.
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(_WORKERS)]
    return {f"thread {thread.name} ({thread.ident})" for thread in threads}


def _processes() -> set[str]:
    children = Path("/proc/self/task").glob("*/children")
    return {f"process {child}" for file in children for child in file.read_text().split()}


def _shared_memory() -> set[str]:
    """The blocks of Python's SharedMemory; Chromium and Dask in a test beside this one have others."""
    folder = Path("/dev/shm")
    found = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # it has gone meanwhile
            if path.stat().st_uid == os.getuid() and path.name.startswith("psm_"):
                found.add(f"shared memory {path.name}")
    return found


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
