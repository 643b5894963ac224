"""What the network should say of every place of a view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotion_cam.training.detector.network import STRIDES
from emotion_cam.training.detector.scenes import Floats
from emotion_cam.training.detector.views import View

SIZES = ((6.0, 36.0), (24.0, 84.0), (60.0, 400.0))
"""From which to which side, in pixels, a face belongs to each stride; between two it belongs to both."""

SLACK = 1.25
"""By how much more or less than that a side may be for the stride to need not be sure that there is no face."""

NEAR = 0.35
"""How far from a face's center a place may be to see it, as a share of its side."""

COLUMNS = 16
"""Of a target: how much background counts at this place (1, or 0 where a face is or is ignored), how much a face does,
the square's center and side, five points, and how much these count. In strides, seen from the place."""


@lru_cache
def places(height: int, width: int) -> tuple[Floats, Floats]:
    """The centers of all places, (places, 2), x and y in pixels, and their strides, (places,); finest first."""
    centers, strides = [], []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        centers.append((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full(x.size, stride))
    return np.concatenate(centers).astype(np.float32), np.concatenate(strides).astype(np.float32)


def targets(views: Sequence[View]) -> Floats:
    """The targets of views of one size, (views, places, COLUMNS), float32.

    A place sees the face whose center is nearest, by the face's side; that is within NEAR of it, or the nearest place
    of all. Faces of which less than two fifths are in the view, and those too small for the network, are ignored.
    """
    result = np.stack([_target(view) for view in views])
    return np.asarray(result, np.float32)


def _target(view: View) -> Floats:
    height, width = view.image.shape
    centers, strides = places(height, width)
    target = np.zeros((len(centers), COLUMNS), np.float32)
    target[:, 0] = 1
    squares = np.vstack([view.squares, view.ignored])
    if not len(squares):
        return target
    is_seen = (_visible(squares, height, width) > 0.4) & (squares[:, 2] >= SIZES[0][0])
    is_seen[len(view.squares) :] = False
    away, fits, nearly = _distances(squares, centers, strides)
    # Around a face, and where a face is ignored, a place need not be sure that there is none.
    target[((away < 0.5) & nearly).any(axis=1), 0] = 0
    faces = np.flatnonzero(is_seen)
    if not len(faces):
        return target

    away = np.where(fits[:, faces], away[:, faces], np.inf)
    nearest = away.argmin(axis=0), np.arange(len(faces))
    is_near = away < NEAR
    is_near[nearest] = np.isfinite(away[nearest])
    away[~is_near] = np.inf
    sees = np.flatnonzero(is_near.any(axis=1))
    seen = away[sees].argmin(axis=1)
    count = np.bincount(seen, minlength=len(faces))[seen]
    squares, points = squares[faces[seen]], view.points[faces[seen]]
    scale = strides[sees, None]
    target[sees, 0] = 0
    # Large faces are seen by many places; each counts for less, so that small faces are not drowned.
    target[sees, 1] = np.minimum(2.0, np.sqrt(4 / count))
    target[sees, 2:4] = (squares[:, :2] - centers[sees]) / scale
    target[sees, 4] = squares[:, 2] / scale[:, 0]
    known = ~np.isnan(points).any(axis=(1, 2))
    offsets = (points - centers[sees, None]) / scale[:, None]
    target[sees, 5:15] = np.nan_to_num(offsets).reshape(len(sees), 10)
    target[sees, 15] = target[sees, 1] * known
    return target


def _visible(squares: Floats, height: int, width: int) -> Floats:
    """Which share of each square lies in a picture of that size."""
    low, high = squares[:, :2] - squares[:, 2:] / 2, squares[:, :2] + squares[:, 2:] / 2
    shared = (np.minimum(high, [width, height]) - low.clip(0)).clip(0)
    return np.asarray(shared.prod(axis=1) / np.maximum(squares[:, 2], 1e-6) ** 2, np.float32)


def _distances(
    squares: Floats, centers: Floats, strides: Floats
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """How far places are from squares' centers, as shares of their sides; whether the stride suits the side, or nearly.

    All are (places, squares).
    """
    side = np.maximum(squares[:, 2], 1e-6)
    right = centers[:, :1] - squares[:, 0]
    down = centers[:, 1:] - squares[:, 1]
    away = np.sqrt(right**2 + down**2) / side
    least, most = np.array(SIZES, np.float32)[np.searchsorted(STRIDES, strides)].T
    fits = (side >= least[:, None]) & (side <= most[:, None])
    nearly = (side >= least[:, None] / SLACK) & (side <= most[:, None] * SLACK)
    return np.asarray(away, np.float32), fits, nearly
