"""The threads that recognize, and how much may wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class FullError(Exception):
    """The server has as much to do as it can; the message is for the visitor."""


class Workers:
    """A fixed number of threads.

    Args:
        count: how many threads.
        waiting: how many requests may be under way or wait beyond those threads.

    Attributes:
        count: as above.
        requests: how many requests are under way or wait now.
    """

    def __init__(self, count: int, waiting: int) -> None:
        self.count = count
        self._most = count + waiting
        self.requests = 0
        self._calls: deque[tuple[float, float]] = deque(maxlen=1000)  # when the latest ones began and ended
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="recognition")

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function in a thread; whoever calls never has more than one call under way."""

        def measured() -> T:
            started = time.monotonic()
            try:
                return function()
            finally:
                self._calls.append((started, time.monotonic()))

        return await asyncio.get_running_loop().run_in_executor(self._threads, measured)

    def busy(self, seconds: float) -> float:
        """The share of the last seconds in which the threads ran, from 0 to 1."""
        since = time.monotonic() - seconds
        return sum(max(0.0, end - max(start, since)) for start, end in list(self._calls)) / (seconds * self.count)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Hold a place for a request, from before its picture is read until its answer is ready.

        Raises:
            FullError: too many requests are under way already.
        """
        if self.requests >= self._most:
            raise FullError("The server is busy with other pictures: try again in a moment.")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
