"""Follows faces through a stream: each face keeps its number, and any detector becomes cheap.

Instead of a full search in every frame, a tracker does three smaller things. It spreads the search for new faces over
the frames of a fifth of a second. It has the detector find each known face again several times a second, near its
previous place. In between, it moves each box to where the face's picture matches best. All of this depends on the
frames and their times alone, so the same file always gives the same faces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from emotion_cam.checks import check_number
from emotion_cam.defaults import SEARCH_EVERY
from emotion_cam.detect.base import Detector, StreamDetector, mostly_inside, same_face
from emotion_cam.preprocess import crop_gray, reduce_by_halves
from emotion_cam.types import Box, Image

REDETECT_INTERVAL = 0.13
"""Seconds after which the detector, rather than template matching, finds a known face again."""

HOLD = 0.25
"""Seconds for which a face stays where it was last detected, so that it does not flicker when a detection fails."""

STILL_IOU = 0.8
"""The overlap with its previous box from which on a face counts as still. Its box then moves only a part of the way, or
it would tremble with the detector."""

STILL_SHARE = 0.5
"""That part, for a detector that has no ``still_share`` of its own."""

LIVE_FRAMES = 4
"""The least number of frames of a live stream over which a search is spread. On a slow machine few frames are taken; a
search within a fixed time would fall into every one of them, slow the machine down further, and so on."""

MEMORY = 2.0
"""Seconds for which a face that left the view keeps its number."""


class Tracked(NamedTuple):
    """A face in a frame.

    Attributes:
        number: from 1; the same as long as the face is in view.
        box: its place; the box may extend beyond the picture, with at least half of it inside.
        detected: whether it was found in this frame; if not, the box is where it was a moment ago.
    """

    number: int
    box: Box
    detected: bool


class Tracker:
    """Finds the faces of a stream's frames, which it takes in order: ``tracker(image, time)``.

    Args:
        detector: finds the faces. One that is no ``StreamDetector`` searches the whole picture at once.
        every: the seconds of the stream within which the whole picture is searched for new faces; 0 searches every
            frame in full.
        live: whether frames are taken as fast as they are processed, as from a camera; see ``LIVE_FRAMES``.

    Raises:
        TypeError, ValueError: ``every`` is not a number, or negative.
    """

    def __init__(self, detector: Detector, every: float = SEARCH_EVERY, *, live: bool = False) -> None:
        self.every = every
        self._detector = detector if isinstance(detector, StreamDetector) else _Undivided(detector)
        self._still_share: float = getattr(detector, "still_share", STILL_SHARE)
        self._live = live
        self._interval = 0.0  # seconds between frames, averaged
        self._in_view: list[_Track] = []
        self._gone: list[_Track] = []
        self._count = 0
        self._time = -math.inf
        self._searched = 0.0

    @property
    def every(self) -> float:
        """The seconds within which the whole picture is searched; it may be changed between frames."""
        return self._every

    @every.setter
    def every(self, every: float) -> None:
        check_number(every, "every", "is a time in seconds: it must be at least 0", lambda seconds: seconds >= 0)
        self._every = every

    def __call__(self, image: Image, time: float) -> list[Tracked]:
        """Find the faces of the next frame.

        Args:
            image: uint8, (height, width, 3), BGR.
            time: the frame's time in the stream, in seconds.

        Returns:
            The faces, ordered by their numbers.
        """
        followed = [track for track in self._in_view if self._follow(track, image, time)]
        in_view: list[_Track] = []
        for track in followed:  # ordered by number: of two tracks on the same face, the older stays
            if not any(same_face(track.box, other.box) for other in in_view):
                in_view.append(track)
        self._gone += [track for track in self._in_view if track not in in_view]
        self._gone = [track for track in self._gone if 0 <= time - track.last_detected <= MEMORY]
        for box in self._search(image, time, [track.box for track in in_view]):
            track = self._returning_or_new(box)
            track.update(box, image, time)
            in_view.append(track)
        self._in_view = sorted(in_view, key=lambda track: track.number)
        self._time = time
        return [Tracked(track.number, track.box, track.detected) for track in self._in_view]

    def _follow(self, track: _Track, image: Image, time: float) -> bool:
        """Move a track to where its face is now; return whether the face is still in view."""
        elapsed = time - track.last_detected
        # The stream was interrupted, or the size of its pictures changed.
        if elapsed > MEMORY or not mostly_inside(track.box, image):
            return False
        matched = 0 <= elapsed < 2 * REDETECT_INTERVAL and track.match(image)
        if matched and elapsed < REDETECT_INTERVAL:
            track.detected = True
            return mostly_inside(track.box, image)
        box = self._detector.find_near(image, track.box) if mostly_inside(track.box, image) else None
        if box is not None:
            is_still = matched and box.iou(track.box) >= STILL_IOU
            track.update(track.box.towards(box, self._still_share) if is_still else box, image, time)
            return True
        track.detected = False
        return 0 <= time - track.last_detected <= HOLD

    def _search(self, image: Image, time: float, known: Sequence[Box]) -> list[Box]:
        """Do this frame's part of the search for new faces: all of it after a start, a cut, or a long time."""
        start, stop = 0.0, 2.0
        elapsed, duration = time - self._time, self._duration(time - self._time)
        if 0 < elapsed < duration:
            start = self._searched
            stop = min(2.0, start + elapsed / duration)
        self._searched = stop % 2
        return self._detector.search(image, start, stop, known)

    def _duration(self, elapsed: float) -> float:
        """How many seconds a search takes, at a frame that comes so many seconds after the last one."""
        if not self._live or not self._every:
            return self._every
        if 0 < elapsed < MEMORY:  # a longer time is an interruption
            self._interval += 0.2 * (elapsed - self._interval)
        return max(self._every, LIVE_FRAMES * self._interval)

    def _returning_or_new(self, box: Box) -> _Track:
        """The track of a face that was gone and is back in its place, or a new track."""
        returning = [track for track in self._gone if same_face(track.box, box)]
        if returning:
            track = max(returning, key=lambda track: track.last_detected)
            self._gone.remove(track)
            return track
        self._count += 1
        return _Track(self._count)


class _Track:
    """One face through the stream: its number, its place, and a template, which is its picture when last detected.

    Attributes:
        number: from 1.
        box: its latest place.
        detected: whether it was found in the latest frame, by the detector or by its template.
        last_detected: the stream's time in seconds at which the detector last found it.
    """

    SIDE, EDGE = 32, 8
    """The template has SIDE × SIDE pixels, and is searched for in a picture with EDGE more on each side."""

    MIN_CORRELATION = 0.8
    """The least correlation of the template with a picture of the same face."""

    box: Box
    detected: bool
    last_detected: float

    def __init__(self, number: int) -> None:
        self.number = number

    def update(self, box: Box, image: Image, time: float) -> None:
        """Set the place at which the detector found the face, and take the template there."""
        self.box, self.last_detected, self.detected = box, time, True
        edge = self.EDGE
        self._template = self._surroundings(image)[edge:-edge, edge:-edge]

    def match(self, image: Image) -> bool:
        """Move the box to where the template matches best; return whether it matches well enough, or do nothing."""
        scores = cv2.matchTemplate(self._surroundings(image), self._template, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        if best < self.MIN_CORRELATION:
            return False
        step = self.box.width / self.SIDE
        self.box = self.box.moved(round((x - self.EDGE) * step), round((y - self.EDGE) * step))
        return True

    def _surroundings(self, image: Image) -> Image:
        side = self.SIDE + 2 * self.EDGE
        gray = crop_gray(image, self.box.padded(self.EDGE / self.SIDE))
        resized = cv2.resize(reduce_by_halves(gray, (side, side)), (side, side), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8)


class _Undivided:
    """Makes a StreamDetector of any detector: one full search in each round; for a known face, a search of its crop."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, image: Image) -> list[Box]:
        return self._detector(image)

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        if math.ceil(start) >= stop:  # no round begins here
            return []
        return [box for box in self._detector(image) if not any(same_face(box, other) for other in known)]

    def find_near(self, image: Image, box: Box) -> Box | None:
        area = box.padded(1.0).clipped(image.shape[1], image.shape[0])
        part = np.ascontiguousarray(image[area.y1 : area.y2, area.x1 : area.x2])
        faces = [face.moved(area.x1, area.y1) for face in self._detector(part)]
        return max((face for face in faces if same_face(face, box)), key=box.iou, default=None)
