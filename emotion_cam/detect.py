"""Where the faces are: a detector takes a picture and gives boxes.

The boosted cascade of Haar features is Viola and Jones's, "Rapid object detection using a boosted cascade of simple
features" (CVPR 2001). OpenCV's frontal face was trained by Lienhart, as in Lienhart and Maydt, "An extended set of
Haar-like features for rapid object detection" (ICIP 2002). The numbers below were chosen with ``benchmarks/haar.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import imutils
import numpy as np

from emotion_cam.errors import EmotionCamError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike

Detector: TypeAlias = Callable[[Image], list[Box]]
"""Takes a picture, uint8, (height, width, 3) BGR or (height, width) grey, and gives the faces, largest first.

A box frames the whole face, so where the picture cuts one it reaches over the edge; at least half of it is inside.
"""

_Rectangle: TypeAlias = tuple[int, int, int, int]  # OpenCV's x, y, width, height; it never leaves this module

_WINDOW = 24
"""The side of the cascade's window in pixels, and so of the smallest face that it can see."""

_NEARBY = 0.4
"""How far apart the scan's hits on one face may lie (OpenCV's ``eps``), twice OpenCV's own figure: a coarse scan's
windows lie far apart, and each needless proposal costs a look, and is a chance to be wrong."""

_FACE = 4 * _WINDOW
_MARGIN = 0.4
_PATCH = round(_FACE * (1 + 2 * _MARGIN))
"""For a look, any face is brought to ``_FACE`` pixels in a patch of ``_PATCH``, so that equally many windows can agree
on a small one and on a large one."""


class HaarDetector:
    """OpenCV's cascade for frontal faces: a coarse scan proposes, and a close look at each proposal decides.

    A single scan that is as sure takes about four times as long. The contrast is left as it is: to even it out
    (``equalizeHist``) takes longer and finds fewer faces, in dim pictures too.

    Args:
        min_face: the side of the smallest face to find, as a share of the picture's shorter side. The picture is
            reduced until that face just fills the cascade's window, so the scan's time goes with the inverse square
            of ``min_face``, and large pictures take no longer than small ones.
        scale_factor: the ratio between successive sizes of the scan's window, above 1. Nearer to 1, the scan finds
            a little more and takes longer.
        min_neighbors: a look believes in a face if more windows than this agree on it. With fewer, more faces are
            found, and more of what is none.
        border: what the scan adds around the picture by repeating its edge pixels, as a share of its shorter side. A
            face that the picture cuts is seen only in a window that reaches over the edge.

    Raises:
        ValueError: ``min_face`` is not in (0, 1], or ``scale_factor`` not above 1.
        EmotionCamError: this OpenCV has no cascades.
    """

    def __init__(
        self, min_face: float = 1 / 14, scale_factor: float = 1.25, min_neighbors: int = 10, border: float = 0.1
    ) -> None:
        if not 0 < min_face <= 1:
            raise ValueError(f"min_face is a share of the picture's shorter side, in (0, 1], not {min_face}")
        if not scale_factor > 1:
            raise ValueError(f"scale_factor has to be above 1, not {scale_factor}")
        self.min_face = min_face
        self.scale_factor = scale_factor
        self.min_neighbors = min_neighbors
        self.border = border
        self._cascade = _load_cascade()

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.

        Returns:
            Square boxes in pixels, largest first; over the edge as ``Detector`` says. None in a picture smaller than
            24 × 24 pixels.
        """
        if min(image.shape[:2]) < _WINDOW:
            return []
        grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        found = [face for proposal in self._propose(grey) if (face := self._look(grey, proposal))]
        boxes: list[Box] = []
        # OpenCV's threads report in any order; sorted, the same picture always gives the same boxes.
        for _, box in sorted(found, key=lambda face: (-face[0], _by_size(face[1]))):
            if not any(_overlap(box, better) for better in boxes):
                boxes.append(box)
        return sorted(boxes, key=_by_size)

    def look(self, image: Image, near: Box) -> Box | None:
        """Look for one face where it is expected, for a fraction of a scan's time.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.
            near: where; it has to touch the picture. The face may be 0.8 to 1.3 times as large, and lie anywhere in
                the box and 0.4 of its side around it.

        Returns:
            The face as a square box, or None if there is none.
        """
        face = self._look(image, near)
        return face and face[1]

    def _propose(self, grey: Image) -> list[Box]:
        """Wherever even one window of a coarse scan sees a face: nearly every face, and some of what is none."""
        height, width = grey.shape
        shorter, enough = min(height, width), _WINDOW / self.min_face
        small = imutils.resize(grey, width=round(width * enough / shorter)) if shorter > enough else grey
        scale = width / small.shape[1]
        border = round(self.border * min(small.shape))
        small = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_REPLICATE)
        # OpenCV drops a group of one; with every hit counted twice, a single one stays.
        groups, _ = cv2.groupRectangles(self._hits(small, self.scale_factor) * 2, 1, _NEARBY)
        boxes = [_to_box(group, scale, -border * scale, -border * scale) for group in groups]
        return [box for box in boxes if _mostly_inside(box, grey)]

    def _look(self, image: Image, near: Box) -> tuple[int, Box] | None:
        """The face near a box, and how many windows agree on it.

        The patch's mirror image is looked at, too: the cascade is not symmetric, and tells more of a face by a second
        opinion than by a finer scan of the first.
        """
        patch = extract_face(image, near, (_PATCH, _PATCH), _MARGIN)
        sizes = {"smallest": round(0.8 * _FACE), "largest": round(1.3 * _FACE)}
        hits = self._hits(patch, 1.1, **sizes)
        mirrored = self._hits(cv2.flip(patch, 1), 1.1, **sizes)
        hits += [(_PATCH - x - width, y, width, height) for x, y, width, height in mirrored]
        groups, votes = cv2.groupRectangles(hits, self.min_neighbors)
        if not len(groups):
            return None
        most, best = max(zip(map(int, votes), map(tuple, groups), strict=True))
        seen = near.padded(_MARGIN)
        box = _to_box(best, seen.width / _PATCH, seen.x1, seen.y1)
        return (most, box) if _mostly_inside(box, image) else None

    def _hits(self, grey: MatLike, scale_factor: float, smallest: int = 0, largest: int = 0) -> list[_Rectangle]:
        """Every window that passes the cascade; ``largest`` 0 is no limit."""
        hits = self._cascade.detectMultiScale(
            grey, scale_factor, minNeighbors=0, minSize=(smallest, smallest), maxSize=(largest, largest)
        )
        return [(int(x), int(y), int(width), int(height)) for x, y, width, height in hits]


def _load_cascade() -> cv2.CascadeClassifier:
    name = "haarcascade_frontalface_default.xml"
    cascade = None
    if hasattr(cv2, "CascadeClassifier"):
        cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).with_name("data") / name))
    if cascade is None or cascade.empty():
        raise EmotionCamError(
            f"OpenCV {cv2.__version__} lacks {name}, which opencv-python 4 has and 5 has no more: "
            "pip install 'opencv-python>=4.10,<5'"
        )
    return cascade


def _to_box(rectangle: Sequence[int], scale: float, left: float, top: float) -> Box:
    """OpenCV's rectangle, scaled and then moved into the picture."""
    x, y, width, height = rectangle
    x1, y1 = round(left + x * scale), round(top + y * scale)
    return Box(x1, y1, x1 + round(width * scale), y1 + round(height * scale))


def _mostly_inside(box: Box, image: Image) -> bool:
    height, width = image.shape[:2]
    return 2 * box.clipped(width, height).area >= box.area


def _overlap(a: Box, b: Box) -> bool:
    """Whether the centre of the smaller box lies in the larger; two faces are never so close."""
    across, down = a.x1 + a.x2 - b.x1 - b.x2, a.y1 + a.y2 - b.y1 - b.y2  # twice the centres' distance
    return abs(across) < max(a.width, b.width) and abs(down) < max(a.height, b.height)


def _by_size(box: Box) -> tuple[int, int, int]:
    return -box.area, box.x1, box.y1


DETECTORS: dict[str, Callable[..., Detector]] = {"haar": HaarDetector}
"""By name."""
