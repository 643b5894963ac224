"""The interface of all detectors, and what they share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.checks import check_number
from emotion_cam.errors import DetectorError
from emotion_cam.pictures import as_picture
from emotion_cam.preprocess import crop
from emotion_cam.types import Box, FaceBox, Image, Landmarks

Floats: TypeAlias = npt.NDArray[np.float32]

Detector: TypeAlias = Callable[[Image], list[Box]]
"""Takes a picture, uint8, (height, width, 3) BGR or (height, width) gray; returns its faces' boxes, largest first.

A box frames the whole face, as OpenCV's frontal cascade does. So the box of a face at the edge extends beyond the
picture; at least half of it is inside. A detector that finds landmarks too returns each box as a ``FaceBox`` and has a
true attribute ``finds_landmarks``.
"""

_SMALLEST_PICTURE = 8
"""The shortest side in pixels of a picture in which a network is run; in smaller ones its answers mean nothing."""


@runtime_checkable
class StreamDetector(Protocol):
    """A detector that can divide a search among the frames of a stream, for a tracker."""

    def __call__(self, image: Image) -> list[Box]:
        """Find all faces; see ``Detector``."""

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do the part of a search that lies between ``start`` and ``stop``.

        A search consists of two rounds: 0 to 1 is the first, 1 to 2 the second. Each goes over the whole picture, and
        the second may do so in another way. 0 to 2 is the most thorough search.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) gray.
            start, stop: in [0, 2], with start < stop; equal parts take about the same time.
            known: boxes of faces that need not be found again.

        Returns:
            The faces found in this part, largest first, without the known ones.
        """

    def find_near(self, image: Image, box: Box) -> Box | None:
        """Find one face near its previous place, in a fraction of the time of a search.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) gray.
            box: the previous place; at least half of it inside the picture.

        Returns:
            The face's box now, or None if it is not found.
        """


class Framing(NamedTuple):
    """Converts a network's box to the box that OpenCV's frontal cascade would put around the same face.

    The classifiers were trained on faces as the cascade frames them. ``benchmarks/detectors.py`` fits the numbers.

    Attributes:
        scale: the side of the cascade's square, divided by the square root of the area of the network's box.
        down: the distance from the center of the network's box down to that of the square, as a share of the square's
            side.
    """

    scale: float
    down: float

    def square(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """The cascade's square for a network's box; all in pixels."""
        side = max(1, round(self.scale * math.sqrt((x2 - x1) * (y2 - y1))))
        left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2 + self.down * side)
        return Box(left, top, left + side, top + side)


class NetworkDetector(ABC):
    """A StreamDetector made from a network: it runs once on the whole picture, then once on the crop of each face.

    A network's boxes depend on the size that a face has in its input. The second run always brings the face to the same
    size, so faces are framed alike near and far, in pictures and in streams. Several threads may use one detector.

    Args:
        min_face: the side of the smallest face to find, as a share of the picture's shorter side.

    Raises:
        ValueError: ``min_face`` is not in (0, 1].
    """

    framing: Framing
    """Converts this network's boxes to those of the cascade."""

    crop_margin: float
    """The margin of the crop around a face, as a share of its side."""

    finds_landmarks = False
    """Whether ``corners`` gives landmarks too."""

    CROP_SCALE = 4
    """How many times as large a face is in its crop as the smallest face is in the whole picture, as the network sees
    both."""

    def __init__(self, min_face: float) -> None:
        check_min_face(min_face)
        self.min_face = min_face

    @abstractmethod
    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes. Several threads may ask for them at the same time.

        Args:
            image: uint8, (height, width, 3), BGR; not empty.
            smallest: the side in pixels of the smallest face to find.

        Returns:
            x1 y1 x2 y2, (faces, 4), float32, in pixels of the image; highest score first. If it finds landmarks, x and
            y of each of them follow: (faces, 14).
        """

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) gray.

        Returns:
            Square boxes in pixels, largest first; see ``Detector`` for faces at the edge. None in a picture smaller
            than 8 × 8 pixels.

        Raises:
            TypeError, ValueError: ``image`` is not a picture; see ``pictures.as_picture``.
            DetectorError: the model file is damaged, so that the network's boxes are not numbers.
        """
        return self._search(as_picture(image), ())

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a part of a search; see ``StreamDetector``. It is quick, so all of it is done where a round begins."""
        return self._search(image, known) if math.ceil(start) < stop else []

    def find_near(self, image: Image, box: Box) -> Box | None:
        """Find one face near its previous place; see ``StreamDetector``."""
        area = box.padded(self.crop_margin)
        squares = self._squares(crop(image, area), box.width / self.CROP_SCALE)
        faces = [square.moved(area.x1, area.y1) for square in squares]
        faces = [face for face in faces if same_face(face, box) and mostly_inside(face, image)]
        return max(faces, key=box.iou, default=None)

    def _search(self, image: Image, known: Sequence[Box]) -> list[Box]:
        if min(image.shape[:2]) < _SMALLEST_PICTURE:
            return []
        smallest = max(1.0, self.min_face * min(image.shape[:2]))
        boxes: list[Box] = []
        for proposal in self._squares(image, smallest):
            if mostly_inside(proposal, image) and not any(same_face(proposal, other) for other in (*known, *boxes)):
                box = self.find_near(image, proposal) or proposal
                if box.width >= smallest and not any(same_face(box, other) for other in (*known, *boxes)):
                    boxes.append(box)
        return sorted(boxes, key=largest_first)

    def _squares(self, image: Image, smallest: float) -> list[Box]:
        """The network's boxes as the cascade frames faces; those without a size are left out."""
        with np.errstate(all="ignore"):  # what a damaged file gives is refused below
            corners = self.corners(_to_color(image), smallest)
        if not np.isfinite(corners).all():
            raise DetectorError("The detector's model file is damaged: its boxes are not numbers.")
        return [self._square(*row) for row in corners.tolist() if row[0] < row[2] and row[1] < row[3]]

    def _square(self, x1: float, y1: float, x2: float, y2: float, *points: float) -> Box:
        box = self.framing.square(x1, y1, x2, y2)
        return FaceBox(*box.xyxy, Landmarks(*zip(points[::2], points[1::2], strict=True))) if points else box


def check_min_face(min_face: float) -> None:
    """Check that a ``min_face`` is a share of a picture.

    Raises:
        TypeError, ValueError: it is not a number in (0, 1].
    """
    meaning = "is a share of the picture's shorter side: it must be in (0, 1]"
    check_number(min_face, "min_face", meaning, lambda share: 0 < share <= 1)


def check_threshold(threshold: float) -> None:
    """Check that the least score of a face is a score.

    Raises:
        TypeError, ValueError: it is not a number in (0, 1).
    """
    check_number(threshold, "threshold", "is a score: it must be in (0, 1)", lambda score: 0 < score < 1)


def mostly_inside(box: Box, image: Image) -> bool:
    """Whether at least half of a box lies inside a picture."""
    height, width = image.shape[:2]
    return 2 * box.clipped(width, height).area >= box.area


def same_face(a: Box, b: Box) -> bool:
    """Whether the center of one box lies inside the other; two faces are never so close."""
    across, down = a.x1 + a.x2 - b.x1 - b.x2, a.y1 + a.y2 - b.y1 - b.y2  # twice the distance of the centers
    return abs(across) < max(a.width, b.width) and abs(down) < max(a.height, b.height)


def largest_first(box: Box) -> tuple[int, int, int]:
    """The key that sorts boxes by size, largest first, then by position."""
    return -box.area, box.x1, box.y1


def _to_color(image: Image) -> Image:
    return image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
