"""How long work shows its progress: the command line gives a bar, and without one nothing is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from emotion_cam.sources.base import Source

Progress: TypeAlias = "Callable[[Source], AbstractContextManager[Callable[[], None]]]"
"""For an opened source gives, as long as it is read, the function to call after each frame."""


@contextlib.contextmanager
def no_progress(source: Source) -> Iterator[Callable[[], None]]:
    """Shows nothing."""
    yield lambda: None
