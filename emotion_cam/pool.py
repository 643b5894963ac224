"""Shares what only one thread at a time may use, such as an interpreter of LiteRT or a cascade of OpenCV."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Lent(threading.local):
    """What one thread has borrowed, the latest last."""

    def __init__(self) -> None:
        self.instances: list[Any] = []


class Pool(Generic[T]):
    """Lends instances, each to one thread at a time: ``with pool as instance: …``.

    It makes the first instance at once, and another one whenever all of them are lent. So it holds as many as were ever
    used at the same time: one in a program with one thread. Lending takes less than a microsecond. A block inside
    another block of the same pool and thread gets an instance of its own.

    Args:
        make: makes an instance; may be called by several threads at the same time.

    Raises:
        Whatever ``make`` raises, here for the first instance and where a block begins for the others.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._idle = [make()]  # append and pop of a list are atomic
        self._lent = _Lent()

    def __enter__(self) -> T:
        try:
            instance = self._idle.pop()
        except IndexError:
            instance = self._make()
        self._lent.instances.append(instance)
        return instance

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._idle.append(self._lent.instances.pop())
