"""Fits an offset for each label to one person's pictures, and tries it on pictures that the fit has not seen.

The offsets are the biases of a multinomial logistic regression whose only inputs are the model's logits with the fixed
weight 1, with a penalty on their squares (Platt, "Probabilistic Outputs for Support Vector Machines", 1999, has the
idea for two classes; Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2, as vector scaling, of
which these are the biases). So few numbers cannot learn a face by heart, but can correct that a model calls a face at
rest sad, or needs a bigger smile than this face makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.adaptation import LARGEST, Adaptation, choose_adaptations, fingerprint
from emotion_cam.enrollment.pictures import find_model, read_faces
from emotion_cam.errors import DatasetError
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.scores import score
from emotion_cam.types import Scores

FOLDS = 3
"""How many parts the pictures of each label are divided into; each part is tried once with a fit to the others."""

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""The weights of the squares of the offsets that are tried."""

_STEPS, _TOLERANCE = 50, 1e-9

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreTable:
    """What a model says of one person's pictures.

    Attributes:
        labels: the classes.
        truth: int, (pictures,), the index of the label that was asked for.
        scores: float32, (pictures, labels), softmax; means over each face and its mirror image, as at run time.
    """

    labels: tuple[str, ...]
    truth: npt.NDArray[np.intp]
    scores: Scores

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Numbers of pictures, (label that was asked for, label that the model gives)."""
        counts = np.zeros((len(self.labels), len(self.labels)), np.int64)
        np.add.at(counts, (self.truth, self.scores.argmax(axis=1)), 1)
        return counts

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the labels that have pictures."""
        counts = self.confusion.sum(axis=1)
        return float(np.mean(self.confusion.diagonal()[counts > 0] / counts[counts > 0]))


def measure(folder: Path, model: Path | None = None, adapt: Path | None = None) -> ScoreTable:
    """Score all pictures of one person.

    Args:
        folder: a folder of `emotion-cam enroll`, or any folder with one folder for each label.
        model: the model folder; None for the shipped model that has these labels.
        adapt: a file of `emotion-cam adapt`.

    Raises:
        DatasetError: the pictures are missing, or have other labels than the model.
        ModelError: there is no such model, or the adaptation does not fit it.
    """
    faces = read_faces(folder)
    model = find_model(faces.labels) if model is None else model
    (adaptation,) = choose_adaptations([] if adapt is None else [adapt], [model])
    classifier = Classifier(model, adaptation=adaptation)
    faces = faces.with_labels(classifier.card.labels)
    return ScoreTable(faces.labels, faces.targets.argmax(axis=1), score(classifier, faces, mirrored=True))


@dataclass(frozen=True)
class Fit:
    """Offsets, and what they are worth on pictures that the fit has not seen.

    Attributes:
        offsets: float64, (labels,), with the mean 0; all 0 if none help.
        before, after: the balanced accuracy on the held-out parts, without and with the best offsets.
        helps: whether the offsets are kept.
    """

    offsets: Floats
    before: float
    after: float
    helps: bool


def fit_offsets(table: ScoreTable) -> Fit:
    """Fit the offsets by cross-validation.

    Each label counts the same, however many pictures it has. The parts are successive pictures, because neighbors are
    nearly the same: with the pictures of `emotion-cam enroll` and as many rounds as FOLDS, each part is a round. The
    penalty is the one with the smallest loss on held-out pictures. The offsets are kept only if they make the loss of
    every held-out part smaller, and the balanced accuracy of all of them higher.

    Raises:
        DatasetError: a label has fewer pictures than FOLDS.
    """
    counts = table.confusion.sum(axis=1)
    few = int(counts.argmin())
    if counts[few] < FOLDS:
        raise DatasetError(
            f"At least {FOLDS} pictures of each label are needed, but “{table.labels[few]}” has {counts[few]}; "
            "`emotion-cam enroll` takes more."
        )
    logits = np.log(np.maximum(table.scores, np.finfo(np.float32).tiny), dtype=np.float64)
    parts = _parts(table.truth)
    plain = _part_losses(logits, table.truth, parts)
    held_out = {penalty: _held_out(logits, table.truth, parts, penalty) for penalty in PENALTIES}
    losses = {penalty: _part_losses(shifted, table.truth, parts) for penalty, shifted in held_out.items()}
    penalty = min(PENALTIES, key=lambda penalty: losses[penalty].mean())
    before, after = (_balanced_accuracy(table, scored) for scored in (logits, held_out[penalty]))
    helps = bool((losses[penalty] < plain).all()) and after > before
    offsets = solve(logits, table.truth, penalty) if helps else np.zeros(len(table.labels))
    return Fit(offsets, before, after, helps)


def adapt(folder: Path, model: Path | None = None) -> tuple[Adaptation, Fit]:
    """Adapt a model to one person.

    Args:
        folder: the person's pictures; see ``measure``, which also names the errors.
        model: the model folder; None for the shipped model that has the labels of the pictures.

    Returns:
        The adaptation, which changes nothing if it does not help, and how it was found.

    Raises:
        DatasetError: there are too few pictures of a label.
    """
    model = find_model(read_faces(folder).labels) if model is None else model
    table = measure(folder, model)
    fit = fit_offsets(table)
    adaptation = Adaptation(
        task=Classifier(model).card.task,
        labels=table.labels,
        offsets=tuple(round(float(offset), 4) for offset in fit.offsets),
        model=fingerprint(model),
        pictures=len(table),
    )
    return adaptation, fit


def solve(logits: Floats, truth: npt.NDArray[np.intp], penalty: float) -> Floats:
    """The offsets with the smallest penalized loss, by Newton's method; the problem is convex.

    Args:
        logits: (pictures, labels).
        truth: (pictures,), the indices of the true labels.
        penalty: the weight of half the sum of the squares of the offsets.

    Returns:
        (labels,), with the mean 0.
    """
    weights = _weights(truth)
    wanted = np.bincount(truth, weights, logits.shape[1])

    def objective(offsets: Floats) -> float:
        return float(weights @ _losses(logits + offsets, truth) + penalty / 2 * offsets @ offsets)

    offsets = np.zeros(logits.shape[1])
    for _ in range(_STEPS):
        shares = _softmax(logits + offsets)
        gradient = weights @ shares - wanted + penalty * offsets
        weighted = shares * weights[:, None]
        hessian = np.diag(weighted.sum(axis=0) + penalty) - shares.T @ weighted
        step = np.linalg.solve(hessian, gradient)
        while objective(offsets - step) > objective(offsets) and np.abs(step).max() > _TOLERANCE:
            step = step / 2
        offsets = offsets - step
        if np.abs(step).max() <= _TOLERANCE:
            break
    return np.asarray(np.clip(offsets, -LARGEST, LARGEST))


def _parts(truth: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """For each picture the part it belongs to: the pictures of each label in their order, divided into FOLDS."""
    parts = np.zeros(len(truth), np.intp)
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        parts[rows] = np.arange(len(rows)) * FOLDS // len(rows)
    return parts


def _held_out(logits: Floats, truth: npt.NDArray[np.intp], parts: npt.NDArray[np.intp], penalty: float) -> Floats:
    """The logits of each part with the offsets that were fitted to the other parts."""
    shifted: Floats = logits.copy()
    for part in range(FOLDS):
        inside = parts == part
        shifted[inside] += solve(logits[~inside], truth[~inside], penalty)
    return shifted


def _part_losses(logits: Floats, truth: npt.NDArray[np.intp], parts: npt.NDArray[np.intp]) -> Floats:
    """The mean loss of each part; each label counts the same."""
    rows = [parts == part for part in range(FOLDS)]
    return np.array([float(_weights(truth[inside]) @ _losses(logits[inside], truth[inside])) for inside in rows])


def _losses(logits: Floats, truth: npt.NDArray[np.intp]) -> Floats:
    """The cross-entropy of each picture."""
    return np.asarray(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(truth)), truth], np.float64)


def _softmax(logits: Floats) -> Floats:
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None]))


def _weights(truth: npt.NDArray[np.intp]) -> Floats:
    """Weights of the pictures that sum to 1 over all, and to the same over each label that occurs."""
    counts = np.bincount(truth)
    return np.asarray(1 / (counts[truth] * np.count_nonzero(counts)), np.float64)


def _balanced_accuracy(table: ScoreTable, logits: Floats) -> float:
    return ScoreTable(table.labels, table.truth, np.asarray(logits, np.float32)).balanced_accuracy
