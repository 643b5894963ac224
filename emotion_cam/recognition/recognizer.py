"""Recognizes the faces of a picture (``Recognizer``) and of a stream (``Follower``)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from emotion_cam.adaptation import choose_adaptations
from emotion_cam.card import choose_models, read_card
from emotion_cam.checks import AnyPath, as_names, as_paths, check_count, check_number
from emotion_cam.defaults import SEARCH_EVERY, SMOOTH
from emotion_cam.detect.base import Detector
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.pictures import as_bgr
from emotion_cam.recognition.groups import make_groupings
from emotion_cam.recognition.predictor import TaskPredictor
from emotion_cam.recognition.tracker import MEMORY, Tracked, Tracker
from emotion_cam.types import Box, Face, Image, Prediction, landmarks_of


class Recognizer:
    """Finds the faces of a picture and predicts labels for each: ``recognizer(image)``.

    >>> from emotion_cam import Recognizer
    >>> recognizer = Recognizer()
    >>> recognizer.tasks
    ('emotion', 'gender')
    >>> faces = recognizer(image)
    >>> faces[0].predictions["emotion"].label
    'happy'

    For the frames of a camera or a video use ``follow``: it is many times faster, and gives each face a number.

    Several threads may use one Recognizer at the same time, and each of its followers in a thread of its own. They run
    in parallel; each thread takes a few megabytes. A ``detector`` of your own must be safe in the same way.

    Args:
        models: model folders, or one. Each takes the place of the shipped model of the same task, or adds a task.
        without: tasks to leave out, or one; their models are not loaded.
        detector: finds the boxes; OpenCV's Haar cascade by default. ``open_detector`` opens others.
        runtime: what runs the networks, "litert" or "keras".
        threads: the number of threads that each network may use.
        min_confidence: the score below which a prediction counts as unsure, in [0, 1]; by default the one of each
            model's card.
        groups: labels under a common name, as in ``{"positive": ["happy", "surprise"]}``; their scores are summed.
        adapt: files of `emotion-cam adapt`, or one: each adapts the model of its task to one person.

    Raises:
        ModelError: a model folder is missing, incomplete or inconsistent, two are for the same task, or there is no
            such runtime or no model for a task to leave out, or a file of ``adapt`` does not fit its model.
        GroupError: the groups do not fit the models' labels.
        DetectorError: no detector is given, and this OpenCV has no cascades.
        MissingExtraError: the runtime is Keras, which is not installed.
        TypeError, ValueError: an argument is of a wrong type or out of range.
    """

    def __init__(
        self,
        models: AnyPath | Sequence[AnyPath] | None = None,
        *,
        without: str | Collection[str] = (),
        detector: Detector | None = None,
        runtime: str = "litert",
        threads: int = 1,
        min_confidence: float | None = None,
        groups: Mapping[str, str | Sequence[str]] | None = None,
        adapt: AnyPath | Sequence[AnyPath] | None = None,
    ) -> None:
        if detector is not None and not callable(detector):
            raise TypeError(f"`detector` must be a detector, as open_detector opens it, not {detector!r}.")
        check_count(threads, "threads")
        if min_confidence is not None:
            check_number(
                min_confidence, "min_confidence", "is a score: it must be in [0, 1]", lambda score: 0 <= score <= 1
            )
        folders = choose_models(() if models is None else models, without)
        named = {name: as_names(labels, "groups") for name, labels in (groups or {}).items()}
        groupings = make_groupings([read_card(folder).labels for folder in folders], named)
        adaptations = choose_adaptations(as_paths(adapt, "adapt"), folders)
        self._predictors = [
            TaskPredictor(
                folder,
                runtime=runtime,
                threads=threads,
                min_confidence=min_confidence,
                grouping=grouping,
                adaptation=adaptation,
            )
            for folder, grouping, adaptation in zip(folders, groupings, adaptations, strict=True)
        ]
        self._detector = HaarDetector() if detector is None else detector

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are predicted for each face, in the order of ``Face.predictions``."""
        return tuple(self.labels)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The labels of each task, in the order of ``Face.predictions``."""
        return {predictor.task: predictor.labels for predictor in self._predictors}

    @property
    def finds_landmarks(self) -> bool:
        """Whether the detector finds landmarks, so that ``Face.landmarks`` is there."""
        return bool(getattr(self._detector, "finds_landmarks", False))

    def __call__(self, image: Image) -> tuple[Face, ...]:
        """Recognize the faces of a picture. Each prediction is the mean of those for the face and its mirror image.

        Args:
            image: uint8, (height, width, 3), BGR, as OpenCV reads it. A gray picture, one with transparency, one of
                Pillow, and numbers of other types are converted; ``pictures.as_picture`` has the rules.

        Returns:
            The faces in the order of the detector, which is largest first; empty if there are none.

        Raises:
            TypeError, ValueError: ``image`` is not a picture.
            ModelError: a network cannot be run: its file is damaged.
        """
        image = as_bgr(image)
        boxes = self._detector(image)
        by_task = {predictor.task: predictor.both(image, boxes) for predictor in self._predictors}
        return tuple(
            _face(image, box, {task: predictions[index] for task, predictions in by_task.items()})
            for index, box in enumerate(boxes)
        )

    def follow(self, every: float = SEARCH_EVERY, smooth: float = SMOOTH, *, live: bool = False) -> Follower:
        """Start a stream, whose frames the Follower takes in order.

        Args:
            every: the seconds of the stream within which the whole picture is searched for new faces; 0 searches every
                frame in full.
            smooth: the seconds of the stream over which each face's scores are averaged; 0 gives every frame's own.
            live: whether frames are taken as fast as they are processed, as from a camera. On a slow machine a search
                is then spread over more time.

        Raises:
            TypeError, ValueError: ``every`` or ``smooth`` is not a number, or negative.
        """
        return Follower(self._predictors, Tracker(self._detector, every, live=live), smooth)


class Follower:
    """Recognizes the faces of a stream, frame by frame in order: ``follower(image, time)``. ``Recognizer.follow`` makes
    it.

    >>> from emotion_cam import Recognizer, open_source
    >>> follower = Recognizer().follow()
    >>> tracks = set()
    >>> with open_source(video=clip) as source:
    ...     for frame in source:
    ...         tracks |= {face.track for face in follower(frame.image, frame.time)}
    >>> tracks
    {1}

    Each face keeps its number while it is in view, and its scores are averages over time. The networks get the face and
    its mirror image in alternation: on average this is as accurate as both in each frame, and takes half the time. A
    steady task, such as gender, is predicted ten times a second and averaged over ten seconds. A face that is hidden
    for a moment keeps its predictions.

    A stream has an order, so one thread at a time may use a follower. Several followers of one Recognizer may run at
    the same time.
    """

    STEADY_INTERVAL = 0.1
    """Seconds between two predictions of a steady task for the same face."""

    STEADY_SMOOTH = 10.0
    """Seconds over which the scores of a steady task are averaged."""

    def __init__(self, predictors: Sequence[TaskPredictor], tracker: Tracker, smooth: float) -> None:
        check_number(smooth, "smooth", "is a time in seconds: it must be at least 0", lambda seconds: seconds >= 0)
        self._predictors = predictors
        self._tracker = tracker
        self._smooth = smooth
        self._averages: dict[int, dict[str, _Average]] = {}

    @property
    def every(self) -> float:
        """The seconds of the stream within which the whole picture is searched; it may be changed between frames."""
        return self._tracker.every

    @every.setter
    def every(self, every: float) -> None:
        self._tracker.every = every

    def __call__(self, image: Image, time: float) -> tuple[Face, ...]:
        """Recognize the faces of the next frame.

        Args:
            image: uint8, (height, width, 3), BGR; other pictures are converted as by ``Recognizer``.
            time: the frame's time in the stream, in seconds.

        Returns:
            The faces, ordered by their track numbers; empty if there are none.

        Raises:
            TypeError, ValueError: ``image`` is not a picture, or ``time`` not a finite number.
            ModelError: a network cannot be run: its file is damaged.
        """
        image = as_bgr(image)
        check_number(time, "time", "is a time in seconds: it must be finite", math.isfinite)
        tracked = self._tracker(image, time)
        to_predict = [face for face in tracked if face.detected or face.number not in self._averages]
        for face in to_predict:
            self._averages.setdefault(face.number, {})
        for predictor in self._predictors:
            self._predict(predictor, to_predict, image, time)
        faces = tuple(
            _face(image, face.box, {task: a.mean for task, a in self._averages[face.number].items()}, face.number)
            for face in tracked
        )
        self._forget(time)
        return faces

    def _predict(self, predictor: TaskPredictor, faces: Sequence[Tracked], image: Image, time: float) -> None:
        """Add a prediction to the average of each face for which one is due."""
        interval, smooth = 0.0, self._smooth
        if predictor.steady and self._smooth:
            interval, smooth = self.STEADY_INTERVAL, self.STEADY_SMOOTH
        averages = [self._averages[face.number].setdefault(predictor.task, _Average(smooth)) for face in faces]
        due = [
            (face.box, average)
            for face, average in zip(faces, averages, strict=True)
            if not 0 <= time - average.time < interval
        ]
        boxes = [box for box, _ in due]
        if self._smooth:
            predictions = predictor(image, boxes, mirrored=[average.count % 2 == 1 for _, average in due])
        else:
            predictions = predictor.both(image, boxes)
        for (_, average), prediction in zip(due, predictions, strict=True):
            average.add(prediction, time)

    def _forget(self, time: float) -> None:
        """Drop the averages of faces whose numbers cannot return."""
        self._averages = {
            number: averages
            for number, averages in self._averages.items()
            if any(abs(time - average.time) <= MEMORY for average in averages.values())
        }


class _Average:
    """The average of one face's predictions of one task over the last seconds.

    Attributes:
        mean: the average, at the place of the latest prediction.
        time: the time of the latest prediction in seconds; -inf before the first.
        count: the number of predictions.
    """

    mean: Prediction

    def __init__(self, smooth: float) -> None:
        self._smooth = smooth
        self.time = -math.inf
        self.count = 0

    def add(self, prediction: Prediction, time: float) -> None:
        self.count += 1
        share = 1 / self.count
        if self.count > 1:
            # The mean age of an exponential average is its time constant; of one over a window, half of the window.
            elapsed = max(0.0, time - self.time)
            share = max(share, -math.expm1(-2 * elapsed / self._smooth)) if self._smooth else 1.0
            prediction = prediction.mixed(self.mean, share)
        self.mean, self.time = prediction, time


def _face(image: Image, box: Box, predictions: dict[str, Prediction], track: int | None = None) -> Face:
    return Face(box.clipped(image.shape[1], image.shape[0]), predictions, track, landmarks_of(box))
