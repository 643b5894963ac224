"""The server's own source: read and recognized once, for everybody who watches."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

import cv2
import msgspec
import numpy as np

from emotion_cam.drawing.blur import blur_face
from emotion_cam.drawing.colors import DARK
from emotion_cam.errors import EmotionCamError, message_of
from emotion_cam.recognition.recognizer import Follower
from emotion_cam.result import Result
from emotion_cam.serve.pictures import encode_jpeg
from emotion_cam.serve.service import Service, detailed
from emotion_cam.serve.workers import FullError
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.types import Face, Frame, Image

log = logging.getLogger(__name__)

LONGEST_SIDE = 1280
"""The most pixels of the longer side of the pictures that watchers get."""

PICTURE_SECONDS = 2.0
"""How long each picture of a folder is shown."""

_RETRY_SECONDS = 5.0
_TICK = 0.1


@dataclass
class Moment:
    """A result of the source, with what watchers need of it, each made once when first asked for.

    Attributes:
        result: the result.
        line: the result as a line of JSON Lines, without the line's end.
    """

    result: Result
    line: bytes
    _details: bytes | None = None
    _jpegs: dict[bool, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def details(self) -> bytes:
        """The result as JSON with what a page needs to draw it; see ``detailed``."""
        if self._details is None:
            self._details = msgspec.json.encode(detailed(self.result, maps=True))
        return self._details

    def jpeg(self, *, annotated: bool) -> bytes:
        """The picture as a JPEG file. Faces that the view blurs are blurred, whether it is annotated or not."""
        with self._lock:
            if annotated not in self._jpegs:
                image = self.result.annotated if annotated else _plain(self.result)
                self._jpegs[annotated] = encode_jpeg(image, longest_side=LONGEST_SIDE)
            return self._jpegs[annotated]


def _plain(result: Result) -> Image:
    """The picture without anything drawn on it, and without what the view hides."""
    if not result.view.picture:
        return np.full_like(result.frame.image, DARK)
    if not result.view.blur:
        return result.frame.image
    image: Image = result.frame.image.copy()
    for face in result.faces:
        blur_face(image, face.box)
    return image


class LiveSource:
    """Reads and recognizes a source in a thread of its own, at the source's own pace, while somebody watches.

    A file starts over at its end. A source that fails is logged and opened again every five seconds.

    Args:
        source: the opened source.
        reopen: opens it again.
        service: what all visitors share.

    Attributes:
        name: of the source.
        size: (width, height) of its frames in pixels; None if it is not known yet.
        fps: nominal frames per second; None if unknown.
        is_live: whether it is a camera or a stream.
        problem: why there is no picture, for people; "" while there is one.
        watchers: how many watch now.
    """

    def __init__(self, source: Source, reopen: Callable[[], Source], service: Service) -> None:
        self._source = source
        self._reopen = reopen
        self._service = service
        self.name, self.size, self.fps, self.is_live = source.name, source.size, source.fps, source.live
        self.problem = ""
        self.watchers = 0
        self._latest: Moment | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"source {source.name}", daemon=True)

    def start(self) -> None:
        """Begin to read; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        return self._stop.is_set()

    def close(self) -> None:
        """End the thread, and let all watchers go; called in the event loop."""
        self._stop.set()
        self._wake()

    async def join(self) -> None:
        """Wait a moment for the thread, so that the camera is released."""
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 1.0)

    async def watch(self, tick: float) -> AsyncGenerator[Moment | None, None]:
        """The newest moment again and again, as fast as it is taken; None whenever there is none for ``tick`` seconds.

        Raises:
            FullError: too many watch already.
        """
        most = self._service.limits.watchers
        if self.watchers >= most:
            raise FullError(f"The server is full: {most} watch its source. Try again later.")
        self._count(1)
        seen = self._latest  # it may be old: nobody watched
        try:
            while not self.is_closed:
                if self._latest is seen:
                    await self._wait(tick)
                if self.is_closed:
                    return
                moment = None if self._latest is seen else self._latest
                if moment is not None:
                    seen = moment
                yield moment
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.watchers += change
        self._service.metrics.watchers.set(self.watchers)

    async def _wait(self, seconds: float) -> None:
        """Wait until there is news, or for some seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _publish(self, moment: Moment) -> None:
        """In the event loop: this is the newest moment."""
        self._latest = moment
        self._wake()

    # In the thread

    def _run(self) -> None:
        source: Source | None = self._source
        while not self._stop.is_set():
            try:
                if source is None:
                    source = self._reopen()
                with source:
                    self._recognize_all(source)
                self.problem = "" if not source.live else "It ended."
            except (EmotionCamError, OSError, cv2.error) as error:
                self.problem = message_of(error)
                log.warning("%s Trying again every %g seconds.", self.problem, _RETRY_SECONDS)
            if self.problem:
                self._stop.wait(_RETRY_SECONDS)
            source = None

    def _recognize_all(self, source: Source) -> None:
        service = self._service
        every = service.models.search_every(hides_faces=service.view.blur)
        follower = service.recognizer.follow(every, service.models.smooth, live=True)
        start: float | None = None
        for frame in source.poll():
            if self._stop.is_set():
                return
            if frame is None:
                continue
            if isinstance(source, ImageSource):
                frame = replace(frame, time=frame.index * PICTURE_SECONDS)  # noqa: PLW2901 - the same frame
            if not source.live:
                start = time.monotonic() - frame.time if start is None else start
                if self._stop.wait(max(0.0, start + frame.time - time.monotonic())):
                    return
            self.size = frame.image.shape[1], frame.image.shape[0]
            self.problem = ""
            if self.watchers:
                self._recognize(frame, None if isinstance(source, ImageSource) else follower)
        if isinstance(source, ImageSource):
            self._stop.wait(PICTURE_SECONDS)

    def _recognize(self, frame: Frame, follower: Follower | None) -> None:
        started = time.perf_counter()
        view = self._service.view
        if view.mirror:
            frame = frame.mirrored()
        recognizer = self._service.recognizer
        faces: tuple[Face, ...] = recognizer(frame.image) if follower is None else follower(frame.image, frame.time)
        self._service.count("source", faces, started)
        result = Result(frame, faces, view)
        moment = Moment(result, msgspec.json.encode(result.as_dict()))
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._publish, moment)
        except RuntimeError:  # the loop has ended
            self._stop.set()
