"""Answers without an end: server-sent events, and pictures as MJPEG."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

BOUNDARY = "emotion-cam-frame"


class EndlessResponse(StreamingResponse):
    """An answer whose parts are sent until they end, the visitor leaves, or takes nothing for too long.

    Args:
        parts: what is sent.
        content_type: of the answer.
        patience: seconds in which each part must be taken.
    """

    def __init__(self, parts: AsyncGenerator[bytes, None], content_type: str, patience: float) -> None:
        super().__init__(parts, headers={"content-type": content_type, "cache-control": "no-store"})
        self._parts = parts
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        async with contextlib.aclosing(self._parts) as parts:
            async for part in parts:
                await asyncio.wait_for(
                    send({"type": "http.response.body", "body": part, "more_body": True}), self._patience
                )
        await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(data: bytes, number: int) -> bytes:
    """A server-sent event with a line of JSON."""
    return b"id: %d\ndata: %s\n\n" % (number, data)


COMMENT = b": waiting\n\n"
"""What keeps a stream of events open while there is none."""


def part(jpeg: bytes) -> bytes:
    """A picture of an MJPEG stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"
