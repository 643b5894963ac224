"""One page whose frames are recognized: a WebSocket with a follower of its own.

The page sends a binary message for each frame: its number (4 bytes), its time in seconds (8 bytes, a float, both little
endian), and a picture. The answer is a text: the result as a line of JSON Lines has it, with ``"type": "result"``. At
most one frame is recognized and one waits; a newer one replaces the one that waits, and the replaced one gets no
answer. Texts from the page are commands; see ``Command``.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import time
from collections import deque
from functools import partial

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from emotion_cam.errors import EmotionCamError, message_of
from emotion_cam.recognition.recognizer import Follower
from emotion_cam.report import render
from emotion_cam.report.history import History
from emotion_cam.result import Result
from emotion_cam.serve.pictures import PictureError, decode
from emotion_cam.serve.service import Service, detailed
from emotion_cam.types import Frame

HEADER = struct.Struct("<Id")
"""What stands before the picture of a frame: its number and its time in seconds."""

FULL, MALFORMED, TOO_LARGE, IDLE, GOING_AWAY, FAILED = 1013, 1003, 1009, 4408, 1001, 1011
"""Why a WebSocket is closed, as its close code."""

LONGEST_NAME = 200


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """What a page may ask for, as JSON; what is left out stays as it is.

    Attributes:
        blur: whether faces are blurred: then every frame is searched in full, and a report has no pictures.
        explain: whether answers hold class maps.
        source: the name of what is shown; the frames that follow begin a new stream.
        report: "start" begins to record for a report, "end" asks for it, "drop" forgets it.
    """

    blur: bool | None = None
    explain: bool | None = None
    source: str | None = None
    report: str | None = None


class _ClosingError(Exception):
    """The connection ends, with a close code and a reason for people."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


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
        self._commands: deque[Command] = deque()
        self._news = asyncio.Event()
        self._blur = service.view.blur
        self._explain = False
        self._source = "webcam"
        self._follower = self._new_follower()
        self._report: _Recording | None = None

    async def run(self) -> None:
        """Accept the connection, and serve it to its end."""
        await self._socket.accept()
        service = self._service
        if service.pages >= service.most_pages or (service.pages and service.workers.is_late):
            service.metrics.refused.labels("full").inc()
            await self._close(FULL, f"The server is full: {service.pages} pages use it. Try again later.")
            return
        service.pages += 1
        service.metrics.pages.set(service.pages)
        tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._work())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except _ClosingError as closing:
            await self._close(closing.code, closing.reason)
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            service.pages -= 1
            if not service.pages:
                service.workers.forget_waits()
            service.metrics.pages.set(service.pages)

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(Exception):  # it may be gone already
            await asyncio.wait_for(self._socket.close(code, reason[:120]), 2)

    async def _read(self) -> None:
        """Take the page's messages: the newest frame, and every command."""
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._limits.idle_seconds)
            except asyncio.TimeoutError:
                raise _ClosingError(IDLE, f"Nothing came for {self._limits.idle_seconds:g} seconds.") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            if message.get("bytes") is not None:
                self._service.metrics.replaced.inc(self._frame is not None)
                self._frame = message["bytes"]
            else:
                self._commands.append(_command(message.get("text") or ""))
                if len(self._commands) > 16:
                    raise _ClosingError(MALFORMED, "Too many commands at a time.")
            self._news.set()

    async def _work(self) -> None:
        """Answer commands and frames, one after the other."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._commands:
                await self._obey(self._commands.popleft())
            frame, self._frame = self._frame, None
            if frame is not None:
                await self._send(await self._service.workers.run(partial(self._recognize, frame)))

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self._socket.send_text(text), self._limits.idle_seconds)
        except asyncio.TimeoutError:
            raise _ClosingError(IDLE, "Answers were not taken.") from None

    def _new_follower(self) -> Follower:
        models = self._service.models
        return self._service.recognizer.follow(models.search_every(hides_faces=self._blur), models.smooth, live=True)

    def _recognize(self, message: bytes) -> str:
        """The answer to a frame; runs in a worker."""
        started = time.perf_counter()
        if len(message) <= HEADER.size:
            raise _ClosingError(MALFORMED, f"A frame has {HEADER.size} bytes of number and time, then a picture.")
        number, seconds = HEADER.unpack_from(message)
        if not (math.isfinite(seconds) and 0 <= seconds < 1e9):
            raise _ClosingError(MALFORMED, "The time of a frame is a number of seconds from 0.")
        try:
            image = decode(message[HEADER.size :], self._limits.frame_pixels)
        except PictureError as error:
            raise _ClosingError(TOO_LARGE if error.too_large else MALFORMED, str(error)) from None
        faces = self._follower(image, seconds)
        result = Result(Frame(image, number, seconds, self._source), faces)
        if self._report is not None:
            self._report.add(result, with_picture=not self._blur)
        self._service.count("page", faces, started)
        table = {"type": "result", **detailed(result, maps=self._explain)}
        return msgspec.json.encode(table).decode()

    async def _obey(self, command: Command) -> None:
        if command.explain is not None:
            self._explain = command.explain
        if command.blur is not None and command.blur != self._blur:
            self._blur = command.blur
            self._follower = self._new_follower()
        if command.source is not None:
            self._source = command.source[:LONGEST_NAME]
            self._follower = self._new_follower()
        if command.report == "start":
            self._report = _Recording(self._limits.report_faces, self._limits.report_tracks)
        elif command.report == "drop":
            self._report = None
        elif command.report == "end":
            await self._send_report()

    async def _send_report(self) -> None:
        recording, self._report = self._report, None
        answer: dict[str, object] = {"type": "report"}
        if recording is None or recording.is_empty:
            answer["error"] = "Nothing was recorded for a report."
        else:
            try:
                async with self._service.drawing:
                    page = await self._service.workers.run(recording.page)
                answer |= {"page": page, "complete": recording.is_complete}
            except EmotionCamError as error:
                answer["error"] = message_of(error)
        await self._send(msgspec.json.encode(answer).decode())


class _Recording:
    """What a report is made of: numbers, and thumbnails of strongest moments; no frame is kept.

    Attributes:
        is_empty: whether nothing was recorded.
        is_complete: whether everything found a place.
    """

    def __init__(self, most_faces: int, most_tracks: int) -> None:
        self._history = History()
        self._faces_left = most_faces
        self._most_tracks = most_tracks
        self.is_empty = True
        self.is_complete = True

    def add(self, result: Result, *, with_picture: bool) -> None:
        """Record a result; once the limits are reached, nothing more."""
        frame = result.frame
        tracks = sum(len(source.faces) for source in self._history.sources.values())
        self._faces_left -= 1 + len(result.faces)
        if self._faces_left < 0 or tracks > self._most_tracks:
            self.is_complete = False
            return
        image = frame.image if with_picture else None
        self._history.add(frame.source, frame.index, frame.time, result.faces, image)
        self.is_empty = False

    def page(self) -> str:
        """The report as a page."""
        return render(self._history, ".html").decode()


def _command(text: str) -> Command:
    try:
        return msgspec.json.decode(text, type=Command)
    except msgspec.DecodeError as error:
        raise _ClosingError(MALFORMED, f"This is no command: {error}") from None
