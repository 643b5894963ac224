"""Scores a data set as a run would: through the same extract_face and Classifier. Needs no extra."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.datasets import FaceSet
from emotion_cam.types import Scores

BATCH = 64
"""How many faces are scored at once."""


def score(
    classifier: Classifier,
    faces: FaceSet,
    *,
    rolls: Sequence[float] | npt.NDArray[np.float64] | None = None,
    mirrored: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
) -> Scores:
    """The scores of every face of a data set.

    Args:
        classifier: the model.
        faces: the pictures.
        rolls: by how many degrees to turn each crop back; see ``extract_face``. None for not at all.
        mirrored: average each face's scores with those of its mirror image, as Recognizer does.
        progress: called after each batch with the number of pictures in it.

    Returns:
        float32, (pictures, labels), each row a softmax.
    """
    extracted = faces.extracted(classifier.card.size, classifier.card.margin, rolls)
    scores = []
    for start in range(0, len(extracted), BATCH):
        batch = extracted[start : start + BATCH]
        views = [batch, [face[:, ::-1] for face in batch]] if mirrored else [batch]
        scores.append(np.mean([classifier(view) for view in views], axis=0))
        progress(len(batch))
    return np.concatenate(scores)
