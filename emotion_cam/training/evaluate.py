"""Measure a model as people run it: through the run-time's own extract_face and Classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from emotion_cam.classify import RUNTIMES, Classifier
from emotion_cam.errors import DatasetError
from emotion_cam.training.calibration import Bin, expected_calibration_error, reliability
from emotion_cam.training.datasets import FaceSet

BATCH = 64


@dataclass(frozen=True)
class Report:
    """What a model said of a data set, and the usual figures of it.

    Attributes:
        data: the data set and split, as in "fer2013 test".
        runtime: what ran the model, "litert" or "keras".
        labels: the classes.
        truth: int, (pictures,), the index of the true class.
        scores: float32, (pictures, classes), softmax.
    """

    data: str
    runtime: str
    labels: tuple[str, ...]
    truth: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float32]

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
        return float(metrics.balanced_accuracy_score(self.truth, self.predicted))

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
        rounded: dict[str, Any] = _rounded(figures)
        return rounded


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
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Run the model of a folder over a data set.

    Args:
        folder: the model folder.
        faces: one split of a data set, with the model's labels.
        runtime: "litert" or "keras"; None takes LiteRT where the folder has it.
        threads: for LiteRT.
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
    extracted = faces.extracted(card.size, card.margin)
    scores = []
    for start in range(0, len(extracted), BATCH):
        scores.append(classifier(extracted[start : start + BATCH]))
        progress(len(scores[-1]))
    truth = faces.targets.argmax(axis=1)
    return Report(faces.name, runtime, card.labels, truth, np.concatenate(scores))
