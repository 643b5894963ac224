"""The window, and its keys."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
from imutils.video import FPS

from emotion_cam.drawing.overlays import draw_corner_text, draw_keys, draw_recording_dot
from emotion_cam.drawing.view import Controls
from emotion_cam.errors import SinkError
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.pictures import save_picture
from emotion_cam.sinks.video import VideoSink

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger(__name__)

TITLE = "emotion-cam"
"""The title of the window."""

LARGEST = 1280, 720
"""The largest size of a new window, in pixels."""

SWITCHES = {"a": "bars", "l": "landmarks", "e": "explain", "b": "blur"}
"""The keys that turn an attribute of the view on and off. A new switch is a line here."""

ALIASES = {"\x1b": "q", "\r": " "}
"""Keys that do the same as another: Esc and Enter."""

_DIGITS = "1234567890"


class Key(NamedTuple):
    """A key of the window.

    Attributes:
        action: what it does, in words.
        press: does it.
    """

    action: str
    press: Callable[[], None]


class WindowSink(Sink):
    """Shows the annotated frames, and reacts to its keys, which h lists; closing the window quits.

    The keys for the view change it for all outputs from the next frame on. Snapshots and recordings contain the picture
    as it is shown, without what the window itself writes on it. Each one is logged.

    Every task has a key that hides and shows it; see ``task_keys``.

    Args:
        controls: hold the view, which the keys change.
        mirror: show the picture flipped left to right, with all text legible.
        show_fps: show in the corner how many frames a second are shown.
        hold: pause at every frame; space or Enter goes on to the next.
        tasks: the tasks that can be hidden.
        folder: where snapshots and recordings are saved.

    Attributes:
        keys: what each key does, by its character.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """

    def __init__(
        self,
        controls: Controls,
        *,
        mirror: bool,
        show_fps: bool = False,
        hold: bool = False,
        tasks: Sequence[str] = (),
        folder: str | Path = ".",
    ) -> None:
        self._controls = controls
        self._mirror = mirror
        self._hold = hold
        self._folder = Path(folder)
        self._rate = _Rate() if show_fps else None
        self._result: Result | None = None
        self._recording: VideoSink | None = None
        self._paused = False
        self._finished = False
        self._help = False
        first = {
            "q": Key("quit", self._quit),
            " ": Key("pause or resume", self._pause),
            "s": Key("save a snapshot", self._save_snapshot),
            "r": Key("start or stop recording", self._record),
            "m": Key("mirror", self._flip),
            **{key: Key(name, partial(self._switch, name)) for key, name in SWITCHES.items()},
        }
        last = {"f": Key("full screen", self._toggle_full_screen), "h": Key("show or hide this list", self._list_keys)}
        hiding = {key: Key(task, partial(self._hide, task)) for key, task in task_keys(tasks, first | last).items()}
        self.keys = first | hiding | last
        open_window()

    @property
    def finished(self) -> bool:
        return self._finished

    def write(self, result: Result) -> None:
        if self._result is None:
            fit_window(result.frame.image.shape[1], result.frame.image.shape[0])
        self._result = result
        if self._rate is not None:
            self._rate.count()
        shown = self._shown()
        self._show(shown)
        self._add_to_recording(shown)
        self._paused = self._hold
        self._wait_for_key(1)
        while self._paused and not self._finished:
            self._wait_for_key(30)

    def idle(self) -> None:
        """React to the keys while no frame arrives."""
        if self._result is not None:
            self._wait_for_key(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_recording(error)
        with suppress(cv2.error):  # it is closed already
            cv2.destroyWindow(TITLE)

    def _shown(self) -> Result:
        assert self._result is not None
        return self._result.mirrored() if self._mirror else self._result

    def _show(self, shown: Result) -> None:
        image = shown.annotated.copy()  # the other outputs use this picture too
        if self._rate is not None:
            draw_corner_text(image, self._rate.text)
        if self._recording is not None:
            draw_recording_dot(image)
        if self._help:
            draw_keys(image, {"space" if key == " " else key: action for key, (action, _) in self.keys.items()})
        cv2.imshow(TITLE, image)

    def _wait_for_key(self, milliseconds: int) -> None:
        typed = chr(cv2.waitKey(milliseconds) & 0xFF).lower()
        key = self.keys.get(ALIASES.get(typed, typed))
        if not is_open():
            self._quit()
        elif key is not None:
            key.press()
            assert self._result is not None
            self._result = replace(self._result, view=self._controls.view)  # a new one, which is drawn again
            self._show(self._shown())

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
        view = self._controls.view
        change: dict[str, Any] = {name: not getattr(view, name)}
        self._controls.view = replace(view, **change)

    def _hide(self, task: str) -> None:
        view = self._controls.view
        hide = tuple(other for other in view.hide if other != task) if task in view.hide else (*view.hide, task)
        self._controls.view = replace(view, hide=hide)

    def _toggle_full_screen(self) -> None:
        full = cv2.getWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN) == cv2.WINDOW_FULLSCREEN
        cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_NORMAL if full else cv2.WINDOW_FULLSCREEN)

    def _list_keys(self) -> None:
        self._help = not self._help

    def _save_snapshot(self) -> None:
        path = self._new_path(".png")
        try:
            save_picture(path, self._shown().annotated)
        except SinkError as error:  # not a reason to close the window
            log.warning("%s", error)
        else:
            log.info("Saved %s.", path)

    def _new_path(self, suffix: str) -> Path:
        stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]
        return self._folder / f"emotion-cam-{stamp}{suffix}"

    # Recording

    def _record(self) -> None:
        if self._recording is not None:
            self._stop_recording()
        elif self._hold:
            log.info("Pictures are not recorded; s saves one.")
        else:
            path = self._new_path(".mp4")
            try:
                self._recording = VideoSink(path, fps=None, live=True)
            except SinkError as error:
                log.warning("%s", error)
            else:
                log.info("Recording %s.", path)

    def _add_to_recording(self, shown: Result) -> None:
        if self._recording is not None:
            try:
                self._recording.write(shown)
            except SinkError as error:  # not a reason to close the window either
                log.warning("%s", error)
                self._stop_recording(error)

    def _stop_recording(self, error: BaseException | None = None) -> None:
        """End the recording, if there is one; after an error its file becomes a partial one."""
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.__exit__(type(error) if error else None, error, None)
            except SinkError as failure:
                log.warning("%s", failure)
            if recording.output is not None:
                log.info("Recorded %s.", recording.output)


def task_keys(tasks: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """A key for each task: the first letter of its name that is free, or else a digit. Returns the tasks by key.

    A task gets no key if no digit is free either.

    Args:
        tasks: in the order in which they choose.
        taken: the keys that have another meaning.
    """
    keys: dict[str, str] = {}
    for task in tasks:
        letters = [letter for letter in task.lower() if letter in ascii_lowercase]
        free = (key for key in (*letters, *_DIGITS) if key not in taken and key not in keys)
        key = next(free, None)
        if key is not None:
            keys[key] = task
    return keys


class _Rate:
    """Counts frames; ``text`` shows how many there were per second, updated once a second so that it can be read."""

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


def open_window(instead: str = "use `out` to write a file instead") -> None:
    """Open the window.

    Args:
        instead: what to do if there can be no window, for the end of the error's message.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """
    try:
        with _display(instead):
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    except cv2.error as error:
        raise SinkError(
            "OpenCV cannot open a window here, as with opencv-python-headless, which must not be installed beside "
            f"opencv-python: {instead}."
        ) from error


def fit_window(width: int, height: int) -> None:
    """Give the window the size of its pictures, or the largest one of that shape."""
    scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    cv2.resizeWindow(TITLE, round(width * scale), round(height * scale))


def is_open() -> bool:
    """Whether the window is there; people may close it."""
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt raises this when its last window is closed
        return False


@contextmanager
def _display(instead: str) -> Iterator[None]:
    """Check the display before Qt, which OpenCV uses on Linux, does: Qt ends the whole process if there is none."""
    if not sys.platform.startswith("linux") or not cv2.currentUIFramework().startswith("QT"):
        yield
        return
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        raise SinkError(f"A window needs libX11, which is missing here ({error}); {instead}.") from error
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = (ctypes.c_void_p,)
    display = x11.XOpenDisplay(None)
    if not display:
        found = os.environ.get("DISPLAY")
        why = f"{found} cannot be reached" if found else "DISPLAY is not set"
        raise SinkError(f"There is no display for a window: {why}; {instead}.")
    os.environ["QT_QPA_PLATFORM"] = "xcb"  # whatever is set: OpenCV contains no other platform
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # about fonts that are not used
    try:
        yield
    finally:
        x11.XCloseDisplay(display)  # not before Qt has opened it: a display may restart when its last client leaves
