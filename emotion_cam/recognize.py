"""From a picture to its faces: detector or tracker, extract_face, classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from emotion_cam.classify import Classifier, shipped_models
from emotion_cam.detect import Detector, HaarDetector
from emotion_cam.errors import ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.track import Tracker
from emotion_cam.types import Box, Face, Frame, Image, Prediction


class Recognizer:
    """Finds the faces of a picture and says what each one shows.

    >>> from emotion_cam import Recognizer
    >>> faces = Recognizer()(image)                        # image: uint8 BGR, as OpenCV reads it
    >>> faces[0].predictions["emotion"].label
    'happy'

    For the frames of a camera or a video, ``follow`` is many times quicker, and numbers the faces.

    Args:
        models: model folders; the shipped ones if none are given.
        detector: finds the boxes; OpenCV's Haar cascade if none is given.
        runtime: what runs the networks, "litert" or "keras".
        threads: how many threads each network may use.
        min_confidence: below which score a network is taken to be unsure; what each model's card says if none is given.

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
        min_confidence: float | None = None,
    ) -> None:
        folders = shipped_models().values() if models is None else [Path(folder) for folder in models]
        self.classifiers = [Classifier(folder, runtime=runtime, threads=threads) for folder in folders]
        tasks = [classifier.card.task for classifier in self.classifiers]
        if len(set(tasks)) < len(tasks):
            raise ModelError(f"Each model needs a task of its own, but these tell {' and '.join(tasks)}.")
        self._detect = detector or HaarDetector()
        self._min_confidence = min_confidence

    def __call__(self, image: Image) -> tuple[Face, ...]:
        """Find and classify the faces.

        Args:
            image: uint8, (height, width, 3), BGR.

        Returns:
            One Face for each face, in the detector's order; none if there is none.
        """
        boxes = self._detect(image)
        found = self._classified(image, boxes)
        return tuple(_face(image, box, predictions) for box, predictions in zip(boxes, found, strict=True))

    def follow(self, every: float = 0.2) -> Callable[[Frame], tuple[Face, ...]]:
        """Begin a stream: what is returned takes its frames in order, and gives their faces with their numbers.

        >>> recognize = Recognizer().follow()
        >>> for frame in open_source(camera=0):
        ...     faces = recognize(frame)

        Args:
            every: within how many seconds of the stream the whole picture is searched for new faces; 0: in every frame.

        Raises:
            ValueError: ``every`` is negative.
        """
        track = Tracker(self._detect, every)
        predictions: dict[int, dict[str, Prediction]] = {}

        def recognize(frame: Frame) -> tuple[Face, ...]:
            nonlocal predictions
            tracked = track(frame.image, frame.time)
            # A face that is hidden for a moment still shows what it showed before, and not what hides it.
            seen = [face for face in tracked if face.seen or face.number not in predictions]
            scored = zip(seen, self._classified(frame.image, [face.box for face in seen]), strict=True)
            predictions |= {face.number: found for face, found in scored}
            predictions = {face.number: predictions[face.number] for face in tracked}
            return tuple(_face(frame.image, face.box, predictions[face.number], face.number) for face in tracked)

        return recognize

    def _classified(self, image: Image, boxes: Sequence[Box]) -> list[dict[str, Prediction]]:
        """What every classifier says of each box, by task."""
        predictions: list[dict[str, Prediction]] = [{} for _ in boxes]
        for classifier in self.classifiers:
            card = classifier.card
            scores = classifier([extract_face(image, box, card.size, card.margin) for box in boxes])
            least = card.min_confidence if self._min_confidence is None else self._min_confidence
            for found, row in zip(predictions, scores, strict=True):
                found[card.task] = Prediction(card.labels, row, least)
        return predictions


def _face(image: Image, box: Box, predictions: dict[str, Prediction], track: int | None = None) -> Face:
    return Face(box.clipped(image.shape[1], image.shape[0]), predictions, track)
