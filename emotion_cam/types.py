"""The nouns of the program: frozen, and made of numpy only.

No type says emotion or gender: a task is a name, and a third one needs no code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture, uint8: (height, width, 3) in BGR order, or (height, width) where a function says grey."""

Scores: TypeAlias = npt.NDArray[np.float32]
"""Softmax scores, float32, shape (classes,) or (faces, classes), each row in [0, 1] and summing to 1."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; the right and bottom edges lie outside. It may reach over the edge of the picture."""

    x1: int
    y1: int
    x2: int
    y2: int

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
        """This box with ``margin`` times its width added left and right, and of its height above and below."""
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
        """This box moved by so many pixels."""
        return Box(self.x1 + right, self.y1 + down, self.x2 + right, self.y2 + down)

    def towards(self, other: Box, share: float) -> Box:
        """The box that lies between this one (share 0) and another (share 1)."""
        a, b = (self.x1, self.y1, self.x2, self.y2), (other.x1, other.y1, other.x2, other.y2)
        x1, y1, x2, y2 = (round(start + share * (end - start)) for start, end in zip(a, b, strict=True))
        return Box(x1, y1, x2, y2)

    def mirrored(self, picture_width: int) -> Box:
        """Where this box lies after its picture was flipped left to right."""
        return Box(picture_width - self.x2, self.y1, picture_width - self.x1, self.y2)

    def iou(self, other: Box) -> float:
        """Intersection over union of the two areas, in [0, 1]."""
        shared = Box(max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2))
        if shared.width <= 0 or shared.height <= 0:
            return 0.0
        return shared.area / (self.area + other.area - shared.area)


@dataclass(frozen=True)
class Frame:
    """One picture from a source.

    Attributes:
        image: uint8, (height, width, 3), BGR.
        index: the number of the frame in its source, from 0; a live source that drops frames leaves gaps.
        time: seconds from the start of the source, by the source's own clock.
        source: what it came from, for people: the name of the file, "camera 0", or the stream's address.
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
    """A network's class activation map: how much each part of what it saw of a face speaks for each class.

    Zhou et al., "Learning Deep Features for Discriminative Localization", 2016, section 2.

    Attributes:
        values: float32, (rows, columns, classes): the feature maps whose means are the classes' logits.
        box: what they cover: the face with the model's margin, in pixels; it may reach over the edge of the picture.
    """

    values: npt.NDArray[np.float32]
    box: Box

    def mirrored(self, picture_width: int) -> ClassMap:
        """The map of the picture flipped left to right."""
        return ClassMap(self.values[:, ::-1], self.box.mirrored(picture_width))


UNSURE = "unsure"
"""The label of a prediction whose most likely class is too unlikely."""


@dataclass(frozen=True)
class Prediction:
    """What one network says of one face.

    Attributes:
        labels: its classes.
        scores: the softmax score of each.
        min_confidence: below which score the network is taken to be unsure, in [0, 1].
        class_map: what in the face speaks for each class; None if the network does not tell.
    """

    labels: tuple[str, ...]
    scores: Scores
    min_confidence: float = 0.0
    class_map: ClassMap | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the most likely class is likely enough."""
        return self.score >= self.min_confidence

    @property
    def label(self) -> str:
        """The most likely class, or UNSURE."""
        return self.labels[int(np.argmax(self.scores))] if self.is_sure else UNSURE

    @property
    def score(self) -> float:
        """The softmax score of the most likely class, in [0, 1]."""
        return float(np.max(self.scores))

    def mixed(self, other: Prediction, share: float) -> Prediction:
        """What lies between this one (share 1) and another of the same network (share 0), at this one's place."""
        class_map = self.class_map
        if class_map is not None and other.class_map is not None:
            values = share * class_map.values + (1 - share) * other.class_map.values
            class_map = replace(class_map, values=values)
        return replace(self, scores=share * self.scores + (1 - share) * other.scores, class_map=class_map)

    @property
    def activation(self) -> npt.NDArray[np.float32] | None:
        """What in the face speaks for the most likely class, float32, (rows, columns); see ``ClassMap``."""
        return None if self.class_map is None else self.class_map.values[..., int(np.argmax(self.scores))]


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        box: where it is, as the detector says; inside the picture.
        predictions: by task ("emotion", "gender", …), in the order in which the models were given.
        track: the face's number for as long as it stays in view; None on single pictures.
    """

    box: Box
    predictions: dict[str, Prediction] = field(default_factory=dict)
    track: int | None = None

    def mirrored(self, picture_width: int) -> Face:
        """The same face after its picture was flipped left to right."""
        predictions = {
            task: replace(prediction, class_map=prediction.class_map and prediction.class_map.mirrored(picture_width))
            for task, prediction in self.predictions.items()
        }
        return replace(self, box=self.box.mirrored(picture_width), predictions=predictions)


Annotate: TypeAlias = Callable[[Image, Sequence[Face]], Image]
"""Draws faces into a copy of a BGR picture."""


@dataclass(frozen=True)
class Result:
    """A frame with its faces, and on demand the picture with the faces drawn in."""

    frame: Frame
    faces: tuple[Face, ...]
    annotate: Annotate

    @cached_property
    def annotated(self) -> Image:
        """The frame's picture with the faces drawn in, uint8 BGR; drawn once, and only if something asks for it."""
        return self.annotate(self.frame.image, self.faces)

    def mirrored(self) -> Result:
        """The same as seen in a mirror; what is drawn stays legible, for it is drawn after the flip."""
        width = self.frame.image.shape[1]
        return Result(self.frame.mirrored(), tuple(face.mirrored(width) for face in self.faces), self.annotate)
