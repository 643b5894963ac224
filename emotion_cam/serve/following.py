"""Follows the faces of a stream whose frames may come seldom, because the machine is slow or has much to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.types import Face, Image

if TYPE_CHECKING:
    from emotion_cam.recognition.recognizer import Recognizer

FRAMES_OF_SEARCH = 4
"""The least number of frames over which the search for new faces is spread. With few frames a second, a search within a
fixed time would fall into every frame, make it slower still, and so on."""

_LONGEST_INTERVAL = 5.0  # seconds; a longer one is an interruption


class PacedFollower:
    """A follower that spreads its search for new faces over more time if frames come seldom.

    Args:
        recognizer: recognizes.
        models: how a stream is followed.
        hides_faces: whether faces are blurred: then every frame is searched in full, however long it takes.
    """

    def __init__(self, recognizer: Recognizer, models: ModelSpec, *, hides_faces: bool) -> None:
        self._every = models.search_every(hides_faces=hides_faces)
        self._follower = recognizer.follow(self._every, models.smooth)
        self._time = math.inf  # of the latest frame, in seconds
        self._interval = 0.0  # between frames, in seconds, averaged

    def __call__(self, image: Image, seconds: float) -> tuple[Face, ...]:
        """Recognize the faces of the next frame; as ``Follower``."""
        if 0 < seconds - self._time < _LONGEST_INTERVAL:
            self._interval += 0.2 * (seconds - self._time - self._interval)
        self._time = seconds
        if self._every:
            self._follower.every = max(self._every, FRAMES_OF_SEARCH * self._interval)
        return self._follower(image, seconds)
