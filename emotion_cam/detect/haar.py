"""OpenCV's frontal cascade, used thriftily.

The boosted cascade of Haar features is Viola and Jones's, "Rapid object detection using a boosted cascade of simple
features" (CVPR 2001). OpenCV's frontal face was trained by Lienhart, as in Lienhart and Maydt, "An extended set of
Haar-like features for rapid object detection" (ICIP 2002). The numbers below were chosen with ``benchmarks/haar.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2

from emotion_cam.detect.base import MIN_FACE, by_size, check_min_face, mostly_inside, same_face
from emotion_cam.errors import DetectorError
from emotion_cam.preprocess import cut_grey, halved
from emotion_cam.types import Box, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike

_Rectangle: TypeAlias = tuple[int, int, int, int]  # OpenCV's x, y, width, height; it never leaves this module

_WINDOW = 24
"""The side of the cascade's window in pixels, and so of the smallest face that it can see."""

_NEARBY = 0.4
"""How far apart the scan's hits on one face may lie (OpenCV's ``eps``), twice OpenCV's own figure: a coarse scan's
windows lie far apart, and each needless proposal costs a look, and is a chance to be wrong."""


class _Look(NamedTuple):
    """How to look for a face where one is expected.

    Attributes:
        side: to how many pixels the expected face is brought, so that equally many windows can agree on a small one
            and on a large one.
        margin: how much to see around it on every side, as a share of its side.
        smallest, largest: the sizes in question, as multiples of the expected one.
        votes: a face is where more windows than this agree.
    """

    side: int
    margin: float
    smallest: float
    largest: float
    votes: int


_QUICK = _Look(side=36, margin=0.3, smallest=0.75, largest=1.4, votes=2)
"""Enough for a face that was there a moment ago, in a fraction of a thorough look's time.

The sizes reach further than a face can grow, for where half of the windows that agree are left out, the others mislead.
"""

_STRICTER = 1.8
"""How many times as many windows have to agree on a face that a tracker will then follow: a stream gives it more than
one chance to be found, and a mistake would stay."""


class _Band(NamedTuple):
    """Some rows of the reduced picture, less an edge on either side, and the size of the windows to search in them."""

    window: int
    edge: int
    top: int
    bottom: int


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
        DetectorError: this OpenCV has no cascades.
    """

    def __init__(
        self, min_face: float = MIN_FACE, scale_factor: float = 1.25, min_neighbors: int = 10, border: float = 0.1
    ) -> None:
        check_min_face(min_face)
        if not scale_factor > 1:
            raise ValueError(f"scale_factor has to be above 1, not {scale_factor}")
        self.min_face = min_face
        self.scale_factor = scale_factor
        self.border = border
        self._thorough = _Look(side=96, margin=0.4, smallest=0.8, largest=1.3, votes=min_neighbors)
        self._stricter = self._thorough._replace(votes=round(_STRICTER * min_neighbors))
        self._cascade = _load_cascade()

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) grey.

        Returns:
            Square boxes in pixels, largest first; over the edge as ``Detector`` says. None in a picture smaller than
            24 × 24 pixels.
        """
        return self._search(image, 0, 2, (), self._thorough)

    def scan(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a share of a search, as ``StreamDetector`` says: the sizes of every other round lie between the others'.

        A face on which many windows agree is found in every round, others in one of two.
        """
        return self._search(image, start, stop, known, self._stricter)

    def look(self, image: Image, near: Box) -> Box | None:
        """Look for one face near where it was, as ``StreamDetector`` says.

        The face may be 0.8 to 1.3 times as large as it was, and lie anywhere in its box and 0.4 of its side around it.
        """
        face = self._look(image, near, _QUICK)
        if face is None or face[1].iou(near) < 0.6:  # near the patch's edge the quick look is not exact
            face = self._look(image, near, self._thorough) or face
        return face and face[1]

    def _search(self, image: Image, start: float, stop: float, known: Sequence[Box], how: _Look) -> list[Box]:
        if min(image.shape[:2]) < _WINDOW:
            return []
        proposals = self._propose(image, start, stop, known)
        found = [face for proposal in proposals if (face := self._look(image, proposal, how))]
        boxes: list[Box] = []
        # OpenCV's threads report in any order; sorted, the same picture always gives the same boxes.
        for _, box in sorted(found, key=lambda face: (-face[0], by_size(face[1]))):
            if not any(same_face(box, other) for other in (*known, *boxes)):
                boxes.append(box)
        return sorted(boxes, key=by_size)

    def _propose(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Wherever even one window of a coarse scan sees a face: nearly every face, and some of what is none."""
        height, width = image.shape[:2]
        scale = min(1.0, _WINDOW / self.min_face / min(height, width))
        border = round(self.border * min(height, width))
        left, right = -border, width + border
        bands = self._bands(round((right - left) * scale), round((height + 2 * border) * scale), start, stop)
        if not bands:
            return []
        first, last = min(band.top for band in bands), max(band.bottom for band in bands)
        seen = Box(left, round(first / scale) - border, right, round(last / scale) - border)
        small = _at_size(cut_grey(image, seen), round(seen.width * scale), round(seen.height * scale))
        for box in known:  # a flat area is passed over at once, where a face would take long
            x1, x2 = (max(0, round((x - seen.x1) * scale)) for x in (box.x1, box.x2))
            y1, y2 = (max(0, round((y - seen.y1) * scale)) for y in (box.y1, box.y2))
            small[y1:y2, x1:x2] = 128
        hits = []
        for band in bands:
            x0, y0 = band.edge, band.top - first
            part = small[y0 : band.bottom - first, x0 : small.shape[1] - x0]
            found = self._hits(part, self.scale_factor, band.window, band.window)
            hits += [(x0 + x, y0 + y, width, height) for x, y, width, height in found]
        # OpenCV drops a group of one; with every hit counted twice, a single one stays.
        groups, _ = cv2.groupRectangles(hits * 2, 1, _NEARBY)
        boxes = [_to_box(group, 1 / scale, seen.x1, seen.y1) for group in groups]
        return [box for box in boxes if mostly_inside(box, image)]

    def _bands(self, width: int, height: int, start: float, stop: float) -> list[_Band]:
        """What a share of the search has to go over, in a picture of that size with its border."""
        bands = []
        for level, begin, share in _levels(width, height, self.border, self.scale_factor):
            rows = level.bottom - level.top - level.window
            first, last = (round(rows * min(max((at - begin) / share, 0), 1)) for at in (start, stop))
            if first < last:
                bands.append(level._replace(top=level.top + first, bottom=level.top + last + level.window))
        return bands

    def _look(self, image: Image, near: Box, how: _Look) -> tuple[int, Box] | None:
        """The face near a box, and how many windows agree on it.

        The patch's mirror image is looked at, too: the cascade is not symmetric, and tells more of a face by a second
        opinion than by a finer scan of the first.
        """
        side = round(how.side * (1 + 2 * how.margin))
        seen = near.padded(how.margin)
        patch = _at_size(cut_grey(image, seen), side, side)
        smallest, largest = round(how.smallest * how.side), round(how.largest * how.side)
        hits = self._hits(patch, 1.1, smallest, largest)
        mirrored = self._hits(cv2.flip(patch, 1), 1.1, smallest, largest)
        hits += [(side - x - width, y, width, height) for x, y, width, height in mirrored]
        groups, votes = cv2.groupRectangles(hits, how.votes)
        if not len(groups):
            return None
        most, best = max(zip(map(int, votes), map(tuple, groups), strict=True))
        box = _to_box(best, seen.width / side, seen.x1, seen.y1)
        return (most, box) if mostly_inside(box, image) else None

    def _hits(self, grey: MatLike, scale_factor: float, smallest: int, largest: int) -> list[_Rectangle]:
        """Every window of these sizes that passes the cascade."""
        hits = self._cascade.detectMultiScale(
            grey, scale_factor, minNeighbors=0, minSize=(smallest, smallest), maxSize=(largest, largest)
        )
        return [(int(x), int(y), int(width), int(height)) for x, y, width, height in hits]


@lru_cache(maxsize=8)  # the same for every frame
def _levels(width: int, height: int, border: float, scale_factor: float) -> list[tuple[_Band, float, float]]:
    """For each size of window all rows of a picture with its border, and when its turn is: begin and length."""
    edge = round(border * min(width, height) / (1 + 2 * border))
    bands, costs = [], []
    factor = 1.0
    while (window := round(_WINDOW * factor)) < min(width, height):
        outside = max(0, edge - window // 2)  # a face further out would not lie mostly in the picture
        bands.append(_Band(window, outside, outside, height - outside))
        # OpenCV moves windows over 48 pixels by less than the others; the number is what was measured.
        area = (width - 2 * outside - window) * (height - 2 * outside - window)
        costs.append(area / factor**2 * (6 if factor >= 2 else 1))
        factor *= scale_factor
    levels = []
    for round_ in (0, 1):
        shares = [cost / sum(costs[round_::2]) for cost in costs[round_::2]]
        begins = itertools.accumulate(shares[:-1], initial=float(round_))
        levels += list(zip(bands[round_::2], begins, shares, strict=True)) if shares else []
    return levels


def _load_cascade() -> cv2.CascadeClassifier:
    name = "haarcascade_frontalface_default.xml"
    cascade = None
    if hasattr(cv2, "CascadeClassifier"):
        cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).with_name("data") / name))
    if cascade is None or cascade.empty():
        raise DetectorError(
            f"OpenCV {cv2.__version__} lacks {name}, which opencv-python 4 has and 5 has no more: "
            "pip install 'opencv-python>=4.13,<5'"
        )
    return cascade


def _at_size(grey: Image, width: int, height: int) -> MatLike:
    return cv2.resize(halved(grey, (height, width)), (width, height), interpolation=cv2.INTER_LINEAR)


def _to_box(rectangle: Sequence[int], scale: float, left: float, top: float) -> Box:
    """OpenCV's rectangle, scaled and then moved into the picture."""
    x, y, width, height = rectangle
    x1, y1 = round(left + x * scale), round(top + y * scale)
    return Box(x1, y1, x1 + round(width * scale), y1 + round(height * scale))
