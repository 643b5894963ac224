"""The pictures and labels of one split of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import DatasetError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Image

SPLITS = ("train", "validation", "test")

Targets: TypeAlias = npt.NDArray[np.float32]
"""float32, (pictures, classes), each row a distribution over the labels."""


@dataclass(frozen=True)
class FaceSet:
    """Pictures of faces, all of one size, with their labels.

    Attributes:
        name: data set and split, as in "fer2013 train".
        images: uint8, (pictures, height, width), gray.
        targets: float32, (pictures, classes), each row a distribution over the labels.
        labels: the classes.
        box: where a face detector finds the face, the same in every picture.
        votes: float32, (pictures, classes), the share of human voters for each label; None where there are no votes.
        groups: by kind of group ("race", "age") a str array, (pictures,), of the group that the person belongs to; ""
            where it is not known.
    """

    name: str
    images: Image
    targets: Targets
    labels: tuple[str, ...]
    box: Box
    votes: Targets | None = None
    groups: dict[str, npt.NDArray[np.str_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: npt.NDArray[Any]) -> FaceSet:
        """The pictures of these rows (indices or a mask)."""
        votes = None if self.votes is None else self.votes[rows]
        groups = {kind: values[rows] for kind, values in self.groups.items()}
        return replace(self, images=self.images[rows], targets=self.targets[rows], votes=votes, groups=groups)

    def with_labels(self, labels: tuple[str, ...]) -> FaceSet:
        """With the classes in this order; one that this set lacks has no pictures.

        Raises:
            DatasetError: this set has a class that is not among ``labels``.
        """
        if not {*self.labels} <= {*labels}:
            raise DatasetError(
                f"{self.name} has the labels {', '.join(self.labels)}, but the model has {', '.join(labels)}."
            )
        columns = [labels.index(label) for label in self.labels]

        def ordered(targets: Targets) -> Targets:
            placed = np.zeros((len(targets), len(labels)), np.float32)
            placed[:, columns] = targets
            return placed

        votes = None if self.votes is None else ordered(self.votes)
        return replace(self, targets=ordered(self.targets), labels=labels, votes=votes)

    def extracted(
        self, size: tuple[int, int], margin: float, rolls: Sequence[float] | npt.NDArray[np.float64] | None = None
    ) -> list[Image]:
        """The faces as a network with this input size, (height, width), and margin receives them.

        ``rolls`` are the degrees by which the crops are turned back; see ``extract_face``.
        """
        degrees = [0.0] * len(self) if rolls is None else rolls
        return [
            extract_face(image, self.box, size, margin, roll) for image, roll in zip(self.images, degrees, strict=True)
        ]

    def mixed(self, share: float) -> FaceSet:
        """With targets that are (1 - share) of the label and ``share`` of the votes; unchanged without votes."""
        if self.votes is None or share == 0:
            return self
        return replace(self, targets=(1 - share) * self.targets + share * self.votes)


@dataclass(frozen=True)
class Dataset:
    """A data set that can be trained on.

    Attributes:
        read: reads one split from the path that users give.
        reference: the publication that describes it.
        terms: the terms under which its owners give it away.
        splits: the splits that it has.
    """

    read: Callable[[Path, str], FaceSet]
    reference: str
    terms: str
    splits: tuple[str, ...] = SPLITS


def without_copies(faces: FaceSet, others: Iterable[FaceSet]) -> FaceSet:
    """The pictures of ``faces`` that are not identical to a picture of ``others``."""
    known = {digest for other in others for digest in map(_digest, other.images)}
    return faces.take(np.array([_digest(image) not in known for image in faces.images], dtype=bool))


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
