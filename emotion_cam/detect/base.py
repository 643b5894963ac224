"""What every detector is, and what they share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.preprocess import cut
from emotion_cam.types import Box, Image

Floats: TypeAlias = npt.NDArray[np.float32]

Detector: TypeAlias = Callable[[Image], list[Box]]
"""Takes a picture, uint8, (height, width, 3) BGR or (height, width) grey, and gives the faces, largest first.

A box frames the whole face, as OpenCV's frontal cascade does, so where the picture cuts one it reaches over the edge;
at least half of it is inside.
"""

MIN_FACE = 1 / 14
"""The side of the smallest face to find if nothing else is said, as a share of the picture's shorter side."""


_TINY = 8
"""Fewer pixels across show no face; a network may answer anything."""


@runtime_checkable
class StreamDetector(Protocol):
    """A detector that can share its work out over the frames of a stream, for a tracker."""

    def __call__(self, image: Image) -> list[Box]:
        """All faces, as ``Detector`` says."""

    def scan(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a share of a search.

        Searches follow on each other in rounds: from 0 to 1 is a whole one, from 1 to 2 the next, which may go about it
        in another way. From 0 to 2 is all that the detector can do.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.
            start, stop: in [0, 2], start below stop; equal shares take about equally long.
            known: faces that need not be found.

        Returns:
            The faces that this share came upon, largest first, less those that are known.
        """

    def look(self, image: Image, near: Box) -> Box | None:
        """Look for one face where it was a moment ago, for a fraction of a search's time.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.
            near: where it was; at least half of it in the picture.

        Returns:
            Where the face is now, or None if it is not to be seen.
        """


class Framing(NamedTuple):
    """How a network's box becomes the one that OpenCV's frontal cascade would put around the same face.

    The classifiers learnt from faces as the cascade frames them. ``benchmarks/detectors.py`` fits the numbers.

    Attributes:
        scale: the side of the cascade's square, as a multiple of the root of the network's area.
        down: how far the square's centre lies below that of the network's box, as a share of the square's side.
    """

    scale: float
    down: float

    def square(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """The cascade's square for a network's box, in pixels."""
        side = max(1, round(self.scale * math.sqrt((x2 - x1) * (y2 - y1))))
        left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2 + self.down * side)
        return Box(left, top, left + side, top + side)


class NetworkDetector(ABC):
    """A StreamDetector made of a network: it proposes faces in the whole picture, and a close look places each.

    A network's boxes depend on how large a face is in what it sees. A look always brings the face to one size, so that
    a face is framed alike near and far, and on a stream as on a picture.

    Args:
        min_face: the side of the smallest face to find, as a share of the picture's shorter side.

    Raises:
        ValueError: ``min_face`` is not in (0, 1].
    """

    framing: Framing
    """What makes this network's boxes those of the cascade."""

    around: float
    """How much a look sees around the face on every side, as a share of its side."""

    CLOSE = 4
    """How many times as large a look shows a face as a search shows the smallest one."""

    def __init__(self, min_face: float) -> None:
        check_min_face(min_face)
        self.min_face = min_face

    @abstractmethod
    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes.

        Args:
            image: uint8, (height, width, 3), BGR; not empty.
            smallest: the side in pixels of the smallest face that matters.

        Returns:
            x1 y1 x2 y2, (faces, 4), float32, in pixels of the image; the most certain first.
        """

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.

        Returns:
            Square boxes in pixels, largest first; over the edge as ``Detector`` says. None in a picture smaller than
            8 × 8 pixels.
        """
        return self._search(image, ())

    def scan(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a share of a search, as ``StreamDetector`` says: all of it where a round begins, for that is quick."""
        return self._search(image, known) if math.ceil(start) < stop else []

    def look(self, image: Image, near: Box) -> Box | None:
        """Look for one face near where it was, as ``StreamDetector`` says."""
        seen = near.padded(self.around)
        corners = self.corners(_colour(cut(image, seen)), near.width / self.CLOSE).tolist()
        faces = [self.framing.square(*row).moved(seen.x1, seen.y1) for row in corners]
        faces = [face for face in faces if same_face(face, near) and mostly_inside(face, image)]
        return max(faces, key=near.iou, default=None)

    def _search(self, image: Image, known: Sequence[Box]) -> list[Box]:
        if min(image.shape[:2]) < _TINY:
            return []
        smallest = max(1.0, self.min_face * min(image.shape[:2]))
        boxes: list[Box] = []
        for row in self.corners(_colour(image), smallest).tolist():
            proposal = self.framing.square(*row)
            if mostly_inside(proposal, image) and not any(same_face(proposal, other) for other in (*known, *boxes)):
                box = self.look(image, proposal) or proposal
                if box.width >= smallest and not any(same_face(box, other) for other in (*known, *boxes)):
                    boxes.append(box)
        return sorted(boxes, key=by_size)


def check_min_face(min_face: float) -> None:
    """Raises ValueError for what is no share of a picture."""
    if not 0 < min_face <= 1:
        raise ValueError(f"min_face is a share of the picture's shorter side, in (0, 1], not {min_face}")


def _colour(image: Image) -> Image:
    return image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)


def mostly_inside(box: Box, image: Image) -> bool:
    """Whether at least half of a box lies in a picture."""
    height, width = image.shape[:2]
    return 2 * box.clipped(width, height).area >= box.area


def same_face(a: Box, b: Box) -> bool:
    """Whether the centre of one box lies in the other; two faces are never so close."""
    across, down = a.x1 + a.x2 - b.x1 - b.x2, a.y1 + a.y2 - b.y1 - b.y2  # twice the centres' distance
    return abs(across) < max(a.width, b.width) and abs(down) < max(a.height, b.height)


def by_size(box: Box) -> tuple[int, int, int]:
    """A key that sorts the largest first."""
    return -box.area, box.x1, box.y1
