"""The window, and its keys."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import cv2
from imutils.video import FPS

from emotion_cam.annotate import draw_corner_text
from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.pictures import save_picture
from emotion_cam.types import Image, Result

TITLE = "emotion-cam"
"""What the window is called."""


class WindowSink(Sink):
    """Shows the annotated frames: q or Esc quits, space pauses, s saves what is seen; closing the window quits.

    Args:
        mirror: show the picture as in a mirror, with everything in it legible.
        show_fps: the rate at which frames are shown, in the corner.
        hold: pause at every frame; space or Enter goes on to the next.
        snapshots: the folder for what s saves.
        on_message: is told of every snapshot, in a sentence.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """

    LARGEST = 1280, 720
    """How large, in pixels, the window is at most to begin with."""

    def __init__(
        self,
        *,
        mirror: bool,
        show_fps: bool = False,
        hold: bool = False,
        snapshots: str | Path = ".",
        on_message: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._mirror = mirror
        self._hold = hold
        self._snapshots = Path(snapshots)
        self._on_message = on_message
        self._rate = _Rate() if show_fps else None
        self._image: Image | None = None
        self._paused = False
        self._finished = False
        try:
            with _display():
                cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise SinkError(
                "OpenCV cannot open a window here, as with opencv-python-headless, which must not be installed beside "
                "opencv-python: use --out to write a file instead."
            ) from error

    @property
    def finished(self) -> bool:
        return self._finished

    def write(self, result: Result) -> None:
        image = (result.mirrored() if self._mirror else result).annotated
        if self._image is None:
            self._set_size(image.shape[1], image.shape[0])
        if self._rate is not None:
            image = image.copy()  # the other outputs use this picture too
            draw_corner_text(image, self._rate.count())
        self._image = image
        cv2.imshow(TITLE, image)
        self._paused = self._hold
        self._listen(1)
        while self._paused and not self._finished:
            self._listen(30)

    def poll(self) -> None:
        """Attend to the keys while no picture comes."""
        if self._image is not None:
            self._listen(1)

    def __exit__(self, *_: object) -> None:
        with suppress(cv2.error):  # it is closed already
            cv2.destroyWindow(TITLE)

    def _set_size(self, width: int, height: int) -> None:
        scale = min(1.0, self.LARGEST[0] / width, self.LARGEST[1] / height)
        cv2.resizeWindow(TITLE, round(width * scale), round(height * scale))

    def _listen(self, milliseconds: int) -> None:
        key = chr(cv2.waitKey(milliseconds) & 0xFF).lower()
        if key in ("q", "\x1b") or not _is_open():
            self._finished = True
        elif key in (" ", "\r"):
            self._paused = not self._paused
            if self._rate is not None:
                self._rate.restart()
        elif key == "s":
            self._save_snapshot()

    def _save_snapshot(self) -> None:
        assert self._image is not None
        path = self._snapshots / f"emotion-cam-{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]
        path = path.with_suffix(".png")
        try:
            save_picture(path, self._image)
        except SinkError as error:  # no reason to stop watching
            self._on_message(str(error))
        else:
            self._on_message(f"Saved {path}.")


class _Rate:
    """Counts frames, and tells how many a second went by, anew about every second so that it can be read."""

    def __init__(self) -> None:
        self._text = ""
        self.restart()

    def restart(self) -> None:
        self._fps = FPS().start()
        self._since = time.monotonic()

    def count(self) -> str:
        """One more frame; returns what to show, which is "" during the first second."""
        self._fps.update()
        if time.monotonic() - self._since >= 1:
            self._fps.stop()
            self._text = f"{self._fps.fps():.0f} fps"
            self.restart()
        return self._text


def _is_open() -> bool:
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # how Qt says that its last window is gone
        return False


@contextmanager
def _display() -> Iterator[None]:
    """Look for the display first: Qt, with which OpenCV comes on Linux, ends the whole process where there is none."""
    if not sys.platform.startswith("linux") or not cv2.currentUIFramework().startswith("QT"):
        yield
        return
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        raise SinkError(f"A window needs what is missing here, {error}; use --out to write a file instead.") from error
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = (ctypes.c_void_p,)
    display = x11.XOpenDisplay(None)
    if not display:
        found = os.environ.get("DISPLAY")
        why = f"{found} cannot be reached" if found else "DISPLAY is not set"
        raise SinkError(f"There is no display for a window: {why}; use --out to write a file instead.")
    os.environ["QT_QPA_PLATFORM"] = "xcb"  # whatever is set: OpenCV brings no other
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # they are about fonts that are not used
    try:
        yield
    finally:
        x11.XCloseDisplay(display)  # not before Qt is there: a display whose last client leaves may start anew
