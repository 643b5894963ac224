"""Fewer or other classes: labels that go under a common name, whose scores are summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import GroupError
from emotion_cam.types import Prediction


@dataclass(frozen=True)
class Grouping:
    """What a network tells once some of its labels go under a common name: ``grouping(prediction)``.

    Attributes:
        labels: the classes; a group stands where the first of its labels stood, and what is in no group stays.
        sums: float32, (labels of the network, classes): 1 where a label goes into a class, else 0.
    """

    labels: tuple[str, ...]
    sums: npt.NDArray[np.float32]

    def __call__(self, prediction: Prediction) -> Prediction:
        """The network's own prediction in terms of the classes.

        The class activation map of a group is the mean of its labels' maps weighted by their scores: a sum of softmax
        scores has the logarithm of the summed exponentials for its logit, and these weights for that one's gradient.
        """
        if len(self.labels) == len(prediction.labels):
            return replace(prediction, labels=self.labels)
        scores = prediction.scores @ self.sums
        class_map = prediction.class_map
        if class_map is not None:
            weights = prediction.scores[:, None] * self.sums / np.maximum(scores, np.finfo(np.float32).tiny)
            class_map = replace(class_map, values=class_map.values @ weights)
        return replace(prediction, labels=self.labels, scores=scores, class_map=class_map)


def groupings(models: Sequence[Sequence[str]], groups: Mapping[str, Sequence[str]]) -> list[Grouping]:
    """How groups change what each of several models tells.

    Args:
        models: the labels of each model.
        groups: by name the labels of each group, all of which one model tells; it applies to every model that does.

    Raises:
        GroupError: no model tells the labels of a group, one is in two groups, or a name is a label that stays.
    """
    told = f"the labels are {'; '.join(', '.join(labels) for labels in models) or 'none'}."
    known = {label for labels in models for label in labels}
    for name, members in groups.items():
        if not any(members and set(members) <= set(labels) for labels in models):
            unknown = [f"“{label}”" for label in members if label not in known]
            why = f"has {', '.join(unknown)}, which no model tells" if unknown else "needs labels of one model"
            raise GroupError(f"The group “{name}” {why}; {told}")
    return [
        _grouping(labels, {name: members for name, members in groups.items() if set(members) <= set(labels)}, told)
        for labels in models
    ]


def _grouping(labels: Sequence[str], groups: Mapping[str, Sequence[str]], told: str) -> Grouping:
    group_of: dict[str, str] = {}
    for name, members in groups.items():
        for label in members:
            if group_of.setdefault(label, name) != name:
                raise GroupError(f"“{label}” is in two groups, “{group_of[label]}” and “{name}”; {told}")
    for name in groups:
        if name in labels and name not in group_of:
            raise GroupError(f"A group cannot be called “{name}” while that label is in no group; {told}")
    renamed = [group_of.get(label, label) for label in labels]
    classes = tuple(dict.fromkeys(renamed))
    return Grouping(classes, np.array([[name == new for name in classes] for new in renamed], np.float32))
