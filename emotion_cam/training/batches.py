"""Batches of faces for training: every picture goes down the run-time's own road, extract_face, with a jittered box."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import keras
import numpy as np
import numpy.typing as npt

from emotion_cam.preprocess import extract_face
from emotion_cam.training.datasets import FaceSet, Targets
from emotion_cam.types import Box, Image, Scores

Teacher: TypeAlias = Callable[[npt.NDArray[np.float32]], Scores]
"""Faces as float32 in [0, 255], (faces, height, width, 1) → softmax scores, (faces, classes)."""


@dataclass(frozen=True)
class Augmentation:
    """How much training pictures vary. Shift and scale move the detector's box, as real detectors do.

    Attributes:
        flip: probability of a mirror image.
        shift: largest shift of the box in either direction, as a share of its side.
        scale: largest change of the box's side, as a share of it.
        rotation: largest turn of the picture, in degrees.
        shear: largest slant of the picture: how far a row is moved sideways, as a share of its distance from the box's
            middle.
        brightness: largest change of brightness, as a share of the full range.
        contrast: largest change of contrast, as a share of it.
        blur: largest standard deviation of a Gaussian blur, in pixels of the network's input.
        erasing: probability that a random rectangle is blanked.
    """

    flip: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur: float = 0.0
    erasing: float = 0.0


AUGMENTATIONS = {
    "none": Augmentation(),
    "gentle": Augmentation(flip=0.5, shift=0.06, scale=0.08, rotation=8, brightness=0.1, contrast=0.25),
    # Gentle, but for a box that is as far off as `evaluate --framing` moves it.
    "framing": Augmentation(flip=0.5, shift=0.08, scale=0.16, rotation=8, brightness=0.1, contrast=0.25),
    # What networks with ImageNet's weights are often tuned with.
    "shear": Augmentation(flip=0.5, scale=0.2, shear=0.2),
    "strong": Augmentation(
        flip=0.5, shift=0.08, scale=0.15, rotation=12, brightness=0.15, contrast=0.35, blur=1.0, erasing=0.25
    ),
}


def augmented_face(
    image: Image, box: Box, size: tuple[int, int], margin: float, how: Augmentation, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """One training example: extract_face with the variations of ``how``; float32 in [0, 255], of shape ``size``."""
    if how.rotation or how.shear:
        degrees = rng.uniform(-how.rotation, how.rotation) if how.rotation else 0.0
        slant = rng.uniform(-how.shear, how.shear) if how.shear else 0.0
        image = _turned(image, box, degrees, slant)
    if how.shift or how.scale:
        box = _jittered(box, how, rng)
    face = extract_face(image, box, size, margin)
    if rng.random() < how.flip:
        face = face[:, ::-1]
    if how.blur:
        sigma = rng.uniform(0, how.blur)
        if sigma > 0.3:  # less changes nothing to speak of
            face = np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)
    result = face.astype(np.float32)
    if how.contrast or how.brightness:
        mean = result.mean()
        gain = 1 + rng.uniform(-how.contrast, how.contrast)
        offset = 255 * rng.uniform(-how.brightness, how.brightness)
        result = np.clip((result - mean) * gain + mean + offset, 0, 255)
    if rng.random() < how.erasing:
        _erase(result, rng)
    return result


def _jittered(box: Box, how: Augmentation, rng: np.random.Generator) -> Box:
    dx, dy = rng.uniform(-how.shift, how.shift, 2) * (box.width, box.height)
    factor = 1 + rng.uniform(-how.scale, how.scale)
    centre_x, centre_y = (box.x1 + box.x2) / 2 + dx, (box.y1 + box.y2) / 2 + dy
    half_width, half_height = box.width * factor / 2, box.height * factor / 2
    return Box(
        round(centre_x - half_width),
        round(centre_y - half_height),
        round(centre_x + half_width),
        round(centre_y + half_height),
    )


def _turned(image: Image, box: Box, degrees: float, slant: float) -> Image:
    """The picture slanted and then turned about the middle of the box, at which nothing moves."""
    height, width = image.shape
    middle = ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
    sheared = np.array([[1, slant, -slant * middle[1]], [0, 1, 0], [0, 0, 1]])
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0) @ sheared
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _erase(face: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Blank a rectangle of a fiftieth to a fifth of the picture with noise, in place (Zhong et al. 2017)."""
    height, width = face.shape
    area, ratio = rng.uniform(0.02, 0.2) * height * width, rng.uniform(0.5, 2.0)
    h, w = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    face[y : y + h, x : x + w] = rng.uniform(0, 255, (h, w))


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (faces, targets, weights), shuffled and augmented anew in every epoch, the same for the same seed.

    Faces are float32 in [0, 255], (batch, height, width, 1); targets float32, (batch, classes); weights float32,
    (batch,): 1, or with ``balance`` above 0 the inverse of the class's frequency to that power, times ``emphasis``.

    Args:
        sets: the pictures, with the same labels.
        size: (height, width) of the network's input.
        margin: what to add to the box on every side, as a share of its side.
        batch_size: faces a batch.
        multiple: of which every batch's size must be a multiple, as ``batch_size`` is; the pictures left over at the
            end of an epoch are left out.
        augmentation: how much they vary; None for pictures as they are, in their order.
        balance: see above.
        emphasis: what the weights of groups of people are multiplied by, by (kind, group) as in FaceSet.groups; what a
            set does not say of its people counts for nothing.
        mixup: the two parameters of the Beta distribution from which the share is drawn by which every face, with
            its target, is mixed with another of its batch (Zhang et al. 2018); 0 mixes none.
        teacher: scores a batch of faces, just as the network gets them.
        teacher_share: share of the teacher's scores in the targets.
        seed: of order, augmentation and mixup.
        first_epoch: the epoch to start with, counted from 0.
    """

    def __init__(
        self,
        sets: Sequence[FaceSet],
        size: tuple[int, int],
        *,
        margin: float = 0.0,
        batch_size: int = 64,
        multiple: int = 1,
        augmentation: Augmentation | None = None,
        balance: float = 0.0,
        emphasis: Mapping[tuple[str, str], float] | None = None,
        mixup: float = 0.0,
        teacher: Teacher | None = None,
        teacher_share: float = 0.0,
        seed: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self._sets, self._size, self._margin = sets, size, margin
        self._batch_size, self._augmentation, self._seed = batch_size, augmentation, seed
        self._mixup, self._teacher, self._teacher_share = mixup, teacher, teacher_share
        self._rows = np.array([(i, row) for i, faces in enumerate(sets) for row in range(len(faces))])
        self._used = len(self._rows) - len(self._rows) % multiple
        self._class_weights = _class_weights(sets, balance)
        self._group_weights = [_group_weights(faces, emphasis or {}) for faces in sets]
        self._epoch = first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(self._used / self._batch_size)

    def __getitem__(self, number: int) -> tuple[Any, Any, Any]:
        rng = np.random.default_rng([self._seed, self._epoch, number])
        rows = self._order[: self._used][number * self._batch_size : (number + 1) * self._batch_size]
        chosen = [(self._sets[i], row) for i, row in self._rows[rows]]
        group_weights = np.array([self._group_weights[i][row] for i, row in self._rows[rows]], np.float32)
        faces = np.stack([self._face(faces, row, rng) for faces, row in chosen])[..., None].astype(np.float32)
        targets = np.stack([faces.targets[row] for faces, row in chosen])
        if self._mixup:
            faces, targets = _mixed_up(faces, targets, self._mixup, rng)
        weights = targets @ self._class_weights * group_weights
        if self._teacher is not None:
            targets = (1 - self._teacher_share) * targets + self._teacher_share * self._teacher(faces)
        return faces, targets, weights

    def _face(self, faces: FaceSet, row: int, rng: np.random.Generator) -> npt.NDArray[Any]:
        if self._augmentation is None:
            return extract_face(faces.images[row], faces.box, self._size, self._margin)
        return augmented_face(faces.images[row], faces.box, self._size, self._margin, self._augmentation, rng)

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        """A new order; without augmentation the order does not matter and stays."""
        order = np.arange(len(self._rows))
        self._order = (
            order if self._augmentation is None else np.random.default_rng([self._seed, self._epoch]).permutation(order)
        )


def _mixed_up(
    faces: npt.NDArray[np.float32], targets: Targets, alpha: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Targets]:
    """Every face and target mixed with another's of the batch, all by the same share, as in the authors' code."""
    share, other = np.float32(rng.beta(alpha, alpha)), rng.permutation(len(faces))
    return share * faces + (1 - share) * faces[other], share * targets + (1 - share) * targets[other]


def _class_weights(sets: Sequence[FaceSet], balance: float) -> npt.NDArray[np.float32]:
    frequency = np.concatenate([faces.targets for faces in sets]).mean(axis=0)
    weights = np.power(np.maximum(frequency, 1e-6), -balance)
    # Weighted by frequency the mean is 1, so that the learning rate keeps its meaning.
    return np.asarray(weights / (weights * frequency).sum(), dtype=np.float32)


def _group_weights(faces: FaceSet, emphasis: Mapping[tuple[str, str], float]) -> npt.NDArray[np.float32]:
    weights = np.ones(len(faces), np.float32)
    for (kind, group), factor in emphasis.items():
        if kind in faces.groups:
            weights[faces.groups[kind] == group] *= factor
    return weights
