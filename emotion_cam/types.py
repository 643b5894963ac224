"""The data that every part of the program shares: frozen, and made of numpy only.

No type knows a task by name: a task is a text, and a third one needs no code.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture, uint8: (height, width, 3) in BGR order, or (height, width) where a function says gray."""

Scores: TypeAlias = npt.NDArray[np.float32]
"""Softmax scores, float32, shape (classes,) or (faces, classes), each row in [0, 1] and summing to 1."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; x2 and y2 lie just outside of it. It may extend beyond the edge of the picture.

    >>> Box(10, 20, 40, 60).xyxy
    (10, 20, 40, 60)
    >>> Box(10, 20, 40, 60).padded(0.5)
    Box(x1=-5, y1=0, x2=55, y2=80)
    """

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as most libraries of this field take a box."""
        return self.x1, self.y1, self.x2, self.y2

    @property
    def width(self) -> int:
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        return self.y2 - self.y1

    @property
    def area(self) -> int:
        return max(0, self.width) * max(0, self.height)

    def padded(self, margin: float) -> Box:
        """This box with ``margin`` times its width added left and right, and ``margin`` times its height added above
        and below; a negative margin cuts.
        """
        dx, dy = round(self.width * margin), round(self.height * margin)
        return Box(self.x1 - dx, self.y1 - dy, self.x2 + dx, self.y2 + dy)

    def clipped(self, width: int, height: int) -> Box:
        """The part of this box that lies inside a picture of that size."""
        return Box(
            min(max(self.x1, 0), width),
            min(max(self.y1, 0), height),
            min(max(self.x2, 0), width),
            min(max(self.y2, 0), height),
        )

    def moved(self, right: int, down: int) -> Box:
        """This box moved by a number of pixels."""
        return Box(self.x1 + right, self.y1 + down, self.x2 + right, self.y2 + down)

    def around_turned(self, degrees: float) -> Box:
        """The upright box around this one when it is turned around its center."""
        cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
        dx = math.ceil((self.width * cos + self.height * sin - self.width) / 2 - 1e-9)
        dy = math.ceil((self.width * sin + self.height * cos - self.height) / 2 - 1e-9)
        return Box(self.x1 - dx, self.y1 - dy, self.x2 + dx, self.y2 + dy)

    def towards(self, other: Box, share: float) -> Box:
        """The box between this one (share 0) and another (share 1)."""
        pairs = zip(self.xyxy, other.xyxy, strict=True)
        return Box(*(round(start + share * (end - start)) for start, end in pairs))

    def mirrored(self, picture_width: int) -> Box:
        """This box after its picture was flipped left to right."""
        return Box(picture_width - self.x2, self.y1, picture_width - self.x1, self.y2)

    def iou(self, other: Box) -> float:
        """Intersection over union of the two areas, in [0, 1]."""
        shared = Box(max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2))
        if shared.width <= 0 or shared.height <= 0:
            return 0.0
        return shared.area / (self.area + other.area - shared.area)


Point: TypeAlias = tuple[float, float]
"""x and y in pixels, from the top left corner of the picture; the center of its first pixel is (0.5, 0.5)."""


class Landmarks(NamedTuple):
    """Five points of a face, each x and y in pixels; right and left are the person's own. They may lie outside.

    >>> points = Landmarks((20, 30), (30, 20), (31, 31), (30, 40), (40, 30))
    >>> points.roll
    -45.0
    """

    right_eye: Point
    left_eye: Point
    nose: Point
    right_mouth: Point
    left_mouth: Point

    @property
    def roll(self) -> float:
        """By how many degrees the head is turned in the picture, clockwise as seen, in (-180, 180]."""
        # Complex numbers, because the turn is an angle. Both axes of the face show it: from its right to its left, and
        # from the eyes down to the mouth, which is a quarter turn on.
        right_eye, left_eye, _, right_mouth, left_mouth = (complex(*point) for point in self)
        across = left_eye - right_eye + left_mouth - right_mouth
        down = (right_mouth + left_mouth - right_eye - left_eye) / 2
        return math.degrees(cmath.phase(across + down / 1j))

    def moved(self, right: float, down: float) -> Landmarks:
        """The points moved by a number of pixels."""
        return Landmarks(*((x + right, y + down) for x, y in self))

    def towards(self, other: Landmarks, share: float) -> Landmarks:
        """The points between these (share 0) and others (share 1)."""
        pairs = zip(self, other, strict=True)
        return Landmarks(*((x + share * (to_x - x), y + share * (to_y - y)) for (x, y), (to_x, to_y) in pairs))

    def mirrored(self, picture_width: int) -> Landmarks:
        """The points after their picture was flipped left to right: the right eye then looks like a left one."""
        right_eye, left_eye, nose, right_mouth, left_mouth = ((picture_width - x, y) for x, y in self)
        return Landmarks(left_eye, right_eye, nose, left_mouth, right_mouth)

    def as_dict(self) -> dict[str, list[float]]:
        """x and y by the name of the point, rounded to tenths of a pixel."""
        return {name: [round(x, 1), round(y, 1)] for name, (x, y) in self._asdict().items()}

    def as_row(self) -> tuple[float, ...]:
        """The values of LANDMARK_COLUMNS, rounded to tenths of a degree and of a pixel."""
        return round(self.roll, 1), *(value for point in self.as_dict().values() for value in point)


LANDMARK_COLUMNS = ("roll", *(f"{name}_{axis}" for name in Landmarks._fields for axis in "xy"))
"""The columns that a table has for landmarks."""


@dataclass(frozen=True)
class FaceBox(Box):
    """The box of a face with its landmarks, as some detectors return it. What is added to or cut off it is a plain Box.

    Attributes:
        landmarks: in pixels of the same picture.
    """

    landmarks: Landmarks

    def moved(self, right: int, down: int) -> FaceBox:
        """This box with its landmarks, moved by a number of pixels."""
        return FaceBox(*super().moved(right, down).xyxy, self.landmarks.moved(right, down))

    def towards(self, other: Box, share: float) -> Box:
        """The box between this one (share 0) and another (share 1), with landmarks if both have them."""
        box = super().towards(other, share)
        if not isinstance(other, FaceBox):
            return box
        return FaceBox(*box.xyxy, self.landmarks.towards(other.landmarks, share))

    def mirrored(self, picture_width: int) -> FaceBox:
        """This box with its landmarks after its picture was flipped left to right."""
        return FaceBox(*super().mirrored(picture_width).xyxy, self.landmarks.mirrored(picture_width))


def landmarks_of(box: Box) -> Landmarks | None:
    """The landmarks of a box; None if it has none."""
    return box.landmarks if isinstance(box, FaceBox) else None


@dataclass(frozen=True)
class Frame:
    """One picture from a source.

    Attributes:
        image: uint8, (height, width, 3), BGR.
        index: the number of the frame in its source, from 0; a live source that drops frames leaves gaps.
        time: seconds since the start of the source, by the source's own clock.
        source: the name of its source for people: the file's name, "camera 0", or the stream's address.
    """

    image: Image
    index: int
    time: float
    source: str = ""

    def mirrored(self) -> Frame:
        """The same frame flipped left to right."""
        return replace(self, image=np.ascontiguousarray(self.image[:, ::-1]))


@dataclass(frozen=True)
class ClassMap:
    """A network's class activation map: how strongly each region of a face supports each label.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", 2016, section 2.

    Attributes:
        values: float32, (rows, columns, labels): the feature maps; the mean of each one is its label's logit.
        box: the area they cover: the face with the model's margin, in pixels; it may extend beyond the picture.
        roll: by how many degrees that area is turned around its center, clockwise as seen.
    """

    values: npt.NDArray[np.float32]
    box: Box
    roll: float = 0.0

    def mirrored(self, picture_width: int) -> ClassMap:
        """The map after its picture was flipped left to right."""
        return ClassMap(self.values[:, ::-1], self.box.mirrored(picture_width), -self.roll)


UNSURE = "unsure"
"""The label of a prediction whose highest score is too low."""


@dataclass(frozen=True)
class Prediction:
    """The scores that one network gives one face.

    Attributes:
        labels: the labels that it can have.
        scores: the softmax score of each label.
        min_confidence: the score below which the prediction counts as unsure, in [0, 1].
        class_map: the regions of the face that support each label; None if the network has no such map.
    """

    labels: tuple[str, ...]
    scores: Scores
    min_confidence: float = 0.0
    class_map: ClassMap | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the highest score reaches ``min_confidence``."""
        return self.score >= self.min_confidence

    @property
    def label(self) -> str:
        """The label with the highest score, or UNSURE."""
        return self.labels[int(np.argmax(self.scores))] if self.is_sure else UNSURE

    @property
    def score(self) -> float:
        """The highest softmax score, in [0, 1]."""
        return float(np.max(self.scores))

    def mixed(self, other: Prediction, share: float) -> Prediction:
        """The weighted mean of this prediction (share 1) and another of the same network (share 0), placed as this."""
        class_map = self.class_map
        if class_map is not None and other.class_map is not None:
            values = share * class_map.values + (1 - share) * other.class_map.values
            class_map = replace(class_map, values=values)
        return replace(self, scores=share * self.scores + (1 - share) * other.scores, class_map=class_map)

    @property
    def activation(self) -> npt.NDArray[np.float32] | None:
        """The class map of the label with the highest score, float32, (rows, columns); see ``ClassMap``."""
        return None if self.class_map is None else self.class_map.values[..., int(np.argmax(self.scores))]

    def as_dict(self) -> dict[str, Any]:
        """The label, its score, and the score of every label, rounded to six places.

        >>> Prediction(("happy", "sad"), np.array([0.75, 0.25], np.float32)).as_dict()
        {'label': 'happy', 'score': 0.75, 'scores': {'happy': 0.75, 'sad': 0.25}}
        """
        scores = (round(float(score), 6) for score in self.scores)
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "scores": dict(zip(self.labels, scores, strict=True)),
        }


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        box: where the detector found it, cut at the edge of the picture.
        predictions: by task ("emotion", "gender", …), in the order of the models.
        track: the face's number as long as it stays in view; None for single pictures.
        landmarks: eyes, nose and mouth; None with a detector that does not find them.
    """

    box: Box
    predictions: dict[str, Prediction] = field(default_factory=dict)
    track: int | None = None
    landmarks: Landmarks | None = None

    @property
    def roll(self) -> float | None:
        """By how many degrees the head is turned in the picture, clockwise as seen; None without landmarks."""
        return None if self.landmarks is None else self.landmarks.roll

    def mirrored(self, picture_width: int) -> Face:
        """The face after its picture was flipped left to right."""
        predictions = {
            task: replace(prediction, class_map=prediction.class_map and prediction.class_map.mirrored(picture_width))
            for task, prediction in self.predictions.items()
        }
        landmarks = self.landmarks and self.landmarks.mirrored(picture_width)
        return replace(self, box=self.box.mirrored(picture_width), predictions=predictions, landmarks=landmarks)

    def as_dict(self) -> dict[str, Any]:
        """The face as numbers, texts, lists and dictionaries; ``landmarks`` and ``roll`` only if it has landmarks.

        >>> Face(Box(10, 20, 40, 60), track=1).as_dict()
        {'track': 1, 'box': [10, 20, 40, 60], 'predictions': {}}
        """
        located: dict[str, Any] = {"track": self.track, "box": list(self.box.xyxy)}
        if self.landmarks is not None:
            located |= {"landmarks": self.landmarks.as_dict(), "roll": round(self.landmarks.roll, 1)}
        return located | {"predictions": {task: prediction.as_dict() for task, prediction in self.predictions.items()}}
