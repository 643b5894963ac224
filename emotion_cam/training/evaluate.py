"""Measure a model as it is used: through the same extract_face and Classifier as in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn import metrics

from emotion_cam.adaptation import Adaptation
from emotion_cam.card import (
    SCALES,
    SHIFT,
    Calibration,
    ClassFigures,
    Framing,
    FramingChange,
    GroupComparison,
    GroupFigures,
    Measurement,
    Sure,
    TiltFigures,
)
from emotion_cam.recognition.classifier import RUNTIMES, Classifier
from emotion_cam.training.calibration import expected_calibration_error, reliability
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.scores import score
from emotion_cam.training.tilt import measure_tilt
from emotion_cam.types import Box, Scores


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on a data set, and the usual figures, not rounded.

    Attributes:
        data: data set and split, as in "fer2013 test".
        runtime: what ran the network, "litert" or "keras".
        labels: the classes.
        truth: int, (pictures,), the index of the true class.
        scores: float32, (pictures, classes), softmax.
        groups: by kind of group ("race", "age") a str array, (pictures,), of the group that each picture belongs to;
            "" where it is not known.
        reframed: by change of the box the balanced accuracy with that change; empty if it was not measured.
        tilt: the figures of tilted heads; empty if they were not measured.
        min_confidence: the top score below which the model calls itself unsure.
    """

    data: str
    runtime: str
    labels: tuple[str, ...]
    truth: npt.NDArray[np.intp]
    scores: Scores
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    reframed: Mapping[str, float] = field(default_factory=dict)
    tilt: tuple[TiltFigures, ...] = ()
    min_confidence: float = 0.0

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def predicted(self) -> npt.NDArray[np.intp]:
        """int, (pictures,), the index of the most likely class."""
        return np.asarray(self.scores.argmax(axis=1))

    @cached_property
    def accuracy(self) -> float:
        """The share of pictures whose most likely class is the true one."""
        return float(metrics.accuracy_score(self.truth, self.predicted))

    @cached_property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that occur; rare classes count as much as frequent ones."""
        return float(np.mean([row.recall for row in self.per_class if row.pictures]))

    @cached_property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Numbers of pictures, (true class, predicted class)."""
        return np.asarray(metrics.confusion_matrix(self.truth, self.predicted, labels=range(len(self.labels))))

    @cached_property
    def per_class(self) -> tuple[ClassFigures, ...]:
        """The figures of each class, in the order of the labels."""
        columns = metrics.precision_recall_fscore_support(
            self.truth, self.predicted, labels=range(len(self.labels)), zero_division=0
        )
        return tuple(
            ClassFigures(
                label=label, precision=float(precision), recall=float(recall), f1=float(f1), pictures=int(pictures)
            )
            for label, precision, recall, f1, pictures in zip(self.labels, *columns, strict=True)
        )

    @cached_property
    def calibration(self) -> Calibration:
        """The expected calibration error and the points of the reliability diagram."""
        bins = reliability(self.scores, self.truth)
        return Calibration(error=expected_calibration_error(bins), bins=bins)

    @cached_property
    def sure(self) -> Sure | None:
        """Coverage and accuracy above the threshold; None if the model has no threshold."""
        if not self.min_confidence:
            return None
        sure = self.scores.max(axis=1) >= self.min_confidence
        correct = self.predicted == self.truth
        return Sure(
            min_confidence=self.min_confidence,
            coverage=float(sure.mean()),
            accuracy=float(correct[sure].mean()) if sure.any() else 0.0,
        )

    @cached_property
    def per_group(self) -> dict[str, GroupComparison]:
        """By kind of group the comparison of its groups, sorted by age or name; only kinds with a known group."""
        return {
            kind: _compared([self._group(values, group) for group in sorted({*values.tolist()} - {""}, key=_age_first)])
            for kind, values in self.groups.items()
            if values.any()
        }

    def _group(self, values: npt.NDArray[np.str_], group: str) -> GroupFigures:
        rows = values == group
        part = replace(self, truth=self.truth[rows], scores=self.scores[rows], groups={})
        return GroupFigures(
            group=group,
            pictures=len(part),
            accuracy=part.accuracy,
            balanced_accuracy=part.balanced_accuracy,
            recall={row.label: row.recall if row.pictures else None for row in part.per_class},
        )

    @cached_property
    def framing(self) -> Framing | None:
        """The effect of other boxes; None if it was not measured."""
        if not self.reframed:
            return None
        losses = {change: self.balanced_accuracy - left for change, left in self.reframed.items()}
        return Framing(
            changes=tuple(
                FramingChange(box=change, balanced_accuracy=left, loss=losses[change])
                for change, left in self.reframed.items()
            ),
            mean_loss=float(np.mean(list(losses.values()))),
            worst_loss=max(losses.values()),
        )

    @property
    def measurement(self) -> Measurement:
        """The figures as a card records them, rounded to four places."""
        figures = Measurement(
            data=self.data,
            runtime=self.runtime,
            pictures=len(self),
            accuracy=self.accuracy,
            balanced_accuracy=self.balanced_accuracy,
            calibration=self.calibration,
            per_class=self.per_class,
            confusion=tuple(map(tuple, self.confusion.tolist())),
            sure=self.sure,
            groups=self.per_group,
            framing=self.framing,
            tilt=self.tilt,
        )
        return msgspec.convert(_rounded(msgspec.to_builtins(figures)), Measurement)


def _age_first(group: str) -> tuple[int, str]:
    """A sorting key: ages in their order, "3-9" before "10-19" before "more than 70", and other groups by name."""
    youngest, _, _ = group.partition("-")
    return (int(youngest) if youngest.isdigit() else 1000, group)


def _compared(groups: list[GroupFigures]) -> GroupComparison:
    mean = float(np.mean([group.balanced_accuracy for group in groups]))
    worst = min(groups, key=lambda group: group.balanced_accuracy)
    return GroupComparison(
        groups=tuple(groups), mean=mean, worst=worst.group, worst_below_mean=mean - worst.balanced_accuracy
    )


def _rounded(figures: Any) -> Any:
    """Every float in lists and dictionaries, to four places."""
    if isinstance(figures, dict):
        return {key: _rounded(value) for key, value in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [_rounded(value) for value in figures]
    return round(figures, 4) if isinstance(figures, float) else figures


def evaluate(
    folder: Path,
    faces: FaceSet,
    *,
    runtime: str | None = None,
    threads: int = 1,
    framing: bool = False,
    roll: bool = False,
    mirrored: bool = False,
    adaptation: Adaptation | None = None,
    progress: Callable[[int], None] = lambda pictures: None,
) -> Evaluation:
    """Run a model over one split of a data set.

    Args:
        folder: the model folder.
        faces: the split, with the model's labels in any order, or some of them.
        runtime: "litert" or "keras"; None takes LiteRT if the folder has its file.
        threads: the number of threads for LiteRT.
        framing: also measure the balanced accuracy with each box of ``reframed``.
        roll: also measure what tilted heads cost, as ``measure_tilt`` does.
        mirrored: average each face's scores with those of its mirror image, as Recognizer does.
        adaptation: what is added to the logits for one person; None for nothing.
        progress: called after each batch with the number of pictures in it.

    Raises:
        ModelError: the folder is not a complete model.
        DatasetError: the data set has a label that the model has not.
    """
    if runtime is None:
        runtime = "litert" if (folder / RUNTIMES["litert"]).is_file() else "keras"
    classifier = Classifier(folder, runtime=runtime, threads=threads, adaptation=adaptation)
    card = classifier.card
    faces = faces.with_labels(card.labels)

    def measured(faces: FaceSet) -> Evaluation:
        truth = faces.targets.argmax(axis=1)
        scores = score(classifier, faces, mirrored=mirrored, progress=progress)
        return Evaluation(
            faces.name, runtime, card.labels, truth, scores, faces.groups, min_confidence=card.min_confidence
        )

    evaluation = measured(faces)
    if framing:
        boxes = reframed(faces.box).items()
        left = {change: measured(replace(faces, box=box)).balanced_accuracy for change, box in boxes}
        evaluation = replace(evaluation, reframed=left)
    if roll:
        tilt = measure_tilt(classifier, faces, evaluation.scores, mirrored=mirrored, progress=progress)
        evaluation = replace(evaluation, tilt=tuple(tilt))
    return evaluation


def reframed(box: Box) -> dict[str, Box]:
    """The box as a less exact detector might give it: shifted by SHIFT of its side, and scaled by SCALES.

    Boxes have whole pixels: a shift by 8 % is 5 of FairFace's 64 pixels, 6 of RAF-DB's 70, and 4 of FER2013's 48.
    FER2013's pictures end at the box; a moved box reaches beyond, where the pixels of the edge are repeated.
    """
    dx, dy = round(SHIFT * box.width), round(SHIFT * box.height)
    return {
        "left": box.moved(-dx, 0),
        "right": box.moved(dx, 0),
        "up": box.moved(0, -dy),
        "down": box.moved(0, dy),
        **{f"× {scale:g}": box.padded((scale - 1) / 2) for scale in SCALES},
    }
