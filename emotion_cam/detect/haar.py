"""OpenCV's frontal face cascade, arranged to be both fast and certain.

Sources: Viola and Jones, "Rapid object detection using a boosted cascade of simple features" (CVPR 2001), for the
boosted cascade of Haar features; Lienhart and Maydt, "An extended set of Haar-like features for rapid object detection"
(ICIP 2002), for OpenCV's frontal face. The numbers below were chosen with ``benchmarks/haar.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2

from emotion_cam.checks import check_number
from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.base import check_min_face, largest_first, mostly_inside, same_face
from emotion_cam.errors import DetectorError
from emotion_cam.pictures import as_picture
from emotion_cam.pool import Pool
from emotion_cam.preprocess import crop_gray, reduce_by_halves
from emotion_cam.types import Box, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike

_Rectangle: TypeAlias = tuple[int, int, int, int]  # OpenCV's x, y, width, height; used in this module only

_WINDOW = 24
"""The side of the cascade's window in pixels, and so of the smallest face that it can find."""

_GROUP_EPS = 0.4
"""How far apart the hits of a scan on one face may lie (OpenCV's ``eps``), twice OpenCV's own number. The windows of a
coarse scan lie far apart, and each needless proposal costs a crop search and may become a false positive."""


class _CropSearch(NamedTuple):
    """How to search for a face in the crop around its expected place.

    Attributes:
        side: the side in pixels to which the expected face is resized, so that a small and a large face are covered by
            the same number of windows.
        margin: the crop's margin, as a share of the face's side.
        smallest, largest: the sizes to search, as multiples of the expected one.
        votes: a face is where more windows than this agree.
    """

    side: int
    margin: float
    smallest: float
    largest: float
    votes: int


_QUICK = _CropSearch(side=36, margin=0.3, smallest=0.75, largest=1.4, votes=2)
"""Enough for a face that was there a moment ago, in a fraction of the time of a thorough crop search.

The range of sizes is wider than a face can change: at the ends of the range, half of the windows that agree would be
missing, and the rest would be misleading.
"""

_STREAM_VOTES = 1.8
"""How many times as many windows have to agree on a face that a tracker is going to follow. A stream has more than one
chance to find a face, but a false positive would stay."""


class _Band(NamedTuple):
    """Some rows of the reduced picture, without a strip on either side, and the size of the windows to search there."""

    window: int
    edge: int
    top: int
    bottom: int


class HaarDetector:
    """OpenCV's cascade for frontal faces: a coarse scan makes proposals, and a crop search decides about each.

    A single scan that is as certain takes about four times as long. The contrast stays as it is, because equalizing it
    (``equalizeHist``) takes longer and finds fewer faces, in dim pictures too. Several threads may use one detector.

    Args:
        min_face: the side of the smallest face to find, as a share of the picture's shorter side. The picture is
            reduced until that face just fills the cascade's window, so the scan's time falls with the square of
            ``min_face``, and large pictures take no longer than small ones.
        scale_factor: the ratio between successive sizes of the scan's window, above 1. Closer to 1, the scan finds
            slightly more and takes longer.
        min_neighbors: a crop search accepts a face if more windows than this agree on it. With fewer, it finds more
            faces and more false positives.
        border: the border that the scan adds around the picture by repeating its edge pixels, as a share of its
            shorter side. A face that is cut by the picture is found only by a window that extends beyond the edge.

    Raises:
        TypeError, ValueError: ``min_face`` is not a number in (0, 1], ``scale_factor`` not one above 1,
            ``min_neighbors`` not one from 0, or ``border`` not one in [0, 1].
        DetectorError: this OpenCV has no cascades.
    """

    def __init__(
        self, min_face: float = MIN_FACE, scale_factor: float = 1.25, min_neighbors: int = 10, border: float = 0.1
    ) -> None:
        check_min_face(min_face)
        check_number(scale_factor, "scale_factor", "must be above 1", lambda factor: 1 < factor < math.inf)
        check_number(min_neighbors, "min_neighbors", "must be at least 0", lambda count: 0 <= count < math.inf)
        check_number(border, "border", "is a share of the picture's shorter side: it must be in [0, 1]", _is_share)
        self.min_face = min_face
        self.scale_factor = scale_factor
        self.border = border
        self._thorough = _CropSearch(side=96, margin=0.4, smallest=0.8, largest=1.3, votes=min_neighbors)
        self._for_streams = self._thorough._replace(votes=round(_STREAM_VOTES * min_neighbors))
        self._cascades = Pool(_load_cascade)

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) gray.

        Returns:
            Square boxes in pixels, largest first; see ``Detector`` for faces at the edge. None in a picture smaller
            than 24 × 24 pixels.

        Raises:
            TypeError, ValueError: ``image`` is not a picture; see ``pictures.as_picture``.
        """
        return self._find(as_picture(image), 0, 2, (), self._thorough)

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a part of a search; see ``StreamDetector``. The two rounds use window sizes in alternation.

        A face on which many windows agree is found in each round, other faces in one of the two.
        """
        return self._find(image, start, stop, known, self._for_streams)

    def find_near(self, image: Image, box: Box) -> Box | None:
        """Find one face near its previous place; see ``StreamDetector``.

        The face may be 0.8 to 1.3 times as large as it was, and lie anywhere in its box with a margin of 0.4.
        """
        face = self._search_crop(image, box, _QUICK)
        if face is None or face[1].iou(box) < 0.6:  # near the edge of its crop, the quick search is not exact
            face = self._search_crop(image, box, self._thorough) or face
        return face and face[1]

    def _find(
        self, image: Image, start: float, stop: float, known: Sequence[Box], crop_search: _CropSearch
    ) -> list[Box]:
        if min(image.shape[:2]) < _WINDOW:
            return []
        proposals = self._propose(image, start, stop, known)
        found = [face for proposal in proposals if (face := self._search_crop(image, proposal, crop_search))]
        boxes: list[Box] = []
        # OpenCV's threads report in any order; sorted, the same picture always gives the same boxes.
        for _, box in sorted(found, key=lambda face: (-face[0], largest_first(face[1]))):
            if not any(same_face(box, other) for other in (*known, *boxes)):
                boxes.append(box)
        return sorted(boxes, key=largest_first)

    def _propose(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """The places where at least one window of a coarse scan finds a face: nearly all faces, and false positives."""
        height, width = image.shape[:2]
        scale = min(1.0, _WINDOW / self.min_face / min(height, width))
        border = round(self.border * min(height, width))
        left, right = -border, width + border
        bands = self._bands(round((right - left) * scale), round((height + 2 * border) * scale), start, stop)
        if not bands:
            return []
        first, last = min(band.top for band in bands), max(band.bottom for band in bands)
        area = Box(left, round(first / scale) - border, right, round(last / scale) - border)
        small = _resize(crop_gray(image, area), round(area.width * scale), round(area.height * scale))
        for box in known:  # the cascade rejects a flat area at once, but takes long for a face
            x1, x2 = (max(0, round((x - area.x1) * scale)) for x in (box.x1, box.x2))
            y1, y2 = (max(0, round((y - area.y1) * scale)) for y in (box.y1, box.y2))
            small[y1:y2, x1:x2] = 128
        hits = []
        for band in bands:
            x0, y0 = band.edge, band.top - first
            part = small[y0 : band.bottom - first, x0 : small.shape[1] - x0]
            found = self._hits(part, self.scale_factor, band.window, band.window)
            hits += [(x0 + x, y0 + y, width, height) for x, y, width, height in found]
        # OpenCV drops groups of one; with every hit counted twice, a single hit stays.
        groups, _ = cv2.groupRectangles(hits * 2, 1, _GROUP_EPS)
        boxes = [_to_box(group, 1 / scale, area.x1, area.y1) for group in groups]
        return [box for box in boxes if mostly_inside(box, image)]

    def _bands(self, width: int, height: int, start: float, stop: float) -> list[_Band]:
        """The rows to scan in a part of a search, in a picture of this size including its border."""
        bands = []
        for level, begin, share in _levels(width, height, self.border, self.scale_factor):
            rows = level.bottom - level.top - level.window
            first, last = (round(rows * min(max((at - begin) / share, 0), 1)) for at in (start, stop))
            if first < last:
                bands.append(level._replace(top=level.top + first, bottom=level.top + last + level.window))
        return bands

    def _search_crop(self, image: Image, box: Box, crop_search: _CropSearch) -> tuple[int, Box] | None:
        """The face near a box, and the number of windows that agree on it.

        The mirror image of the crop is searched too. The cascade is not symmetric, and this second opinion adds more
        than a finer scan would.
        """
        side = round(crop_search.side * (1 + 2 * crop_search.margin))
        area = box.padded(crop_search.margin)
        patch = _resize(crop_gray(image, area), side, side)
        smallest, largest = (
            round(crop_search.smallest * crop_search.side),
            round(crop_search.largest * crop_search.side),
        )
        hits = self._hits(patch, 1.1, smallest, largest)
        mirrored = self._hits(cv2.flip(patch, 1), 1.1, smallest, largest)
        hits += [(side - x - width, y, width, height) for x, y, width, height in mirrored]
        groups, votes = cv2.groupRectangles(hits, crop_search.votes)
        if not len(groups):
            return None
        most, best = max(zip(map(int, votes), map(tuple, groups), strict=True))
        face = _to_box(best, area.width / side, area.x1, area.y1)
        return (most, face) if mostly_inside(face, image) else None

    def _hits(self, gray: MatLike, scale_factor: float, smallest: int, largest: int) -> list[_Rectangle]:
        """All windows of these sizes that the cascade accepts."""
        with self._cascades as cascade:
            hits = cascade.detectMultiScale(
                gray, scale_factor, minNeighbors=0, minSize=(smallest, smallest), maxSize=(largest, largest)
            )
        return [(int(x), int(y), int(width), int(height)) for x, y, width, height in hits]


@lru_cache(maxsize=8)  # the same for every frame
def _levels(width: int, height: int, border: float, scale_factor: float) -> list[tuple[_Band, float, float]]:
    """For each window size, all rows of a picture with its border, and the part of the search in which they are
    scanned, as (band, begin, length).
    """
    edge = round(border * min(width, height) / (1 + 2 * border))
    bands, costs = [], []
    factor = 1.0
    while (window := round(_WINDOW * factor)) < min(width, height):
        outside = max(0, edge - window // 2)  # a face further out would not be mostly inside the picture
        bands.append(_Band(window, outside, outside, height - outside))
        # OpenCV moves windows of more than 48 pixels by smaller steps than the others; 6 was measured.
        area = (width - 2 * outside - window) * (height - 2 * outside - window)
        costs.append(area / factor**2 * (6 if factor >= 2 else 1))
        factor *= scale_factor
    levels = []
    for round_ in (0, 1):
        shares = [cost / sum(costs[round_::2]) for cost in costs[round_::2]]
        begins = itertools.accumulate(shares[:-1], initial=float(round_))
        levels += list(zip(bands[round_::2], begins, shares, strict=True)) if shares else []
    return levels


def _is_share(number: float) -> bool:
    return 0 <= number <= 1


def _load_cascade() -> cv2.CascadeClassifier:
    name = "haarcascade_frontalface_default.xml"
    cascade = None
    if hasattr(cv2, "CascadeClassifier"):
        cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).with_name("data") / name))
    if cascade is None or cascade.empty():
        raise DetectorError(
            f"OpenCV {cv2.__version__} lacks {name}, which opencv-python 4 has and 5 has not: "
            "pip install 'opencv-python>=4.13,<5'"
        )
    return cascade


def _resize(gray: Image, width: int, height: int) -> MatLike:
    return cv2.resize(reduce_by_halves(gray, (height, width)), (width, height), interpolation=cv2.INTER_LINEAR)


def _to_box(rectangle: Sequence[int], scale: float, left: float, top: float) -> Box:
    """OpenCV's rectangle, scaled and then moved into the picture."""
    x, y, width, height = rectangle
    x1, y1 = round(left + x * scale), round(top + y * scale)
    return Box(x1, y1, x1 + round(width * scale), y1 + round(height * scale))
