"""One who watches the server's own source: a WebSocket that gets its results as they happen.

For each frame comes a text, as a line of JSON Lines has it. With ``detail``, the picture's size and class maps are
added. With ``pictures``, a frame is a binary message: the length of the JSON (4 bytes, little endian), the JSON, and
the picture as JPEG, scaled down to at most 1280 pixels. Texts from the watcher are commands; see ``Command``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from emotion_cam.serve.live import LiveSource, Moment
from emotion_cam.serve.recording import Recorder
from emotion_cam.serve.service import Service
from emotion_cam.serve.sockets import (
    FULL,
    GOING_AWAY,
    MALFORMED,
    NO_SOURCE,
    ClosingError,
    as_command,
    close,
    run_until_closed,
    send,
)
from emotion_cam.serve.workers import FullError


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """What a watcher may ask for, as JSON; what is left out stays as it is.

    Attributes:
        blur: whether the watcher blurs faces; then a report has no pictures.
        paused: whether nothing is sent, nor recorded for a report.
        report: "start" begins to record for a report, "end" asks for it, "drop" forgets it.
    """

    blur: bool | None = None
    paused: bool | None = None
    report: Literal["start", "end", "drop"] | None = None


class Watcher:
    """Sends the results of the server's own source until the watcher leaves or takes nothing for too long.

    Args:
        websocket: a connection that the guard let in, not yet accepted.
        service: what all visitors share.
        pictures: whether each result comes with its picture.
        detail: whether it comes with the picture's size and class maps.
    """

    def __init__(self, websocket: WebSocket, service: Service, *, pictures: bool, detail: bool) -> None:
        self._socket = websocket
        self._service = service
        self._pictures = pictures
        self._detail = detail
        self._blur = False
        self._paused = False
        self._recorder = Recorder(service)

    async def run(self) -> None:
        """Accept the connection, and serve it to its end."""
        await self._socket.accept()
        live = self._service.live
        if live is None:
            reason = "This server has no source of its own: start it with a camera or a video."
            await close(self._socket, NO_SOURCE, reason)
        else:
            await run_until_closed(self._socket, self._read(), self._send_all(live))

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            if message.get("text") is None:
                raise ClosingError(MALFORMED, "Only commands are read here, as texts.")
            await self._obey(as_command(message["text"], Command))

    async def _obey(self, command: Command) -> None:
        if command.blur is not None:
            self._blur = command.blur
        if command.paused is not None:
            self._paused = command.paused
        if command.report == "start":
            self._recorder.start()
        elif command.report == "drop":
            self._recorder.drop()
        elif command.report == "end":
            await self._send(await self._recorder.report())

    async def _send_all(self, live: LiveSource) -> None:
        try:
            async with contextlib.aclosing(live.watch(15.0)) as moments:
                async for moment in moments:
                    if moment is not None and not self._paused:
                        await self._send_moment(moment)
        except FullError as error:
            self._service.metrics.refused.labels("full").inc()
            raise ClosingError(FULL, str(error)) from None
        raise ClosingError(GOING_AWAY, "The server ends.")

    async def _send_moment(self, moment: Moment) -> None:
        head = moment.details() if self._detail else moment.line
        if self._recorder.is_recording:
            with_picture = moment.result.view.shows_faces and not self._blur
            await asyncio.to_thread(self._recorder.add, moment.result, with_picture=with_picture)
        if self._pictures:
            jpeg = await asyncio.to_thread(moment.jpeg, annotated=False)
            await self._send(len(head).to_bytes(4, "little") + head + jpeg)
        else:
            await self._send(head.decode())

    async def _send(self, message: str | bytes) -> None:
        await send(self._socket, message, self._service.limits.idle_seconds)
