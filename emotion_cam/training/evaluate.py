"""Measure a model as people run it: through the run-time's own extract_face and Classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from emotion_cam.recognition.classifier import RUNTIMES, Classifier
from emotion_cam.errors import DatasetError
from emotion_cam.training.calibration import Bin, expected_calibration_error, reliability
from emotion_cam.training.datasets import FaceSet
from emotion_cam.types import Box

BATCH = 64

SHIFT = 0.08
"""How far the box is shifted when framing is measured, as a share of its side."""

SCALES = (0.85, 1.15)
"""By what the box's side is multiplied when framing is measured."""


@dataclass(frozen=True)
class Report:
    """What a model said of a data set, and the usual figures of it.

    Attributes:
        data: the data set and split, as in "fer2013 test".
        runtime: what ran the model, "litert" or "keras".
        labels: the classes.
        truth: int, (pictures,), the index of the true class.
        scores: float32, (pictures, classes), softmax.
        groups: by kind of group ("race", "age") a str array, (pictures,): to which group each picture belongs, "" where
            that is not known.
        framing: by what was done to the box, the balanced accuracy that was left; empty if this was not measured.
        min_confidence: below which score the model calls itself unsure.
    """

    data: str
    runtime: str
    labels: tuple[str, ...]
    truth: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float32]
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    framing: Mapping[str, float] = field(default_factory=dict)
    min_confidence: float = 0.0

    @cached_property
    def predicted(self) -> npt.NDArray[np.intp]:
        return np.asarray(self.scores.argmax(axis=1))

    @cached_property
    def accuracy(self) -> float:
        """Share of pictures whose most likely class is the true one."""
        return float(metrics.accuracy_score(self.truth, self.predicted))

    @cached_property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the share that was recognised, so that rare classes count as much."""
        return float(np.mean([row["recall"] for row in self.per_class if row["pictures"]]))

    @cached_property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts, (true class, predicted class)."""
        return np.asarray(metrics.confusion_matrix(self.truth, self.predicted, labels=range(len(self.labels))))

    @cached_property
    def per_class(self) -> list[dict[str, Any]]:
        """Label, precision, recall, F1 and number of pictures of each class."""
        columns = metrics.precision_recall_fscore_support(
            self.truth, self.predicted, labels=range(len(self.labels)), zero_division=0
        )
        names = ("precision", "recall", "f1", "pictures")
        return [
            {"label": label, **{name: value.item() for name, value in zip(names, row, strict=True)}}
            for label, *row in zip(self.labels, *columns, strict=True)
        ]

    @cached_property
    def per_group(self) -> dict[str, list[dict[str, Any]]]:
        """For each kind of group of which any is known, the groups by name or age: pictures, accuracy, balanced
        accuracy, and the share of each class that was recognised, None where the group has no picture of it.
        """
        return {
            kind: [
                {"group": group, **self._of(values == group)}
                for group in sorted(set(values.tolist()) - {""}, key=_order)
            ]
            for kind, values in self.groups.items()
            if values.any()
        }

    def _of(self, rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
        part = replace(self, truth=self.truth[rows], scores=self.scores[rows], groups={})
        return {
            "pictures": len(part.truth),
            "accuracy": part.accuracy,
            "balanced_accuracy": part.balanced_accuracy,
            "recall": {row["label"]: row["recall"] if row["pictures"] else None for row in part.per_class},
        }

    @cached_property
    def sure(self) -> dict[str, float]:
        """The share of pictures of which the model is sure, and its accuracy on these."""
        sure = self.scores.max(axis=1) >= self.min_confidence
        right = self.predicted == self.truth
        return {"coverage": float(sure.mean()), "accuracy": float(right[sure].mean()) if sure.any() else 0.0}

    @cached_property
    def reliability(self) -> list[Bin]:
        """The bins of the top score, with what was really right in each."""
        return reliability(self.scores, self.truth)

    @cached_property
    def calibration_error(self) -> float:
        """Expected calibration error, in [0, 1]."""
        return expected_calibration_error(self.reliability)

    def as_dict(self) -> dict[str, Any]:
        """The figures, rounded to four places, as they are written to JSON."""
        figures: dict[str, Any] = {
            "data": self.data,
            "runtime": self.runtime,
            "pictures": len(self.truth),
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "calibration": {"error": self.calibration_error, "bins": [asdict(b) for b in self.reliability]},
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
        }
        if self.min_confidence:
            figures["sure"] = {"min_confidence": self.min_confidence, **self.sure}
        if self.per_group:
            figures["groups"] = {kind: _with_worst(groups) for kind, groups in self.per_group.items()}
        if self.framing:
            figures["framing"] = _with_losses(self.framing, self.balanced_accuracy)
        rounded: dict[str, Any] = _rounded(figures)
        return rounded


def _order(group: str) -> tuple[int, str]:
    """Ages in their order, "3-9" before "10-19" before "more than 70", and other groups by name."""
    youngest, _, _ = group.partition("-")
    return (int(youngest) if youngest.isdigit() else 1000, group)


def _with_worst(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Groups, and how far the worst lies below their mean, by balanced accuracy; every group counts as much."""
    mean = float(np.mean([group["balanced_accuracy"] for group in groups]))
    worst = min(groups, key=lambda group: float(group["balanced_accuracy"]))
    return {
        "groups": groups,
        "mean": mean,
        "worst": worst["group"],
        "worst_below_mean": mean - worst["balanced_accuracy"],
    }


def _with_losses(framing: Mapping[str, float], unmoved: float) -> dict[str, Any]:
    """What each change of the box cost in balanced accuracy; negative where it helped."""
    losses = {change: unmoved - left for change, left in framing.items()}
    return {
        "changes": [
            {"box": change, "balanced_accuracy": left, "loss": losses[change]} for change, left in framing.items()
        ],
        "mean_loss": float(np.mean(list(losses.values()))),
        "worst_loss": max(losses.values()),
    }


def _rounded(figures: Any) -> Any:
    """Every float in lists and dictionaries, to four places."""
    if isinstance(figures, dict):
        return {key: _rounded(value) for key, value in figures.items()}
    if isinstance(figures, list):
        return [_rounded(value) for value in figures]
    return round(figures, 4) if isinstance(figures, float) else figures


def evaluate(
    folder: Path,
    faces: FaceSet,
    *,
    runtime: str | None = None,
    threads: int = 1,
    framing: bool = False,
    mirrored: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Run the model of a folder over a data set.

    Args:
        folder: the model folder.
        faces: one split of a data set, with the model's labels.
        runtime: "litert" or "keras"; None takes LiteRT where the folder has it.
        threads: for LiteRT.
        framing: measure too what is left when the box is moved and scaled as in ``reframed``.
        mirrored: take the mean of every face's scores and its mirror image's, as Recognizer does.
        progress: called with the number of pictures after each batch.

    Raises:
        ModelError: the folder is not a whole model.
        DatasetError: the data set's labels are not the model's.
    """
    if runtime is None:
        runtime = "litert" if (folder / RUNTIMES["litert"]).is_file() else "keras"
    classifier = Classifier(folder, runtime=runtime, threads=threads)
    card = classifier.card
    if card.labels != faces.labels:
        raise DatasetError(
            f"{faces.name} has the labels {', '.join(faces.labels)}, but {folder} tells {', '.join(card.labels)}."
        )

    def report(faces: FaceSet) -> Report:
        truth = faces.targets.argmax(axis=1)
        scores = _scores(classifier, faces, mirrored, progress)
        return Report(faces.name, runtime, card.labels, truth, scores, faces.groups, min_confidence=card.min_confidence)

    unmoved = report(faces)
    if not framing:
        return unmoved
    boxes = reframed(faces.box)
    return replace(
        unmoved,
        framing={name: report(replace(faces, box=box)).balanced_accuracy for name, box in boxes.items()},
    )


def _scores(
    classifier: Classifier, faces: FaceSet, mirrored: bool, progress: Callable[[int], None]
) -> npt.NDArray[np.float32]:
    extracted = faces.extracted(classifier.card.size, classifier.card.margin)
    scores = []
    for start in range(0, len(extracted), BATCH):
        batch = extracted[start : start + BATCH]
        sides = [batch, [face[:, ::-1] for face in batch]] if mirrored else [batch]
        scores.append(np.mean([classifier(faces) for faces in sides], axis=0))
        progress(len(batch))
    return np.concatenate(scores)


def reframed(box: Box) -> dict[str, Box]:
    """The box as less lucky detectors would have it: shifted by SHIFT of its side, and scaled by SCALES.

    Boxes have whole pixels, so a shift by 8 % is one by 5 of FairFace's 64 pixels, 6 of RAF-DB's 70, 4 of FER2013's 48.
    FER2013's pictures end where the box does: what a moved box takes in there is the picture's edge, repeated.
    """
    dx, dy = round(SHIFT * box.width), round(SHIFT * box.height)
    return {
        "left": box.moved(-dx, 0),
        "right": box.moved(dx, 0),
        "up": box.moved(0, -dy),
        "down": box.moved(0, dy),
        **{f"× {scale:g}": box.padded((scale - 1) / 2) for scale in SCALES},
    }
