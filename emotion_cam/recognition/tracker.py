"""Follows faces through a stream: each keeps its number, and any detector becomes cheap.

Three kinds of work stand in for a full search of every frame. A search for new faces is shared out over the frames of
a fifth of a second. A face that is known is looked for several times a second, near where it was. In between it is
where its picture matches best. All of that follows from the frames and their times alone: the same file gives the same
faces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from emotion_cam.detect import Detector, StreamDetector, mostly_inside, same_face
from emotion_cam.preprocess import cut_grey, halved
from emotion_cam.types import Box, Image

LOOK = 0.13
"""Seconds after which a known face is looked for again, rather than its picture."""

HOLD = 0.25
"""Seconds for which a face stays where it was after it was last seen, so that a blink of the detector does not show."""

STILL = 0.8
"""How much (IoU) a face's new box overlaps its old one if it hardly moved. Then the box goes half of the way only,
or it would tremble with the detector."""

MEMORY = 2.0
"""Seconds for which a face that is gone keeps its number."""


class Tracked(NamedTuple):
    """A face in a frame.

    Attributes:
        number: from 1, the same for as long as the face is in view.
        box: where it is; it may reach over the edge of the picture, with at least half of it inside.
        seen: whether it was seen in this frame; otherwise the box is where it was a moment ago.
    """

    number: int
    box: Box
    seen: bool


class Tracker:
    """Finds the faces of a stream's frames, which are given in order: ``tracker(image, seconds)``.

    Args:
        detector: finds the faces. One that cannot share out its work searches all of a picture at once.
        every: how long a search for new faces may take, in seconds of the stream; 0 searches every frame in full.

    Raises:
        ValueError: ``every`` is negative.
    """

    def __init__(self, detector: Detector, every: float = 0.2) -> None:
        if not every >= 0:
            raise ValueError(f"every is a time in seconds, at least 0, not {every}")
        self._detector = detector if isinstance(detector, StreamDetector) else _AllAtOnce(detector)
        self._every = every
        self._in_view: list[_Track] = []
        self._gone: list[_Track] = []
        self._count = 0
        self._time = -math.inf
        self._searched = 0.0

    def __call__(self, image: Image, seconds: float) -> list[Tracked]:
        """Find the faces of the next frame.

        Args:
            image: uint8, (height, width, 3), BGR.
            seconds: the frame's time in the stream.

        Returns:
            The faces, by number.
        """
        followed = [track for track in self._in_view if self._follow(track, image, seconds)]
        in_view: list[_Track] = []
        for track in followed:  # by number: of two that have come to follow one face, the older stays
            if not any(same_face(track.box, other.box) for other in in_view):
                in_view.append(track)
        self._gone += [track for track in self._in_view if track not in in_view]
        self._gone = [track for track in self._gone if 0 <= seconds - track.seen <= MEMORY]
        for box in self._search(image, seconds, [track.box for track in in_view]):
            track = self._known_or_new(box)
            track.see(box, image, seconds)
            in_view.append(track)
        self._in_view = sorted(in_view, key=lambda track: track.number)
        self._time = seconds
        return [Tracked(track.number, track.box, track.is_seen) for track in self._in_view]

    def _follow(self, track: _Track, image: Image, seconds: float) -> bool:
        """Find out where a face is now, and whether it is still in view."""
        since = seconds - track.seen
        # After an interruption of the stream, or a change of the picture's size.
        if since > MEMORY or not mostly_inside(track.box, image):
            return False
        shifted = 0 <= since < 2 * LOOK and track.shift(image)
        if shifted and since < LOOK:
            track.is_seen = True
            return mostly_inside(track.box, image)
        box = self._detector.look(image, track.box) if mostly_inside(track.box, image) else None
        if box is not None:
            is_still = shifted and box.iou(track.box) >= STILL
            track.see(track.box.towards(box, 0.5) if is_still else box, image, seconds)
            return True
        track.is_seen = False
        return 0 <= seconds - track.seen <= HOLD

    def _search(self, image: Image, seconds: float, known: Sequence[Box]) -> list[Box]:
        """Do this frame's share of the search for new faces: all of it after a start, a cut, or a long time."""
        start, stop = 0.0, 2.0
        if 0 < seconds - self._time < self._every:
            start = self._searched
            stop = min(2.0, start + (seconds - self._time) / self._every)
        self._searched = stop % 2
        return self._detector.scan(image, start, stop, known)

    def _known_or_new(self, box: Box) -> _Track:
        """A face that was gone and is back where it was, or a new one."""
        back = [track for track in self._gone if same_face(track.box, box)]
        if back:
            track = max(back, key=lambda track: track.seen)
            self._gone.remove(track)
            return track
        self._count += 1
        return _Track(self._count)


class _Track:
    """One face: its number, where it is, when it was seen last, and what it looked like then.

    Attributes:
        number: from 1.
        box: where it is, or was.
        is_seen: whether it was found in the latest frame.
        seen: the stream's time in seconds at which the detector saw it last.
    """

    SIDE, EDGE = 32, 8
    """What it looks like is kept at SIDE × SIDE pixels, and searched for with EDGE pixels around."""

    ALIKE = 0.8
    """How well, as a correlation, a picture has to match to be the same face."""

    box: Box
    seen: float
    is_seen: bool

    def __init__(self, number: int) -> None:
        self.number = number

    def see(self, box: Box, image: Image, seconds: float) -> None:
        """Take in where the detector sees it, and what it looks like there."""
        self.box, self.seen, self.is_seen = box, seconds, True
        edge = self.EDGE
        self._look = self._around(image)[edge:-edge, edge:-edge]

    def shift(self, image: Image) -> bool:
        """Move the box to where the face's picture matches best; tell whether it matches at all."""
        scores = cv2.matchTemplate(self._around(image), self._look, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        if best < self.ALIKE:
            return False
        step = self.box.width / self.SIDE
        self.box = self.box.moved(round((x - self.EDGE) * step), round((y - self.EDGE) * step))
        return True

    def _around(self, image: Image) -> Image:
        side = self.SIDE + 2 * self.EDGE
        grey = cut_grey(image, self.box.padded(self.EDGE / self.SIDE))
        resized = cv2.resize(halved(grey, (side, side)), (side, side), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8)


class _AllAtOnce:
    """Makes a StreamDetector of any detector: it searches once a round, and looks for a known face in a crop."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, image: Image) -> list[Box]:
        return self._detector(image)

    def scan(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        if math.ceil(start) >= stop:  # no round begins here
            return []
        return [box for box in self._detector(image) if not any(same_face(box, other) for other in known)]

    def look(self, image: Image, near: Box) -> Box | None:
        seen = near.padded(1.0).clipped(image.shape[1], image.shape[0])
        crop = np.ascontiguousarray(image[seen.y1 : seen.y2, seen.x1 : seen.x2])
        boxes = [box.moved(seen.x1, seen.y1) for box in self._detector(crop)]
        return max((box for box in boxes if same_face(box, near)), key=near.iou, default=None)
