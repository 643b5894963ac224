"""What is recorded of a run for its report: each face's scores over time, and thumbnails of its strongest moments.

No frame is kept. A face in a frame takes about 70 bytes with the shipped models, a thumbnail a few kilobytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.types import Box, Face, Frame, Image, Prediction, Scores

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

THUMBNAIL = 160
"""The most pixels of a thumbnail's longer side."""

_MARGIN = 0.2  # around the face in a thumbnail, as a share of the box's side


@dataclass
class Moment:
    """When one label of a face had its highest score so far, as the most likely label.

    Attributes:
        source: the name of the frame's source.
        index: the frame's number in its source.
        time: the frame's time in seconds.
        box: the face's box in pixels.
        score: the label's score, in [0, 1].
        thumbnail: the face as a small JPEG file; None if the frame's picture was not available.
    """

    source: str
    index: int
    time: float
    box: Box
    score: float
    thumbnail: bytes | None = None


@dataclass
class TaskHistory:
    """The predictions of one task for one face, in order.

    Attributes:
        name: the task.
        labels: its labels.
        moments: the strongest moment of each label that was ever the most likely one, by the label's index.
    """

    name: str
    labels: tuple[str, ...]
    moments: dict[int, Moment] = field(default_factory=dict)
    _positions: array[int] = field(default_factory=lambda: array("l"))
    _scores: array[float] = field(default_factory=lambda: array("f"))
    _tops: array[int] = field(default_factory=lambda: array("h"))

    def add(self, position: int, prediction: Prediction) -> int | None:
        """Add the prediction for the frame at a position; returns the index of its label, None if it is unsure."""
        top = int(np.argmax(prediction.scores)) if prediction.is_sure else None
        self._positions.append(position)
        self._scores.extend(prediction.scores.tolist())
        self._tops.append(len(self.labels) if top is None else top)
        return top

    @property
    def positions(self) -> Indices:
        """The position of each prediction's frame, (predictions,)."""
        return np.array(self._positions, np.intp)

    @property
    def scores(self) -> Scores:
        """The scores of each prediction, (predictions, labels)."""
        return np.array(self._scores, np.float32).reshape(-1, len(self.labels))

    @property
    def tops(self) -> Indices:
        """The index of each prediction's label, (predictions,); the number of labels where it is unsure."""
        return np.array(self._tops, np.intp)


@dataclass
class FaceHistory:
    """One tracked face in one source; or all faces without a track number together.

    Attributes:
        positions: the positions of the frames that it was in.
        tasks: its predictions, by the task and its labels.
    """

    positions: array[int] = field(default_factory=lambda: array("l"))
    tasks: dict[tuple[str, tuple[str, ...]], TaskHistory] = field(default_factory=dict)

    def add(self, position: int, face: Face, source: str, index: int, time: float, image: Image | None) -> None:
        """Add the face as it is in the frame at a position; the other arguments are those of ``History.add``."""
        self.positions.append(position)
        for name, prediction in face.predictions.items():
            key = name, prediction.labels
            task = self.tasks.get(key) or self.tasks.setdefault(key, TaskHistory(*key))
            top = task.add(position, prediction)
            if top is None:
                continue
            best = task.moments.get(top)
            if best is None or prediction.score > best.score:
                thumbnail = None if image is None else _thumbnail(image, face.box)
                task.moments[top] = Moment(source, index, time, face.box, prediction.score, thumbnail)


@dataclass
class SourceHistory:
    """The frames of one source, in order. A frame's position counts from 0 in this order.

    Attributes:
        name: the name of the source.
        times: the time of each frame in seconds.
        with_face: the number of frames that have a face.
        faces: the tracked faces, by their track numbers.
    """

    name: str
    times: array[float] = field(default_factory=lambda: array("d"))
    with_face: int = 0
    faces: dict[int, FaceHistory] = field(default_factory=dict)

    @property
    def is_video(self) -> bool:
        """Whether time passes in it, as opposed to a single picture."""
        return bool(self.faces) or len(self.times) > 1

    @property
    def durations(self) -> Numbers:
        """The duration of each frame in seconds: until the next frame, and the median for the last one.

        After a gap, as in a live source that was paused, a frame counts for three medians or a second at most,
        whichever is longer.
        """
        steps = np.diff(np.array(self.times))
        median = float(np.median(steps)) if len(steps) else 0.0
        return np.append(np.clip(steps, 0, max(1.0, 3 * median)), max(0.0, median))

    @property
    def end(self) -> float:
        """The time in seconds at which the last frame ends."""
        return self.times[-1] + float(self.durations[-1])


class History:
    """What was seen in each source; ``add`` every frame in order.

    Attributes:
        sources: the history of each source, by its name.
        untracked: all faces without track numbers, which are those in pictures; here, positions count the frames of
            all sources together.
    """

    def __init__(self) -> None:
        self.sources: dict[str, SourceHistory] = {}
        self.untracked = FaceHistory()
        self._count = 0

    def add(self, source: str, index: int, time: float, faces: Sequence[Face], image: Image | None = None) -> None:
        """Add a frame.

        Args:
            source: the name of its source.
            index: its number in the source.
            time: its time in seconds since the start of the source.
            faces: the faces in it.
            image: its picture, uint8, (height, width, 3), BGR, for thumbnails; without it there are none.
        """
        history = self.sources.get(source) or self.sources.setdefault(source, SourceHistory(source))
        for face in faces:
            if face.track is None:
                face_history, position = self.untracked, self._count
            else:
                face_history, position = history.faces.setdefault(face.track, FaceHistory()), len(history.times)
            face_history.add(position, face, source, index, time, image)
        history.times.append(time)
        history.with_face += bool(faces)
        self._count += 1

    def add_thumbnails(self, frames: Iterable[Frame], source: str) -> None:
        """Cut thumbnails of a source's strongest moments from its frames; iterates no further than the last of them.

        Args:
            frames: the frames of the source in order.
            source: the name of the source, which must be in ``sources``.
        """
        wanted: dict[int, list[Moment]] = {}
        for face in (self.untracked, *self.sources[source].faces.values()):
            for task in face.tasks.values():
                for moment in task.moments.values():
                    if moment.source == source:
                        wanted.setdefault(moment.index, []).append(moment)
        frames = iter(frames)
        while wanted and (frame := next(frames, None)) is not None:
            for moment in wanted.pop(frame.index, ()):
                moment.thumbnail = _thumbnail(frame.image, moment.box)


def _thumbnail(image: Image, box: Box) -> bytes | None:
    """The face with a margin as a JPEG file; None if it lies outside the picture."""
    area = box.padded(_MARGIN).clipped(image.shape[1], image.shape[0])
    if not area.area:
        return None
    crop = image[area.y1 : area.y2, area.x1 : area.x2]
    scale = THUMBNAIL / max(area.width, area.height)
    if scale < 1:
        size = max(1, round(area.width * scale)), max(1, round(area.height * scale))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
