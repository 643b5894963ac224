"""From a picture to its faces: detector or tracker, extract_face, classifiers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emotion_cam.recognition.classifier import Classifier, shipped_models
from emotion_cam.detect import Detector, HaarDetector
from emotion_cam.errors import ModelError
from emotion_cam.recognition.groups import groupings
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.tracker import MEMORY, Tracked, Tracker
from emotion_cam.types import Box, ClassMap, Face, Frame, Image, Prediction


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
        groups: by name the labels that go under it, as in {"positive": ["happy", "surprise"]}; their scores are summed.

    Raises:
        ModelError: a model folder is missing, incomplete or inconsistent, or two tell the same task.
        GroupError: the groups do not fit the models' labels.
    """

    def __init__(
        self,
        models: Sequence[Path | str] | None = None,
        *,
        detector: Detector | None = None,
        runtime: str = "litert",
        threads: int = 1,
        min_confidence: float | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        folders = shipped_models().values() if models is None else [Path(folder) for folder in models]
        self.classifiers = [Classifier(folder, runtime=runtime, threads=threads) for folder in folders]
        tasks = [classifier.card.task for classifier in self.classifiers]
        if len(set(tasks)) < len(tasks):
            raise ModelError(f"Each model needs a task of its own, but these tell {' and '.join(tasks)}.")
        grouped = groupings([classifier.card.labels for classifier in self.classifiers], groups or {})
        self._groupings = dict(zip(tasks, grouped, strict=True))
        self._detect = detector or HaarDetector()
        self._min_confidence = min_confidence

    def __call__(self, image: Image) -> tuple[Face, ...]:
        """Find and classify the faces; what is told of each is the mean of it and its mirror image.

        Args:
            image: uint8, (height, width, 3), BGR.

        Returns:
            One Face for each face, in the detector's order; none if there is none.
        """
        boxes = self._detect(image)
        predictions: list[dict[str, Prediction]] = [{} for _ in boxes]
        for classifier in self.classifiers:
            for found, prediction in zip(predictions, self.predict_from_both(classifier, image, boxes), strict=True):
                found[classifier.card.task] = prediction
        return tuple(_face(image, box, found) for box, found in zip(boxes, predictions, strict=True))

    def follow(self, every: float = 0.2, smooth: float = 0.5) -> Follower:
        """Begin a stream: what is returned takes its frames in order, and gives their faces with their numbers.

        >>> recognize = Recognizer().follow()
        >>> for frame in open_source(camera=0):
        ...     faces = recognize(frame)

        Args:
            every: within how many seconds of the stream the whole picture is searched for new faces; 0: in every frame.
            smooth: over how many seconds of the stream each face's scores are averaged; 0 for every frame's own.

        Raises:
            ValueError: ``every`` or ``smooth`` is negative.
        """
        return Follower(self, Tracker(self._detect, every), smooth)

    def predict(
        self, classifier: Classifier, image: Image, boxes: Sequence[Box], mirrored: Sequence[bool] | None = None
    ) -> list[Prediction]:
        """What one of the classifiers says of faces that were found already, all in one batch.

        Args:
            classifier: one of ``classifiers``.
            image: uint8, (height, width, 3), BGR.
            boxes: where the faces are; they may reach over the edge of the picture.
            mirrored: for each face whether to show the network its mirror image; none of them if this is not given.
        """
        card = classifier.card
        least = card.min_confidence if self._min_confidence is None else self._min_confidence
        faces = [extract_face(image, box, card.size, card.margin) for box in boxes]
        turned = np.zeros(len(boxes), bool) if mirrored is None else np.asarray(mirrored, bool)
        scores, maps = classifier.explain(
            [face[:, ::-1] if turn else face for face, turn in zip(faces, turned, strict=True)]
        )
        if maps is not None:
            maps[turned] = maps[turned][:, :, ::-1]
        seen = [box.padded(card.margin) for box in boxes]
        class_maps = [None] * len(boxes) if maps is None else map(ClassMap, maps, seen)
        told = [Prediction(card.labels, row, least, found) for row, found in zip(scores, class_maps, strict=True)]
        return [self._groupings[card.task](prediction) for prediction in told]

    def predict_from_both(self, classifier: Classifier, image: Image, boxes: Sequence[Box]) -> list[Prediction]:
        """As ``predict``, but the mean of what is said of a face and of its mirror image, which is right more often."""
        mirrored = [False] * len(boxes) + [True] * len(boxes)
        told = self.predict(classifier, image, [*boxes, *boxes], mirrored)
        return [one.mixed(other, 0.5) for one, other in zip(told[: len(boxes)], told[len(boxes) :], strict=True)]


class Follower:
    """Says what the faces of a stream's frames show, frame by frame in order: ``follow(frame)``.

    Every face has a number while it is in view, and scores that are averages over time, of that face alone. The
    networks see it and its mirror image by turns, which in an average is as good as both, and takes half as long. What
    stays the same while a face is in view, as its card says of a model, is asked for ten times a second and
    averaged over ten seconds. A face that is hidden for a moment still shows what it showed before, and not what hides
    it.
    """

    STEADY_EVERY = 0.1
    STEADY_WINDOW = 10.0

    def __init__(self, recognizer: Recognizer, tracker: Tracker, smooth: float) -> None:
        if not smooth >= 0:
            raise ValueError(f"smooth is a time in seconds, at least 0, not {smooth}")
        self._recognizer = recognizer
        self._track = tracker
        self._smooth = smooth
        self._averages: dict[int, dict[str, _Average]] = {}

    def __call__(self, frame: Frame) -> tuple[Face, ...]:
        """Find and classify the faces of the next frame; they come in the order of their numbers."""
        tracked = self._track(frame.image, frame.time)
        seen = [face for face in tracked if face.seen or face.number not in self._averages]
        for face in seen:
            self._averages.setdefault(face.number, {})
        for classifier in self._recognizer.classifiers:
            self._classify(classifier, seen, frame)
        faces = tuple(
            _face(frame.image, face.box, {task: a.mean for task, a in self._averages[face.number].items()}, face.number)
            for face in tracked
        )
        self._forget(frame.time)
        return faces

    def _classify(self, classifier: Classifier, faces: Sequence[Tracked], frame: Frame) -> None:
        """Take the scores of those faces into their averages for whom it is time."""
        task, pause, window = classifier.card.task, 0.0, self._smooth
        if classifier.card.steady and self._smooth:
            pause, window = self.STEADY_EVERY, self.STEADY_WINDOW
        averages = [self._averages[face.number].setdefault(task, _Average(window)) for face in faces]
        due = [
            (face, average)
            for face, average in zip(faces, averages, strict=True)
            if not 0 <= frame.time - average.time < pause
        ]
        boxes = [face.box for face, _ in due]
        if self._smooth:
            mirrored = [average.count % 2 == 1 for _, average in due]
            predictions = self._recognizer.predict(classifier, frame.image, boxes, mirrored)
        else:
            predictions = self._recognizer.predict_from_both(classifier, frame.image, boxes)
        for (_, average), prediction in zip(due, predictions, strict=True):
            average.add(prediction, frame.time)

    def _forget(self, seconds: float) -> None:
        """Let go of faces whose numbers do not come back."""
        self._averages = {
            number: averages
            for number, averages in self._averages.items()
            if any(abs(seconds - average.time) <= MEMORY for average in averages.values())
        }


class _Average:
    """A prediction averaged over about so many seconds; ``mean`` at the ``time`` of the latest, of ``count`` so far."""

    mean: Prediction

    def __init__(self, window: float) -> None:
        self.time = -math.inf
        self._window = window
        self.count = 0

    def add(self, prediction: Prediction, seconds: float) -> None:
        self.count += 1
        share = 1 / self.count
        if self.count > 1:
            # An exponential average is as old, in the mean, as one over a window of twice its time constant.
            elapsed = max(0.0, seconds - self.time)
            share = max(share, -math.expm1(-2 * elapsed / self._window)) if self._window else 1.0
            prediction = prediction.mixed(self.mean, share)
        self.mean, self.time = prediction, seconds


def _face(image: Image, box: Box, predictions: dict[str, Prediction], track: int | None = None) -> Face:
    return Face(box.clipped(image.shape[1], image.shape[0]), predictions, track)
