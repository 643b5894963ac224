"""Cameras and streams."""

from __future__ import annotations

import itertools
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source
from emotion_cam.sources.devices import camera_backend, find_camera, why_closed
from emotion_cam.types import Frame

if TYPE_CHECKING:
    from cv2.typing import MatLike

_PATIENCE = 10_000  # milliseconds that a stream may take to answer, or to send the next picture
_FAREWELL = 2.0  # seconds that a reader has to end; one that hangs in a dead camera ends with the program
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 5.0  # seconds between attempts to take up again what was lost: ever longer


class CameraSource(Source):
    """A camera, by its number, name or path, or a stream, by its address (http, https, rtsp, …): the newest frame wins.

    One thread reads on and keeps the newest frame only, so a slow consumer drops frames and never lags.
    ``Frame.index`` counts the frames that were read, so it has gaps where some were dropped; ``Frame.time`` is
    seconds since the first frame, also after an interruption, whose length it shows.

    Args:
        camera: what ``find_camera`` takes, or an address with ://.
        size: (width, height) in pixels to ask the camera for; it takes the nearest that it can, and ``tell`` is told.
        fps: frames per second to ask the camera for, likewise.
        reconnect: for how many seconds to try again when no more pictures come; 0: not at all; inf: for ever.
        tell: is told of what people should know at once, in a sentence; also from the thread that reads.

    Raises:
        SourceError: there is no such camera or stream, it sends nothing, or a stream is asked for a size or rate; while
            iterating: it was lost.
        ValueError: ``reconnect`` is negative.
    """

    live = True

    def __init__(
        self,
        camera: int | str,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        reconnect: float = 0.0,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        if not reconnect >= 0:
            raise ValueError(f"reconnect is a time in seconds, at least 0, not {reconnect}")
        self._address = str(camera) if "://" in str(camera) else None
        self._camera = camera
        self._wanted = size, fps
        self._reconnect = reconnect
        self._tell = tell
        # A password must not end up in tables and messages.
        self.name = re.sub(r"://[^/@]*@", "://", self._address or f"camera {find_camera(camera)}")
        if self._address and (size or fps):
            raise SourceError(f"{self.name} is a stream, which cannot be asked for --size or --fps: leave them away.")
        self._capture, image = self._open()  # so that trouble is told now, not after the models have been loaded
        self._start = time.monotonic()
        self.size = image.shape[1], image.shape[0]
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else None  # a driver that does not know says 0, -1 or 90000
        self._tell_difference()

        self._newest: Frame | None = self._frame(image, 0)
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"reader of {self.name}", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                # Not for ever: on Windows Ctrl-C would not get through.
                self._changed.wait_for(self._has_news, timeout=0.1)
                frame, self._newest = self._newest, None
            if self._closed:
                return
            if frame is not None:
                yield frame
            elif self._error is not None:
                raise self._error
            else:
                self.while_waiting()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reader.join(_FAREWELL)

    def _has_news(self) -> bool:
        return self._newest is not None or self._error is not None or self._closed

    def _open(self) -> tuple[cv2.VideoCapture, MatLike]:
        """What is open and has sent a picture, and that picture."""
        # Looked for anew each time: a camera that is plugged in again may have another number.
        number = None if self._address else find_camera(self._camera)
        capture = _open_stream(self._address or "") if number is None else _open_camera(number, *self._wanted)
        arrived, image = capture.read()
        if arrived:
            return capture, image
        opened = capture.isOpened()
        capture.release()
        if number is not None:
            why = f"Camera {number} sends no pictures: does another program use it?" if opened else why_closed(number)
        elif opened:
            why = f"{self.name} sends no pictures that can be decoded."
        else:
            why = f"{self.name} cannot be opened: is the address right, and is the stream running?"
        raise SourceError(why)

    def _tell_difference(self) -> None:
        """Tell where the camera gives something else than it was asked for."""
        size, fps = self._wanted
        instead = []
        if size and self.size and size != self.size:
            instead.append("{}×{} instead of {}×{}".format(*self.size, *size))
        if fps and self.fps and abs(fps - self.fps) > 0.5:  # 29.97 is as good as 30
            instead.append(f"{self.fps:.4g} frames a second instead of {fps:.4g}")
        if instead:
            self._tell(f"{self._title} gives {' and '.join(instead)}.")

    def _read(self) -> None:
        try:
            for index in itertools.count(1):
                arrived, image = self._capture.read()
                if not arrived:
                    image = self._take_up_again(index)
                with self._changed:
                    if self._closed:
                        return
                    self._newest = self._frame(image, index)
                    self._changed.notify()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify()
        finally:
            self._capture.release()  # here, for releasing a capture that another thread reads crashes

    def _take_up_again(self, frames: int) -> MatLike:
        """Try until a picture comes.

        Raises:
            SourceError: the patience is at its end, or it was closed.
        """
        lost = f"{self._title} stopped sending pictures after {frames} frames"
        # OpenCV does not tell a stream that is over from one that was lost.
        why = "it is over, or the connection was lost." if self._address else "was it unplugged?"
        if not self._reconnect:
            raise SourceError(f"{lost}: {why}")
        self._capture.release()
        how_long = "for ever" if math.isinf(self._reconnect) else f"for {self._reconnect:g} seconds"
        self._tell(f"{lost}; trying again {how_long}.")
        began, away, pause = time.monotonic(), 0.0, _FIRST_PAUSE
        while away < self._reconnect:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, timeout=min(pause, self._reconnect - away)):
                    break
            away, pause = time.monotonic() - began, min(2 * pause, _LAST_PAUSE)
            try:
                self._capture, image = self._open()
            except SourceError:
                continue
            self._tell(f"{self._title} is back after {time.monotonic() - began:.1f} seconds.")
            return image
        raise SourceError(f"{lost}, and did not come back within {self._reconnect:g} seconds: {why}")

    @property
    def _title(self) -> str:
        """The name as a sentence begins with it."""
        return self.name if self._address else self.name.capitalize()

    def _frame(self, image: MatLike, index: int) -> Frame:
        return Frame(np.asarray(image, np.uint8), index, time.monotonic() - self._start, self.name)


def _open_camera(number: int, size: tuple[int, int] | None, fps: float | None) -> cv2.VideoCapture:
    _quieten()
    capture = cv2.VideoCapture(number, camera_backend())
    if size or fps:
        # First of all: over USB 2, pictures that are not compressed come slowly (1280×720 ten times a second). A camera
        # that cannot compress goes on as before.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    return capture


def _open_stream(address: str) -> cv2.VideoCapture:
    _quieten()
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, patience)


def _quieten() -> None:
    """OpenCV and its FFmpeg write lines of their own where opening fails; the error that we raise is enough."""
    # The function's place differs between the releases of OpenCV.
    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    set_level(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
