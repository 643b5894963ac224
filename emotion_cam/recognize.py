"""From a picture to its faces: detector, extract_face, classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emotion_cam.classify import Classifier, shipped_models
from emotion_cam.detect import Detector, HaarDetector
from emotion_cam.errors import ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Face, Image, Prediction


class Recognizer:
    """Finds the faces of a picture and says what each one shows.

    >>> from emotion_cam import Recognizer
    >>> faces = Recognizer()(image)                        # image: uint8 BGR, as OpenCV reads it
    >>> faces[0].predictions["emotion"].label
    'happy'

    Args:
        models: model folders; the shipped ones if none are given.
        detector: finds the boxes; OpenCV's Haar cascade if none is given.
        runtime: what runs the networks, "litert" or "keras".
        threads: how many threads each network may use.

    Raises:
        ModelError: a model folder is missing, incomplete or inconsistent, or two tell the same task.
    """

    def __init__(
        self,
        models: Sequence[Path | str] | None = None,
        *,
        detector: Detector | None = None,
        runtime: str = "litert",
        threads: int = 1,
    ) -> None:
        folders = shipped_models().values() if models is None else [Path(folder) for folder in models]
        self.classifiers = [Classifier(folder, runtime=runtime, threads=threads) for folder in folders]
        tasks = [classifier.card.task for classifier in self.classifiers]
        if len(set(tasks)) < len(tasks):
            raise ModelError(f"Each model needs a task of its own, but these tell {' and '.join(tasks)}.")
        self._detect = detector or HaarDetector()

    def __call__(self, image: Image) -> tuple[Face, ...]:
        """Find and classify the faces.

        Args:
            image: uint8, (height, width, 3), BGR.

        Returns:
            One Face for each face, in the detector's order; none if there is none.
        """
        boxes = self._detect(image)
        predictions: list[dict[str, Prediction]] = [{} for _ in boxes]
        for classifier in self.classifiers:
            card = classifier.card
            scores = classifier([extract_face(image, box, card.size, card.margin) for box in boxes])
            for found, row in zip(predictions, scores, strict=True):
                found[card.task] = Prediction(card.labels, row)
        height, width = image.shape[:2]
        return tuple(Face(box.clipped(width, height), found) for box, found in zip(boxes, predictions, strict=True))
