"""Batches of faces for training: shuffled, augmented and weighted, and the same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.preprocess import extract_face
from emotion_cam.training.augmentation import Augmentation, augmented_face
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet, Targets
from emotion_cam.types import Scores

Teacher: TypeAlias = Callable[[npt.NDArray[np.float32]], Scores]
"""Faces as float32 in [0, 255], (faces, height, width, 1) → softmax scores, (faces, classes)."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (faces, targets, weights), shuffled and augmented again in every epoch, the same for the same seed.

    Faces are float32 in [0, 255], (batch, height, width, 1); targets float32, (batch, classes), distributions; weights
    float32, (batch,). With ``shifts`` the targets are followed by the pictures' shifts, (batch, 2 × classes); see
    ``optimization.AdjustedCrossentropy``. A weight is 1, or with ``balance`` above 0 the inverse frequency of the class
    to that power, times ``emphasis``.

    Args:
        sets: the pictures, with the same labels.
        size: (height, width) of the network's input.
        margin: what to add to the box on every side, as a share of its side.
        batch_size: faces in a batch.
        multiple: every batch's size is a multiple of this, as ``batch_size`` must be; the pictures left over at the
            end of an epoch are left out.
        augmentation: how much the pictures vary; None for unchanged pictures in their order.
        balance: see above.
        emphasis: factor for the weights of groups of people, by (kind, group) as in FaceSet.groups; sets that do not
            know a kind of group are not changed by it.
        shifts: what to add to the logits of each picture in training, one array for each set: (pictures, classes).
        cutmix: the share of batches in which a random rectangle of every face is replaced by that of another of the
            batch, and the targets are mixed by area (Yun et al. 2019).
        mixup: the two parameters of the Beta distribution from which the share is drawn by which every face and its
            target are mixed with another of the batch (Zhang et al. 2018); 0 for none.
        teacher: scores a batch of faces, which it gets as the network does.
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
        shifts: Sequence[Targets] | None = None,
        cutmix: float = 0.0,
        mixup: float = 0.0,
        teacher: Teacher | None = None,
        teacher_share: float = 0.0,
        seed: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self._sets, self._size, self._margin = sets, size, margin
        self._batch_size, self._augmentation, self._seed = batch_size, augmentation, seed
        self._shifts, self._cutmix, self._mixup = shifts, cutmix, mixup
        self._teacher, self._teacher_share = teacher, teacher_share
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
        places = self._order[: self._used][number * self._batch_size : (number + 1) * self._batch_size]
        chosen = [(i, row) for i, row in self._rows[places]]
        group_weights = np.array([self._group_weights[i][row] for i, row in chosen], np.float32)
        faces = np.stack([self._face(self._sets[i], row, rng) for i, row in chosen])[..., None].astype(np.float32)
        targets = np.stack([self._targets(i, row) for i, row in chosen])
        if self._cutmix and rng.random() < self._cutmix:
            faces, targets = _cut_mixed(faces, targets, rng)
        elif self._mixup:
            faces, targets = _mixed_up(faces, targets, self._mixup, rng)
        labels = targets[:, : len(self._class_weights)]  # a view: the shifts come behind
        weights = labels @ self._class_weights * group_weights
        if self._teacher is not None:
            labels[:] = (1 - self._teacher_share) * labels + self._teacher_share * self._teacher(faces)
        return faces, targets, weights

    def _targets(self, source: int, row: int) -> Targets:
        targets = self._sets[source].targets[row]
        return targets if self._shifts is None else np.concatenate([targets, self._shifts[source][row]])

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
    """Every face and target mixed with another of the batch, all by the same share, as in the authors' code."""
    share, other = np.float32(rng.beta(alpha, alpha)), rng.permutation(len(faces))
    return share * faces + (1 - share) * faces[other], share * targets + (1 - share) * targets[other]


def _cut_mixed(
    faces: npt.NDArray[np.float32], targets: Targets, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Targets]:
    """Every face with the same rectangle of another of the batch, of up to 60 percent of its area."""
    height, width = faces.shape[1:3]
    side, other = math.sqrt(rng.uniform(0, 0.6)), rng.permutation(len(faces))
    h, w = max(1, round(side * height)), max(1, round(side * width))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    share, mixed = np.float32(1 - h * w / (height * width)), faces.copy()
    mixed[:, y : y + h, x : x + w] = faces[other, y : y + h, x : x + w]
    return mixed, share * targets + (1 - share) * targets[other]


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
