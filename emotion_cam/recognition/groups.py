"""Groups labels under a common name, with the sum of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import GroupError
from emotion_cam.types import Prediction


@dataclass(frozen=True)
class Grouping:
    """The groups of one model: ``grouping(prediction)`` gives the prediction with groups in place of labels.

    Attributes:
        labels: the new labels. A group stands where the first of its labels stood; a label without a group stays.
        membership: float32, (labels of the model, new labels): 1 where a label belongs to a new label, else 0.
    """

    labels: tuple[str, ...]
    membership: npt.NDArray[np.float32]

    def __call__(self, prediction: Prediction) -> Prediction:
        """Convert a model's prediction to the new labels.

        The class map of a group is the mean of its labels' maps, weighted by their scores: the logit of a sum of
        softmax scores is the logarithm of the sum of exponentials, and its gradient has these weights.
        """
        if len(self.labels) == len(prediction.labels):
            return replace(prediction, labels=self.labels)
        scores = prediction.scores @ self.membership
        class_map = prediction.class_map
        if class_map is not None:
            weights = prediction.scores[:, None] * self.membership / np.maximum(scores, np.finfo(np.float32).tiny)
            class_map = replace(class_map, values=class_map.values @ weights)
        return replace(prediction, labels=self.labels, scores=scores, class_map=class_map)


def make_groupings(models: Sequence[Sequence[str]], groups: Mapping[str, Sequence[str]]) -> list[Grouping]:
    """Divide groups among models.

    Args:
        models: the labels of each model.
        groups: the labels of each group by its name. A group applies to every model that has all of its labels.

    Returns:
        The grouping of each model.

    Raises:
        GroupError: no model has all labels of a group, a label is in two groups, or a group has the name of a label
            that is in no group.
    """
    known = f"the labels are {'; '.join(', '.join(labels) for labels in models) or 'none'}."
    for name, members in groups.items():
        if not any(members and set(members) <= set(labels) for labels in models):
            unknown = [f"“{label}”" for label in members if not any(label in labels for labels in models)]
            problem = f"has {', '.join(unknown)}, which no model predicts" if unknown else "needs labels of one model"
            raise GroupError(f"The group “{name}” {problem}; {known}")
    return [
        _make_grouping(
            labels, {name: members for name, members in groups.items() if set(members) <= set(labels)}, known
        )
        for labels in models
    ]


def _make_grouping(labels: Sequence[str], groups: Mapping[str, Sequence[str]], known: str) -> Grouping:
    group_of: dict[str, str] = {}
    for name, members in groups.items():
        for label in members:
            if group_of.setdefault(label, name) != name:
                raise GroupError(f"“{label}” is in two groups, “{group_of[label]}” and “{name}”; {known}")
    for name in groups:
        if name in labels and name not in group_of:
            raise GroupError(f"A group cannot have the name “{name}” while that label is in no group; {known}")
    renamed = [group_of.get(label, label) for label in labels]
    new_labels = tuple(dict.fromkeys(renamed))
    return Grouping(new_labels, np.array([[name == new for name in new_labels] for new in renamed], np.float32))
