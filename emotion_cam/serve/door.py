"""How many pages are let in: as many as are given, or as many as get their answers in time."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import deque
from collections.abc import Callable

from emotion_cam.serve.metrics import Metrics

LATE = 0.02
"""The seconds that an answer may take while another page is let in.

A camera takes a picture every 33 ms. A page needs about 10 ms to encode it and to show its answer, so with this much in
the server nearly every picture gets its answer before the next one.
"""

MOST_BUSY = 0.5
"""The share of the time in which all threads may be busy, with one more page.

The rest is needed: threads of Python hinder each other, and a page that gets fewer answers costs more for each, because
its face moved further. So a server that was ever late would stay so.
"""

SETTLE = 0.5
"""Seconds after which what a page costs is known, and the next one may be let in."""

PATIENCE = 5.0
"""Seconds that a page waits to be let in: others may be about to leave, or come at the same moment."""


class Door:
    """Lets pages in and counts them; all of it in the event loop.

    Args:
        most: how many pages may be in; None for as many as get their answers in time. The first is always let in.
        metrics: shows how many there are.
        busy: the share of the last seconds in which the threads that recognize were busy.
        clock: the time in seconds.

    Attributes:
        most: as above.
        pages: how many are in.
    """

    def __init__(
        self,
        most: int | None,
        metrics: Metrics,
        busy: Callable[[float], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.pages = 0
        self._metrics = metrics
        self._busy = busy
        self._clock = clock
        self._entered = -math.inf  # when the latest page was let in
        self._answers: deque[tuple[float, float]] = deque(maxlen=1000)  # when, and the seconds it took

    async def enter(self) -> bool:
        """Let a page in if there is a place, or soon is one; returns whether it is in."""
        until = self._clock() + PATIENCE
        while not self.has_place:
            if self._clock() > until:
                return False
            await asyncio.sleep(0.05)
        self._entered = self._clock()
        self._count(1)
        return True

    def leave(self) -> None:
        """A page that was in is gone."""
        self._count(-1)

    def answered(self, seconds: float) -> None:
        """A page got an answer, which took so many seconds from when its frame came."""
        self._answers.append((self._clock(), seconds))

    @property
    def has_place(self) -> bool:
        """Whether a page may come in now."""
        if self.most is not None:
            return self.pages < self.most
        if not self.pages:
            return True
        now = self._clock()
        if now - self._entered < SETTLE:
            return False
        taken = [seconds for when, seconds in self._answers if now - when < SETTLE]
        expected = self._busy(SETTLE) * (self.pages + 1) / self.pages
        return statistics.median(taken or [0.0]) <= LATE and expected <= MOST_BUSY

    def _count(self, change: int) -> None:
        self.pages += change
        self._metrics.pages.set(self.pages)
