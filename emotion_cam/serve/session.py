"""One page whose frames are recognized: a WebSocket with a follower of its own.

The page sends a binary message for each frame: its number (4 bytes), its time in seconds (8 bytes, a float, both little
endian), and a picture. The answer is a text: the result as a line of JSON Lines has it, with ``"type": "result"``. At
most one frame is recognized and one waits; a newer one replaces the one that waits, and the replaced one gets no
answer. Texts from the page are commands; see ``Command``.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections import deque
from functools import partial
from typing import Literal

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from emotion_cam.recognition.recognizer import Follower
from emotion_cam.result import Result
from emotion_cam.serve.pictures import PictureError, decode
from emotion_cam.serve.recording import Recorder
from emotion_cam.serve.service import Service, detailed
from emotion_cam.serve.sockets import (
    FULL,
    IDLE,
    MALFORMED,
    TOO_LARGE,
    ClosingError,
    as_command,
    close,
    run_until_closed,
    send,
)
from emotion_cam.types import Frame

HEADER = struct.Struct("<Id")
"""What stands before the picture of a frame: its number and its time in seconds."""

LONGEST_NAME = 200


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """What a page may ask for, as JSON; what is left out stays as it is.

    Attributes:
        blur: whether faces are blurred: then every frame is searched in full, and a report has no pictures.
        explain: whether answers hold class maps.
        source: the name of what is shown; the frames that follow begin a new stream.
        report: "start" begins to record for a report, "end" asks for it, "drop" forgets it. The report's time begins
            where recording does; together with ``source``, it is the time of the stream.
    """

    blur: bool | None = None
    explain: bool | None = None
    source: str | None = None
    report: Literal["start", "end", "drop"] | None = None


class Session:
    """Serves one page until it leaves, breaks the rules, or is silent for too long.

    Args:
        websocket: a connection that the guard let in, not yet accepted.
        service: what all visitors share.
    """

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._socket = websocket
        self._service = service
        self._limits = service.limits
        self._frame: bytes | None = None
        self._came = 0.0  # when that frame came
        self._commands: deque[Command] = deque()
        self._news = asyncio.Event()
        self._blur = service.view.blur
        self._explain = False
        self._source = "webcam"
        self._follower = self._new_follower()
        self._recorder = Recorder(service)

    async def run(self) -> None:
        """Accept the connection, and serve it to its end."""
        await self._socket.accept()
        service = self._service
        if not await service.door.enter():
            service.metrics.refused.labels("full").inc()
            use = "1 page uses it" if service.door.pages == 1 else f"{service.door.pages} pages use it"
            await close(self._socket, FULL, f"The server is full: {use}. Try again later.")
            return
        try:
            await run_until_closed(self._socket, self._read(), self._work())
        finally:
            service.door.leave()

    async def _read(self) -> None:
        """Take the page's messages: the newest frame, and every command."""
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._limits.idle_seconds)
            except asyncio.TimeoutError:
                raise ClosingError(IDLE, f"Nothing came for {self._limits.idle_seconds:g} seconds.") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            if message.get("bytes") is not None:
                self._service.metrics.replaced.inc(self._frame is not None)
                self._frame, self._came = message["bytes"], time.monotonic()
            else:
                self._commands.append(as_command(message.get("text") or "", Command))
                if len(self._commands) > 16:
                    raise ClosingError(MALFORMED, "Too many commands at a time.")
            self._news.set()

    async def _work(self) -> None:
        """Answer commands and frames, one after the other."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._commands:
                await self._obey(self._commands.popleft())
            frame, self._frame, came = self._frame, None, self._came
            if frame is not None:
                await self._send(await self._service.workers.run(partial(self._recognize, frame)))
                self._service.door.answered(time.monotonic() - came)

    async def _send(self, text: str) -> None:
        await send(self._socket, text, self._limits.idle_seconds)

    @property
    def _search_every(self) -> float:
        return self._service.models.search_every(hides_faces=self._blur)

    def _new_follower(self) -> Follower:
        return self._service.recognizer.follow(self._search_every, self._service.models.smooth, live=True)

    def _recognize(self, message: bytes) -> str:
        """The answer to a frame; runs in a worker."""
        started = time.perf_counter()
        if len(message) <= HEADER.size:
            raise ClosingError(MALFORMED, f"A frame has {HEADER.size} bytes of number and time, then a picture.")
        number, seconds = HEADER.unpack_from(message)
        if not (math.isfinite(seconds) and 0 <= seconds < 1e9):
            raise ClosingError(MALFORMED, "The time of a frame is a number of seconds from 0.")
        try:
            image = decode(message[HEADER.size :], self._limits.frame_pixels)
        except PictureError as error:
            raise ClosingError(TOO_LARGE if error.too_large else MALFORMED, str(error)) from None
        faces = self._follower(image, seconds)
        result = Result(Frame(image, number, seconds, self._source), faces)
        self._recorder.add(result, with_picture=not self._blur)
        self._service.count("page", faces, started)
        table = {"type": "result", **detailed(result, maps=self._explain)}
        return msgspec.json.encode(table).decode()

    async def _obey(self, command: Command) -> None:
        if command.explain is not None:
            self._explain = command.explain
        if command.blur is not None:
            self._blur = command.blur
            self._follower.every = self._search_every
        if command.source is not None:
            self._source = command.source[:LONGEST_NAME]
            self._follower = self._new_follower()
        if command.report == "start":
            self._recorder.start(at=None if command.source is None else 0.0)
        elif command.report == "drop":
            self._recorder.drop()
        elif command.report == "end":
            await self._send(await self._recorder.report())
