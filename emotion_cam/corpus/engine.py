"""The engine: Dask gives calls of functions to worker processes, on this machine or on many.

A call is a function of a module with arguments that can be pickled. Only a few calls for each worker are given to the
scheduler ahead, so that it holds little, however many there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import queue
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster

from emotion_cam.errors import EmotionCamError

log = logging.getLogger(__name__)

DEATHS = 3
"""How many workers of this machine may die of a call before it is given up."""


@dataclass(frozen=True, eq=False)
class Call:
    """A function and its arguments.

    Attributes:
        function: a function of a module.
        arguments: what it is called with.
        about: anything for whoever gets the outcome.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    about: Any = None


class WorkersDiedError(EmotionCamError):
    """Every worker that tried a call died of it."""


class SchedulerLostError(EmotionCamError):
    """The scheduler does not answer any more."""


class Engine:
    """Runs calls on workers while the context lasts.

    Args:
        jobs: how many workers to start on this machine, if there is no ``scheduler``.
        scheduler: the address of a Dask scheduler that runs.

    Attributes:
        dashboard: the address of Dask's page; None if there is none.

    Raises:
        EmotionCamError: there is no scheduler at that address, or workers cannot be started.
    """

    AHEAD = 3
    """How many calls for each worker are given to the scheduler ahead."""

    PATIENCE = 10.0
    """Seconds without any worker after which a line says so; and the ones to wait for a scheduler."""

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self._jobs = jobs
        self._address = scheduler
        self.dashboard: str | None = None

    def __enter__(self) -> Engine:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said by this module
        with contextlib.ExitStack() as stack:
            target = self._address or stack.enter_context(self._local_cluster())
            try:
                self._client = Client(target, timeout=self.PATIENCE, set_as_default=False)
            except (OSError, ValueError) as error:
                raise EmotionCamError(f"No Dask scheduler answers at {self._address}: is `scheduler` right?") from error
            stack.callback(self._client.close, timeout=2)
            if importlib.util.find_spec("bokeh"):  # it draws the page
                self.dashboard = self._client.dashboard_link
            self._workers, self._counted = self._count_workers(), time.monotonic()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        with contextlib.suppress(OSError, TimeoutError):  # the scheduler may be gone
            self._stack.__exit__(*error)

    def run(self, calls: deque[Call]) -> Iterator[tuple[Call, Any]]:
        """Yield each call with its outcome as it ends: what the function returned, or the exception that it raised.

        Args:
            calls: are taken from the left. More may be added between two outcomes.

        Raises:
            SchedulerLostError: the scheduler does not answer any more.
        """
        running: dict[Future[Any], Call] = {}
        ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        try:
            while calls or running:
                while calls and len(running) < self._window():
                    call = calls.popleft()
                    future = self._client.submit(call.function, *call.arguments, pure=False)
                    running[future] = call
                    future.add_done_callback(ended.put)
                batch = _drain(ended)
                outcomes = self._outcomes(batch)
                for future, outcome in zip(batch, outcomes, strict=True):
                    yield running.pop(future), outcome
                    future.release()
        except (OSError, CancelledError, asyncio.TimeoutError) as error:
            raise self._lost() from error

    def _outcomes(self, futures: list[Future[Any]]) -> list[Any]:
        """What the calls of some futures returned or raised."""
        if any(future.cancelled() for future in futures) or self._client.status != "running":
            raise self._lost()
        good = [future for future in futures if future.status == "finished"]
        values = dict(zip(good, self._gathered(good), strict=True))
        return [values[future] if future in values else self._error(future) for future in futures]

    def _gathered(self, futures: list[Future[Any]]) -> list[Any]:
        """The results of some futures, which come from their workers. Dask would wait forever for a lost scheduler."""
        if not futures:
            return []
        loop: Any = self._client.loop  # of Tornado, around one of asyncio
        waiting = asyncio.run_coroutine_threadsafe(self._client.gather(futures, asynchronous=True), loop.asyncio_loop)
        while not wait([waiting], timeout=0.5).done:
            if self._client.status != "running":
                waiting.cancel()
                raise self._lost()
        values: list[Any] = waiting.result()
        return values

    def _error(self, future: Future[Any]) -> BaseException:
        error = future.exception()
        if isinstance(error, KilledWorker):
            return WorkersDiedError("Every worker that tried it died.")
        assert isinstance(error, BaseException)
        return error

    def _lost(self) -> SchedulerLostError:
        return SchedulerLostError(
            f"The Dask scheduler {self._address or 'of this run'} does not answer any more; what is done is kept, and "
            "the same command goes on."
        )

    def _window(self) -> int:
        """How many calls may be with the scheduler at a time."""
        now = time.monotonic()
        if self._address and now - self._counted > 2:
            workers = self._count_workers()
            if workers or self._workers:
                self._workers, self._counted = workers, now
            elif now - self._counted > self.PATIENCE:
                log.warning("%s has no workers; waiting for some.", self._address)
                self._counted = now + 3600  # once is enough
        return self.AHEAD * max(self._workers, 8)

    def _count_workers(self) -> int:
        return sum(self._client.nthreads().values())

    @contextlib.contextmanager
    def _local_cluster(self) -> Iterator[LocalCluster]:
        settings = {
            "distributed.scheduler.allowed-failures": DEATHS - 1,
            # A worker has one call at a time, so that its death is blamed on no other.
            "distributed.scheduler.worker-saturation": 1.0,
            # A worker that died is replaced, however long that takes on a busy machine; it is not written off.
            "distributed.deploy.lost-worker-timeout": "1000 hours",
        }
        with dask.config.set(settings):
            with _interrupts_blocked():
                cluster = LocalCluster(
                    n_workers=self._jobs,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                )
            try:
                yield cluster
            finally:
                cluster.close(timeout=5)


def _drain(ended: queue.SimpleQueue[Future[Any]]) -> list[Future[Any]]:
    """Those that have ended, at least one of them, or none after half a second."""
    found: list[Future[Any]] = []
    with contextlib.suppress(queue.Empty):
        found.append(ended.get(timeout=0.5))
        while True:
            found.append(ended.get_nowait())
    return found


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started meanwhile, and later by threads started meanwhile, ignore Ctrl-C, which goes to all."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it unblocks Ctrl-C when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
