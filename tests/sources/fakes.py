"""A camera without a device."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import cv2

from emotion_cam.types import Image

PlugIn: TypeAlias = Callable[..., None]
"""Adds a device: number, name, and which of its camera's devices it is."""


class FakeCapture:
    """Stands in for cv2.VideoCapture: gives the pictures in its queue; None is a picture that did not arrive.

    When the queue is empty it waits, or gives ``default`` again and again, as a camera does.
    """

    def __init__(self, *images: Image | None) -> None:
        self.images: queue.Queue[Image | None] = queue.Queue()
        for image in images:
            self.images.put(image)
        self.default: Image | None = None
        self.opened_with: tuple[object, ...] = ()
        self.rate = 30.0
        self.moment: Callable[[], float] = lambda: 0.0  # when the driver took the picture, in seconds
        self.settings: list[tuple[int, float]] = []
        self.reads = 0
        self.released_by: str | None = None

    def __call__(self, *arguments: object) -> FakeCapture:
        self.opened_with = arguments
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return not self.images.empty()

    def read(self) -> tuple[bool, Image | None]:
        self.reads += 1
        while True:
            try:
                image = self.images.get(timeout=0.01)
            except queue.Empty:
                if self.default is None:
                    continue
                return True, self.default
            return image is not None, image

    def get(self, setting: int) -> float:
        return 1000 * self.moment() if setting == cv2.CAP_PROP_POS_MSEC else self.rate

    def set(self, setting: int, value: float) -> bool:
        self.settings.append((setting, value))
        return True

    def release(self) -> None:
        self.released_by = threading.current_thread().name

    def wait_for_reads(self, count: int) -> None:
        """Wait until this many reads have begun; all but the last have returned."""
        deadline = time.monotonic() + 5
        while self.reads < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)
