"""The project's own detector: a small network that also sees tilted heads and dim faces, run by LiteRT.

A search of the whole picture proposes faces; two looks at each one, always at the same size, decide whether it is one
and where exactly it lies. ``emotion_cam/training/detector`` trains the network; its squares are the cascade's already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.base import Floats, check_min_face, largest_first, mostly_inside, same_face
from emotion_cam.errors import DetectorError
from emotion_cam.litert import open_interpreter
from emotion_cam.pool import Pool
from emotion_cam.preprocess import crop_gray, reduce_by_halves
from emotion_cam.types import Box, FaceBox, Image, Landmarks

STRIDES = (8, 16, 32)
"""How many pixels of the picture lie between two places of each of the network's outputs."""

SEARCHED, LOOKED, LOOK = 13, 40, 96
"""Sides in pixels: of the smallest face in a search, of a face in a look, and of that look itself."""

_SHIPPED = [Path(__file__).parents[up] / "models" / "face" / "model.tflite" for up in (1, 2)]
"""Where the shipped network is: in an installed package, or in the repository."""

_GRID = 32
"""Sides of the network's input are multiples of this."""

_SMALLEST_PICTURE = 8
"""The shortest side in pixels of a picture in which the network is run; in smaller ones its answers mean nothing."""

_MOST_SIZES = 8
"""For how many sizes of pictures interpreters are kept."""

_SAME = 0.4
"""Above which IoU two answers are of the same face."""


class MiniFace(NamedTuple):
    """A face as the network says.

    Attributes:
        score: how sure it is that this is a face, and that it lies there, in (0, 1).
        x, y, side: the center and the side of the cascade's square around it, in pixels.
        points: float32, (5, 2): x and y of the landmarks, in the order of ``Landmarks``, in pixels.
    """

    score: float
    x: float
    y: float
    side: float
    points: Floats

    @property
    def box(self) -> FaceBox:
        """The square with the landmarks; it may reach over the edge of the picture."""
        side = max(1, round(self.side))
        left, top = round(self.x - side / 2), round(self.y - side / 2)
        return FaceBox(left, top, left + side, top + side, self.landmarks)

    @property
    def landmarks(self) -> Landmarks:
        """The points by name."""
        return Landmarks(*((x, y) for x, y in self.points.tolist()))

    def moved(self, scale: tuple[float, float], left: float, top: float) -> MiniFace:
        """The same face in a picture that is ``scale`` (across, down) as large and begins at (left, top)."""
        across, down = scale
        points = self.points * np.array(scale, np.float32) + np.array([left, top], np.float32)
        side = self.side * math.sqrt(across * down)
        return MiniFace(self.score, self.x * across + left, self.y * down + top, side, points)


class MiniFaceDetector:
    """The project's own network, as a ``StreamDetector`` that also finds landmarks. Several threads may use one.

    Args:
        model: its TFLite file; None for the shipped one.
        min_face: the side of the smallest face to find, as a share of the picture's shorter side.
        threshold: the least score of a face that a search finds, in (0, 1): the geometric mean of the search's and of
            two closer looks'.
        known: the least score of a look at a face that was there a moment ago, in (0, 1).
        proposal: the least score of what a search looks at closely, in (0, 1).

    Raises:
        ValueError: ``min_face`` is not in (0, 1], or a score not in (0, 1).
        DetectorError: the file is missing or no such network.
    """

    finds_landmarks = True

    still_share = 0.3
    """The part of the way that a tracker moves the box of a still face. A look's box trembles more than the cascade's;
    ``benchmarks/detectors.py`` measures it."""

    def __init__(
        self,
        model: Path | None = None,
        min_face: float = MIN_FACE,
        threshold: float = 0.73,
        known: float = 0.4,
        proposal: float = 0.3,
    ) -> None:
        check_min_face(min_face)
        for name, score in (("threshold", threshold), ("known", known), ("proposal", proposal)):
            if not 0 < score < 1:
                raise ValueError(f"`{name}` is a score: it must be in (0, 1), not {score}.")
        model = model or next((file for file in _SHIPPED if file.is_file()), _SHIPPED[0])
        if not model.is_file():
            raise DetectorError(f"The model file {model} does not exist.")
        self.min_face, self.threshold, self.known, self.proposal = min_face, threshold, known, proposal
        self._networks = Pool(partial(_Network, model))

    def __call__(self, image: Image) -> list[Box]:
        """Find the faces of a picture, as ``Detector`` says; none in a picture smaller than 8 × 8 pixels."""
        return sorted((face.box for face in self.find(image)), key=largest_first)

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        """Do a part of a search; see ``StreamDetector``. It is quick, so all of it is done where a round begins."""
        if math.ceil(start) >= stop:
            return []
        return sorted((face.box for face in self.find(image, known)), key=largest_first)

    def find_near(self, image: Image, box: Box) -> Box | None:
        """Find one face near its previous place; see ``StreamDetector``."""
        face = self.look(image, box, self.known)
        return face.box if face else None

    def find(self, image: Image, known: Sequence[Box] = ()) -> list[MiniFace]:
        """The faces of a picture with all that the network says of them, the surest first, without the known ones."""
        if min(image.shape[:2]) < _SMALLEST_PICTURE:
            return []
        smallest = max(1.0, self.min_face * min(image.shape[:2]))
        faces: list[MiniFace] = []
        boxes = list(known)
        for proposed in self.proposals(image):
            near = proposed.box
            if not mostly_inside(near, image) or any(same_face(near, box) for box in boxes):
                continue
            face = self._looked_at_twice(image, near, proposed.score)
            if face and face.side >= smallest and not any(same_face(face.box, box) for box in boxes):
                faces.append(face)
                boxes.append(face.box)
        return sorted(faces, key=lambda face: -face.score)

    def proposals(self, image: Image) -> list[MiniFace]:
        """What a search of the whole picture takes for faces, the surest first, with rough places."""
        height, width = image.shape[:2]
        scale = SEARCHED / max(1.0, self.min_face * min(height, width))
        size = _on_grid(height * scale), _on_grid(width * scale)
        # Both sides are brought to the grid, which may stretch the picture by some per cent; a look mends that.
        with self._networks as network:
            seen = network(_resized(_gray(image), size), self.proposal)
        back = width / size[1], height / size[0]
        return [face.moved(back, 0, 0) for face in seen]

    def _looked_at_twice(self, image: Image, near: Box, score: float) -> MiniFace | None:
        """The face at a proposed place, or None; the second look starts from where the first one saw it."""
        # The three scores multiplied have to reach the threshold's cube. With less, an earlier one would be too low.
        least = self.threshold**3
        first = self.look(image, near, least / score)
        if first is None:
            return None
        second = self.look(image, first.box, least / (score * first.score))
        return second and second._replace(score=(score * first.score * second.score) ** (1 / 3))

    def look(self, image: Image, near: Box, least: float) -> MiniFace | None:
        """Look for one face near where it was or is supposed to be, in a fraction of the time of a search.

        Args:
            image: uint8, (height, width, 3) BGR, or (height, width) gray.
            near: where to look; at least half of it inside the picture.
            least: the least score of the face.

        Returns:
            The face that is surest and overlaps ``near`` best, by the product of the two, or None.
        """
        if least >= 1:
            return None
        area = near.padded((LOOK / LOOKED - 1) / 2)
        back = area.width / LOOK, area.height / LOOK
        best, most = None, 0.0
        with self._networks as network:
            seen = network(_resized(crop_gray(image, area), (LOOK, LOOK)), least)
        for there in seen:
            face = there.moved(back, area.x1, area.y1)
            fit = face.score * near.iou(face.box)
            if fit > most and same_face(face.box, near) and mostly_inside(face.box, image):
                best, most = face, fit
        return best


class _Network:
    """The network on pictures of any size: an interpreter for each, as resizing one takes as long as a search. One
    thread at a time may use it.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._threads = max(1, cv2.getNumThreads())
        self._interpreters: dict[tuple[int, int], tuple[Any, int, list[int]]] = {}
        self._opened((LOOK, LOOK))

    def __call__(self, image: Image, threshold: float) -> list[MiniFace]:
        """The faces of a gray picture, the surest first; its sides are multiples of 32."""
        interpreter, taken, given = self._opened(image.shape[:2])
        interpreter.set_tensor(taken, image[None, ..., None].astype(np.float32))
        interpreter.invoke()
        said = np.concatenate([interpreter.get_tensor(output).reshape(-1, 14) for output in given])
        return merged(*decoded(said, *places(*image.shape[:2]), threshold))

    def _opened(self, size: tuple[int, int]) -> tuple[Any, int, list[int]]:
        if size not in self._interpreters:
            if len(self._interpreters) > _MOST_SIZES:  # pictures of ever new sizes must not fill the memory
                del self._interpreters[next(other for other in self._interpreters if other != (LOOK, LOOK))]
            self._interpreters[size] = self._fresh(size)
        return self._interpreters[size]

    def _fresh(self, size: tuple[int, int]) -> tuple[Any, int, list[int]]:
        try:
            interpreter = open_interpreter(self._model, self._threads)
            (picture,) = interpreter.get_input_details()
            interpreter.resize_tensor_input(picture["index"], [1, *size, 1])
            interpreter.allocate_tensors()
            outputs = {size[0] // int(out["shape"][1]): out for out in interpreter.get_output_details()}
            if any(int(outputs[stride]["shape"][-1]) != 14 for stride in STRIDES):
                raise LookupError
            return interpreter, picture["index"], [outputs[stride]["index"] for stride in STRIDES]
        except (ValueError, RuntimeError, LookupError) as error:
            raise DetectorError(f"{self._model} is damaged or no face detector of this project (TFLite).") from error


@lru_cache(maxsize=8)
def places(height: int, width: int) -> tuple[Floats, Floats]:
    """The centers of the network's places, (places, 2), x and y in pixels, and their strides, (places, 1)."""
    centers, strides = [], []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        centers.append((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full((x.size, 1), stride))
    return np.concatenate(centers).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decoded(said: Floats, centers: Floats, strides: Floats, threshold: float) -> tuple[Floats, Floats]:
    """What the network says of those places that see a face.

    Args:
        said: (places, 14): logit, square and points as the network gives them, in strides.
        centers, strides: as ``places`` gives them.
        threshold: the least score of a face, in (0, 1).

    Returns:
        Scores, (faces,), and (faces, 13): center, side, and five points, in pixels.
    """
    seen = np.flatnonzero(said[:, 0] >= math.log(threshold / (1 - threshold)))
    said, centers, strides = said[seen], centers[seen], strides[seen]
    values = said[:, 1:] * strides
    values[:, 2] = np.exp(said[:, 3].clip(-4, 4)) * strides[:, 0]
    values[:, :2] += centers
    values[:, 3:].reshape(-1, 5, 2)[:] += centers[:, None]
    return np.asarray(1 / (1 + np.exp(-said[:, 0])), np.float32), np.asarray(values, np.float32)


def merged(scores: Floats, values: Floats) -> list[MiniFace]:
    """One face of all answers that overlap the surest one: their mean, weighted by the scores, which trembles less.

    Args:
        scores: (answers,).
        values: (answers, 13), as ``decoded`` gives them.

    Source: Bazarevsky et al., "BlazeFace", 2019, section 3.4.
    """
    faces = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        rest = values[order]
        overlap = _overlap(rest)
        same = overlap > _SAME
        same[0] = True
        # Of those that overlap, only the ones nearly as sure know the place well.
        weights = scores[order[same]] ** 2 * overlap[same]
        mean = weights @ rest[same] / weights.sum()
        x, y, side = mean[:3].tolist()
        faces.append(MiniFace(float(scores[order[0]]), x, y, side, mean[3:].reshape(5, 2).astype(np.float32)))
        order = order[~same]
    return faces


def _overlap(squares: Floats) -> npt.NDArray[np.float32]:
    """The IoU of every square with the first."""
    half = (squares[:, 2] + squares[0, 2]) / 2
    least = np.minimum(squares[:, 2], squares[0, 2])
    shared = np.minimum(half[:, None] - np.abs(squares[:, :2] - squares[0, :2]), least[:, None]).clip(0).prod(axis=1)
    return np.asarray(shared / (squares[:, 2] ** 2 + squares[0, 2] ** 2 - shared), np.float32)


def _on_grid(side: float) -> int:
    return max(_GRID, round(side / _GRID) * _GRID)


def _gray(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _resized(image: Image, size: tuple[int, int]) -> Image:
    """A gray picture of another size, (height, width)."""
    height, width = size
    image = reduce_by_halves(image, size)
    # Less than a factor of two is left; area averages would take several times as long and change little.
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
