"""Predicts one task for the faces of a picture: crops, network, label groups and threshold as one object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotion_cam.adaptation import Adaptation
from emotion_cam.checks import AnyPath
from emotion_cam.preprocess import extract_face, roll_to_correct
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.recognition.groups import Grouping, make_groupings
from emotion_cam.types import Box, ClassMap, Image, Prediction


class TaskPredictor:
    """Predicts one task: ``predictor(image, boxes)`` returns a prediction for each box. Several threads may use it.

    Args:
        folder: the model folder.
        runtime: "litert" or "keras"; see ``Classifier``.
        threads: the number of threads that the network may use.
        min_confidence: the score below which a prediction counts as unsure; None for the one of the model's card.
        grouping: the label groups; None for the model's own labels.
        adaptation: what is added to the logits for one person; None for nothing.

    Attributes:
        task: the card's task.
        labels: the labels of the predictions.
        steady: whether the label of a face stays the same while it is in view, by the card.

    Raises:
        ModelError: the folder is missing, incomplete or inconsistent, or there is no such runtime.
        MissingExtraError: the runtime is Keras, which is not installed.
    """

    def __init__(
        self,
        folder: AnyPath,
        *,
        runtime: str = "litert",
        threads: int = 1,
        min_confidence: float | None = None,
        grouping: Grouping | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        self._classifier = Classifier(folder, runtime=runtime, threads=threads, adaptation=adaptation)
        card = self._classifier.card
        self._min_confidence = card.min_confidence if min_confidence is None else min_confidence
        self._grouping = make_groupings([card.labels], {})[0] if grouping is None else grouping
        self.task = card.task
        self.labels = self._grouping.labels
        self.steady = card.steady

    def __call__(self, image: Image, boxes: Sequence[Box], mirrored: Sequence[bool] | None = None) -> list[Prediction]:
        """Predict the labels of faces, all in one batch.

        Args:
            image: uint8, (height, width, 3), BGR.
            boxes: the places of the faces; they may extend beyond the picture. One with landmarks is turned upright, if
                its roll is at least the ``upright_from`` of the card.
            mirrored: for each face, whether the network gets its mirror image; None for no face.

        Returns:
            A prediction for each box. Class maps are those of the faces as they are, not of their mirror images.
        """
        card = self._classifier.card
        flips = np.zeros(len(boxes), bool) if mirrored is None else np.asarray(mirrored, bool)
        rolls = [roll_to_correct(box, card.upright_from) for box in boxes]
        crops = [extract_face(image, box, card.size, card.margin, roll) for box, roll in zip(boxes, rolls, strict=True)]
        crops = [crop[:, ::-1] if flip else crop for crop, flip in zip(crops, flips, strict=True)]
        scores, maps = self._classifier.with_class_maps(crops)
        class_maps: list[ClassMap | None] = [None] * len(boxes)
        if maps is not None:
            maps[flips] = maps[flips][:, :, ::-1]
            class_maps = [
                ClassMap(values, box.padded(card.margin), roll)
                for values, box, roll in zip(maps, boxes, rolls, strict=True)
            ]
        return [
            self._grouping(Prediction(card.labels, row, self._min_confidence, class_map))
            for row, class_map in zip(scores, class_maps, strict=True)
        ]

    def both(self, image: Image, boxes: Sequence[Box]) -> list[Prediction]:
        """The mean of the predictions for each face and for its mirror image, which is more accurate than either.

        Args and returns as for ``__call__``.
        """
        predictions = self(image, [*boxes, *boxes], [False] * len(boxes) + [True] * len(boxes))
        pairs = zip(predictions[: len(boxes)], predictions[len(boxes) :], strict=True)
        return [plain.mixed(mirrored, 0.5) for plain, mirrored in pairs]
