"""The window, and its keys."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
from imutils.video import FPS

from emotion_cam.annotate.draw import Annotator, draw_corner_text, draw_keys, draw_recording_dot
from emotion_cam.errors import SinkError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.pictures import save_picture
from emotion_cam.sinks.video import VideoSink
from emotion_cam.types import Result

if TYPE_CHECKING:
    from types import TracebackType

TITLE = "emotion-cam"
"""What the window is called."""

SWITCHES = {"a": "bars", "e": "explain", "b": "blur"}
"""The keys that turn an attribute of the annotator on and off. A new switch is a line here."""

ALIASES = {"\x1b": "q", "\r": " "}
"""Esc and Enter do what these keys do."""


class Key(NamedTuple):
    """What a key of the window does, for people, and how."""

    does: str
    press: Callable[[], None]


class WindowSink(Sink):
    """Shows the annotated frames, and obeys its keys, which h lists; closing the window quits.

    What its keys change in the annotator holds for all outputs from then on. A snapshot or recording is what is seen
    without what the window itself writes on it.

    Args:
        annotator: what the results are drawn by.
        mirror: show the picture as in a mirror, with everything in it legible.
        show_fps: the rate at which frames are shown, in the corner.
        hold: pause at every frame; space or Enter goes on to the next.
        tasks: by key, the tasks that can be hidden and shown again.
        folder: for snapshots and recordings.
        on_message: is told of each of these, in a sentence.

    Attributes:
        keys: by what is typed.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """

    LARGEST = 1280, 720
    """How large, in pixels, the window is at most to begin with."""

    def __init__(
        self,
        annotator: Annotator,
        *,
        mirror: bool,
        show_fps: bool = False,
        hold: bool = False,
        tasks: Mapping[str, str] | None = None,
        folder: str | Path = ".",
        on_message: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._annotator = annotator
        self._mirror = mirror
        self._hold = hold
        self._folder = Path(folder)
        self._on_message = on_message
        self._rate = _Rate() if show_fps else None
        self._result: Result | None = None
        self._recording: VideoSink | None = None
        self._paused = False
        self._finished = False
        self._help = False
        self.keys = {
            "q": Key("quit", self._quit),
            " ": Key("pause, go on", self._pause),
            "s": Key("save a snapshot", self._save_snapshot),
            "r": Key("record, stop", self._record),
            "m": Key("mirror", self._flip),
            **{key: Key(name, partial(self._switch, name)) for key, name in SWITCHES.items()},
            **{key: Key(task, partial(self._hide, task)) for key, task in (tasks or {}).items()},
            "f": Key("full screen", self._fill_screen),
            "h": Key("these keys", self._list_keys),
        }
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
        if self._result is None:
            self._set_size(result.frame.image.shape[1], result.frame.image.shape[0])
        self._result = result
        if self._rate is not None:
            self._rate.count()
        seen = self._seen()
        self._show(seen)
        self._add_to_recording(seen)
        self._paused = self._hold
        self._listen(1)
        while self._paused and not self._finished:
            self._listen(30)

    def poll(self) -> None:
        """Attend to the keys while no picture comes."""
        if self._result is not None:
            self._listen(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_recording(error)
        with suppress(cv2.error):  # it is closed already
            cv2.destroyWindow(TITLE)

    def _set_size(self, width: int, height: int) -> None:
        scale = min(1.0, self.LARGEST[0] / width, self.LARGEST[1] / height)
        cv2.resizeWindow(TITLE, round(width * scale), round(height * scale))

    def _seen(self) -> Result:
        assert self._result is not None
        return self._result.mirrored() if self._mirror else self._result

    def _show(self, seen: Result) -> None:
        image = seen.annotated.copy()  # the other outputs use this picture too
        if self._rate is not None:
            draw_corner_text(image, self._rate.text)
        if self._recording is not None:
            draw_recording_dot(image)
        if self._help:
            draw_keys(image, {"space" if key == " " else key: does for key, (does, _) in self.keys.items()})
        cv2.imshow(TITLE, image)

    def _listen(self, milliseconds: int) -> None:
        typed = chr(cv2.waitKey(milliseconds) & 0xFF).lower()
        key = self.keys.get(ALIASES.get(typed, typed))
        if not _is_open():
            self._quit()
        elif key is not None:
            key.press()
            assert self._result is not None
            self._result = replace(self._result)  # which is drawn anew, as the switches are now
            self._show(self._seen())

    # What the keys do

    def _quit(self) -> None:
        self._finished = True

    def _pause(self) -> None:
        self._paused = not self._paused
        if self._rate is not None:
            self._rate.restart()

    def _flip(self) -> None:
        self._mirror = not self._mirror

    def _switch(self, name: str) -> None:
        setattr(self._annotator, name, not getattr(self._annotator, name))

    def _hide(self, task: str) -> None:
        self._annotator.hidden ^= {task}

    def _fill_screen(self) -> None:
        full = cv2.getWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN) == cv2.WINDOW_FULLSCREEN
        cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_NORMAL if full else cv2.WINDOW_FULLSCREEN)

    def _list_keys(self) -> None:
        self._help = not self._help

    def _save_snapshot(self) -> None:
        path = self._new_path(".png")
        try:
            save_picture(path, self._seen().annotated)
        except SinkError as error:  # no reason to stop watching
            self._on_message(str(error))
        else:
            self._on_message(f"Saved {path}.")

    def _new_path(self, suffix: str) -> Path:
        stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]
        return self._folder / f"emotion-cam-{stamp}{suffix}"

    # Recording

    def _record(self) -> None:
        if self._recording is not None:
            self._stop_recording()
        elif self._hold:
            self._on_message("A picture is not recorded: s saves it.")
        else:
            path = self._new_path(".mp4")
            try:
                self._recording = VideoSink(path, fps=None, live=True)
            except SinkError as error:
                self._on_message(str(error))
            else:
                self._on_message(f"Recording {path}.")

    def _add_to_recording(self, seen: Result) -> None:
        if self._recording is not None:
            try:
                self._recording.write(seen)
            except SinkError as error:  # no reason to stop watching either
                self._on_message(str(error))
                self._stop_recording(error)

    def _stop_recording(self, error: BaseException | None = None) -> None:
        """End the recording, if there is one; after an error it gets the name of one that is not whole."""
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.__exit__(type(error) if error else None, error, None)
            except SinkError as failure:
                self._on_message(str(failure))
            if recording.kept is not None:
                self._on_message(f"Recorded {recording.kept}.")


class _Rate:
    """Counts frames; ``text`` tells how many a second went by, anew about every second so that it can be read."""

    def __init__(self) -> None:
        self.text = ""
        self.restart()

    def restart(self) -> None:
        self._fps = FPS().start()
        self._since = time.monotonic()

    def count(self) -> None:
        self._fps.update()
        if time.monotonic() - self._since >= 1:
            self._fps.stop()
            self.text = f"{self._fps.fps():.0f} fps"
            self.restart()


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
