"""Cameras and streams."""

from __future__ import annotations

import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_cam.errors import SourceError
from emotion_cam.sources.address import is_address, public_address
from emotion_cam.sources.base import Source
from emotion_cam.sources.devices import camera_backend, find_camera, why_not_opened
from emotion_cam.types import Frame

if TYPE_CHECKING:
    from cv2.typing import MatLike

log = logging.getLogger(__name__)

_POLL_INTERVAL = 0.1  # seconds
_STREAM_TIMEOUT = 10_000  # milliseconds in which a stream must answer, or send the next frame
_FROZEN = 10.0  # seconds without a picture after which a camera counts as lost, although OpenCV still waits for it
_CLOSE_TIMEOUT = 2.0  # seconds in which the reader must end; one that hangs in a dead camera ends with the program
_LONGEST_DELAY = 1.0  # seconds from taking a picture to its arrival; a driver's time before that is by another clock
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between attempts to reconnect, which double each time


class CameraSource(Source):
    """A camera, by its number, name or path, or a stream, by its address (http, https, rtsp, …).

    A thread reads all the time and keeps the newest frame only, so a slow consumer drops frames and never lags.
    ``Frame.index`` counts the frames that were read, so dropped frames leave gaps. ``Frame.time`` is in seconds since
    the first frame; an interruption leaves a gap of its length. A frame's time is when the camera took it, where the
    driver says that (Linux), and when it arrived otherwise. A camera that uses another size or rate than the
    requested one, and every interruption, is logged.

    Args:
        camera: what ``find_camera`` takes, or an address with ://.
        size: (width, height) in pixels to ask the camera for; it uses the nearest one that it has.
        fps: frames per second to ask the camera for; it uses the nearest rate that it has.
        reconnect: how many seconds to retry when no more frames arrive; 0 does not retry, inf never gives up. A camera
            that hangs counts as lost after 10 seconds without a frame.

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
    ) -> None:
        if not reconnect >= 0:
            raise ValueError(f"`reconnect` must be at least 0 seconds, not {reconnect:g}.")
        self._address = str(camera) if is_address(str(camera)) else None
        self._camera = camera
        self._requested = size, fps
        self._reconnect = reconnect
        # Without passwords, which must not end up in tables and messages.
        self.name = public_address(self._address) if self._address else f"camera {find_camera(camera)}"
        if self._address and (size or fps):
            raise SourceError(f"{self.name} is a stream, which takes neither `size` nor `fps`: leave them out.")
        self._capture, image = self._open()  # now, so that errors come before the models are loaded
        self.size = image.shape[1], image.shape[0]
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else None  # drivers that do not know the rate say 0, -1 or 90000
        self._log_difference()

        self._moment = -math.inf  # when the newest picture was taken
        self._newest: Frame | None = self._frame(image, 0)
        self._count = 1
        self._latest = time.monotonic()  # when a picture arrived
        self._lost_at: float | None = None  # when no more arrived; None while they do
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"reader of {self.name}", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Frame]:
        return (frame for frame in self.poll() if frame is not None)

    def poll(self) -> Iterator[Frame | None]:
        while True:
            with self._changed:
                # The timeout also lets Ctrl-C through on Windows.
                self._changed.wait_for(self._has_changed, timeout=_POLL_INTERVAL)
                frame, self._newest = self._newest, None
            if self._closed:
                return
            if frame is None and self._error is not None:
                raise self._error
            if frame is None:
                self._check_deadline()
            yield frame

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reader.join(_CLOSE_TIMEOUT)

    def _has_changed(self) -> bool:
        return self._newest is not None or self._error is not None or self._closed

    def _open(self) -> tuple[cv2.VideoCapture, MatLike]:
        """An open capture, and the first picture from it."""
        # The number is looked up each time: a camera that is plugged in again may have another one.
        number = None if self._address else find_camera(self._camera)
        capture = _open_stream(self._address or "") if number is None else _open_camera(number, *self._requested)
        ok, image = capture.read()
        if ok:
            return capture, image
        opened = capture.isOpened()
        capture.release()
        if number is not None and opened:
            message = f"Camera {number} sends no pictures: is another program using it?"
        elif number is not None:
            message = why_not_opened(number)
        elif opened:
            message = f"{self.name} sends no pictures that can be decoded."
        else:
            message = f"{self.name} cannot be opened: is the address right, and is the stream running?"
        raise SourceError(message)

    def _log_difference(self) -> None:
        """Log where the camera uses something other than what was requested."""
        size, fps = self._requested
        differences = []
        if size and self.size and size != self.size:
            differences.append("{}×{} instead of {}×{}".format(*self.size, *size))
        if fps and self.fps and abs(fps - self.fps) > 0.5:  # 29.97 is as good as 30
            differences.append(f"{self.fps:.4g} frames a second instead of {fps:.4g}")
        if differences:
            log.warning("%s gives %s.", self._title, " and ".join(differences))

    def _read(self) -> None:
        try:
            for index in itertools.count(1):
                ok, image = self._capture.read()
                if not ok:
                    image = self._reopen()
                with self._changed:
                    if self._closed:
                        return
                    self._log_return()
                    self._newest = self._frame(image, index)
                    self._count, self._latest = index + 1, time.monotonic()
                    self._changed.notify()
        except Exception as error:
            if isinstance(error, cv2.error):
                error = SourceError(f"{self._title} cannot be read: {error}.")
            with self._changed:
                self._error = error
                self._changed.notify()
        finally:
            self._capture.release()  # in this thread: releasing a capture that another thread is reading crashes

    def _reopen(self) -> MatLike:
        """Retry until a picture arrives.

        Raises:
            SourceError: the time to retry is over, or the source was closed.
        """
        self._capture.release()
        start, pause = self._log_loss(), _FIRST_PAUSE
        while (left := start + self._reconnect - time.monotonic()) > 0:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, timeout=min(pause, left)):
                    break
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                self._capture, image = self._open()
            except SourceError:
                continue
            return image
        raise self._lost_error()

    def _check_deadline(self) -> None:
        """Raise SourceError if no picture arrives for too long while the reader hangs in a call of OpenCV."""
        now = time.monotonic()
        if self._lost_at is None and now - self._latest > _FROZEN:
            self._log_loss()
        # A moment later than the reader, whose error comes first if it does not hang.
        if self._lost_at is not None and now - self._lost_at > self._reconnect + 2 * _POLL_INTERVAL:
            raise self._lost_error()

    def _log_loss(self) -> float:
        """Log, once for each loss, that the camera is lost, if it will be opened again; returns when that was."""
        with self._changed:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                if self._reconnect and not self._closed:
                    how_long = "forever" if math.isinf(self._reconnect) else f"for {self._reconnect:g} seconds"
                    log.warning("%s; retrying %s.", self._lost, how_long)
            return self._lost_at

    def _log_return(self) -> None:
        if self._lost_at is not None:
            log.info("%s is back after %.1f seconds.", self._title, time.monotonic() - self._lost_at)
            self._lost_at = None

    @property
    def _lost(self) -> str:
        return f"{self._title} stopped sending pictures after {self._count} frame{'s' * (self._count != 1)}"

    def _lost_error(self) -> SourceError:
        # OpenCV does not distinguish a stream that ended from one that was lost.
        why = "it ended, or the connection was lost." if self._address else "was it unplugged?"
        late = f", and did not come back within {self._reconnect:g} seconds" if self._reconnect else ""
        return SourceError(f"{self._lost}{late}: {why}")

    @property
    def _title(self) -> str:
        """The name at the start of a sentence."""
        return self.name if self._address else self.name.capitalize()

    def _frame(self, image: MatLike, index: int) -> Frame:
        self._moment = self._time_of_picture()
        if self.started is None:
            self.started = self._moment
        return Frame(np.asarray(image, np.uint8), index, self._moment - self.started, self.name)

    def _time_of_picture(self) -> float:
        """When the newest picture was taken, as the driver says; when it arrived, if the driver does not know."""
        now = time.monotonic()
        if self._address or camera_backend() != cv2.CAP_V4L2:  # others give something else
            return now
        taken = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return taken if max(self._moment, now - _LONGEST_DELAY) < taken <= now else now


def _open_camera(number: int, size: tuple[int, int] | None, fps: float | None) -> cv2.VideoCapture:
    _silence_opencv()
    capture = cv2.VideoCapture(number, camera_backend())
    if size or fps:
        # Before the size: over USB 2, uncompressed pictures are slow (1280×720 ten times a second). A camera that
        # cannot compress ignores this.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    return capture


def _open_stream(address: str) -> cv2.VideoCapture:
    _silence_opencv()
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STREAM_TIMEOUT]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts)


def _silence_opencv() -> None:
    """Turn off the lines that OpenCV and its FFmpeg write when opening fails; our own error is enough."""
    # The function's place differs between the releases of OpenCV.
    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    set_level(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
