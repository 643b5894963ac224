"""The window in which a person sees himself or herself, the label that is asked for, and the countdown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import cv2

from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.overlays import draw_prompt
from emotion_cam.enrollment.film import Moment
from emotion_cam.sinks.window import TITLE, fit_window, is_open, open_window
from emotion_cam.types import Box, Face, Frame

if TYPE_CHECKING:
    from typing_extensions import Self


class WindowScreen:
    """Shows the frames like a mirror, with what is asked for below; q, Esc, and closing the window stop.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """

    def __init__(self) -> None:
        self.finished = False
        self._empty = True
        open_window(instead="`no_show` counts down in the terminal instead")

    def show(self, frame: Frame, boxes: Sequence[Box], moment: Moment) -> None:
        width, height = frame.image.shape[1], frame.image.shape[0]
        if self._empty:
            fit_window(width, height)
            self._empty = False
        image = annotate(frame.mirrored().image, [Face(box.mirrored(width)) for box in boxes])
        draw_prompt(image, moment.take.label, moment.line)
        cv2.imshow(TITLE, image)
        self._react()

    def idle(self) -> None:
        if not self._empty:
            self._react()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(cv2.error):  # it is closed already
            cv2.destroyWindow(TITLE)

    def _react(self) -> None:
        key = chr(cv2.waitKey(1) & 0xFF).lower()
        self.finished = self.finished or key in ("q", "\x1b") or not is_open()
