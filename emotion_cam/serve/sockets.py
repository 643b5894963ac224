"""What the WebSockets of pages and watchers share: how they run, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

FULL, MALFORMED, TOO_LARGE, IDLE, GOING_AWAY, NO_SOURCE = 1013, 1003, 1009, 4408, 1001, 1008
"""Why a WebSocket is closed, as its close code."""

T = TypeVar("T")


class ClosingError(Exception):
    """The connection ends, with a close code and a reason for people."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def run_until_closed(socket: WebSocket, *parts: Coroutine[Any, Any, None]) -> None:
    """Run all parts of what serves an accepted WebSocket until one ends, and close it with the reason."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    except ClosingError as closing:
        await close(socket, closing.code, closing.reason)
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Close a WebSocket, unless it is gone already."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(socket.close(code, reason[:120]), 2)


async def send(socket: WebSocket, message: str | bytes, seconds: float) -> None:
    """Send a message.

    Raises:
        ClosingError: it was not taken within some seconds.
    """
    sending = socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message)
    try:
        await asyncio.wait_for(sending, seconds)
    except asyncio.TimeoutError:
        raise ClosingError(IDLE, "Answers were not taken.") from None


def as_command(text: str, kind: type[T]) -> T:
    """A command from its JSON.

    Raises:
        ClosingError: it is not one.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ClosingError(MALFORMED, f"This is no command: {error}") from None
