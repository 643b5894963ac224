"""What is kept of a run for its report: every face's scores over time, and a small picture of its strongest moments.

No frame is kept. A face in a frame takes some 70 bytes with the shipped models, a small picture some kilobytes.
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
"""How long, in pixels, the longer side of a small picture is at most."""

_AROUND = 0.2  # what a small picture shows around the face, as a share of the box's side


@dataclass
class Moment:
    """When one label of a face had its highest score so far, and was the most likely one.

    Attributes:
        source: the frame's source.
        index: the frame's number in it.
        time: the frame's time in seconds.
        box: where the face was, in pixels.
        score: the label's, in [0, 1].
        picture: the face as a small JPEG; None if its frame was not at hand.
    """

    source: str
    index: int
    time: float
    box: Box
    score: float
    picture: bytes | None = None


@dataclass
class Series:
    """What one network said of one face, prediction by prediction in order.

    Attributes:
        task: what it tells.
        labels: its classes.
        moments: the strongest moment of each label that was ever on top, by the label's index.
    """

    task: str
    labels: tuple[str, ...]
    moments: dict[int, Moment] = field(default_factory=dict)
    _positions: array[int] = field(default_factory=lambda: array("l"))
    _scores: array[float] = field(default_factory=lambda: array("f"))
    _tops: array[int] = field(default_factory=lambda: array("h"))

    def add(self, position: int, prediction: Prediction) -> int | None:
        """Take one more, at the frame of that position; returns the index of its label, None if it is unsure."""
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
        """The scores of each prediction, (predictions, classes)."""
        return np.array(self._scores, np.float32).reshape(-1, len(self.labels))

    @property
    def tops(self) -> Indices:
        """The index of the label of each prediction, (predictions,); as many as there are labels where it is unsure."""
        return np.array(self._tops, np.intp)


@dataclass
class Appearance:
    """One face for as long as it keeps its number; or the faces without numbers, all together.

    Attributes:
        positions: those of the frames that it was in.
        series: by task and labels.
    """

    positions: array[int] = field(default_factory=lambda: array("l"))
    series: dict[tuple[str, tuple[str, ...]], Series] = field(default_factory=dict)

    def add(self, position: int, face: Face, source: str, index: int, time: float, image: Image | None) -> None:
        self.positions.append(position)
        for task, prediction in face.predictions.items():
            key = task, prediction.labels
            series = self.series.get(key) or self.series.setdefault(key, Series(*key))
            top = series.add(position, prediction)
            if top is None:
                continue
            best = series.moments.get(top)
            if best is None or prediction.score > best.score:
                picture = None if image is None else _thumbnail(image, face.box)
                series.moments[top] = Moment(source, index, time, face.box, prediction.score, picture)


@dataclass
class Clip:
    """What was seen of one source.

    Attributes:
        name: the source's.
        times: of its frames, in seconds.
        with_face: in how many of them there was a face.
        faces: by their numbers; ``positions`` count its frames.
    """

    name: str
    times: array[float] = field(default_factory=lambda: array("d"))
    with_face: int = 0
    faces: dict[int, Appearance] = field(default_factory=dict)

    @property
    def is_film(self) -> bool:
        """Whether time goes by in it, rather than that it is a single picture."""
        return bool(self.faces) or len(self.times) > 1

    @property
    def lengths(self) -> Numbers:
        """How long each frame lasts, in seconds: until the next one, the last one as long as is usual.

        After a gap, as in a live source that was paused, a frame counts no longer than three usual ones, or a second.
        """
        steps = np.diff(np.array(self.times))
        usual = float(np.median(steps)) if len(steps) else 0.0
        return np.append(np.clip(steps, 0, max(1.0, 3 * usual)), max(0.0, usual))

    @property
    def end(self) -> float:
        """When the last frame ends, in seconds."""
        return self.times[-1] + float(self.lengths[-1])


class History:
    """What was seen, source by source; ``add`` every frame in order.

    Attributes:
        clips: by the source's name.
        loose: the faces without numbers, which are those of pictures; ``positions`` count the frames of all sources.
    """

    def __init__(self) -> None:
        self.clips: dict[str, Clip] = {}
        self.loose = Appearance()
        self._count = 0

    def add(self, source: str, index: int, time: float, faces: Sequence[Face], image: Image | None = None) -> None:
        """Take in one more frame.

        Args:
            source: the name of what it came from.
            index: its number there.
            time: its time there, in seconds.
            faces: what was found in it.
            image: the frame, uint8 BGR, from which small pictures are cut; without it there are none.
        """
        clip = self.clips.get(source) or self.clips.setdefault(source, Clip(source))
        for face in faces:
            if face.track is None:
                appearance, position = self.loose, self._count
            else:
                appearance, position = clip.faces.setdefault(face.track, Appearance()), len(clip.times)
            appearance.add(position, face, source, index, time, image)
        clip.times.append(time)
        clip.with_face += bool(faces)
        self._count += 1

    def illustrate(self, frames: Iterable[Frame], source: str) -> None:
        """Cut the small pictures of a source's strongest moments out of its frames; no more are taken than it needs."""
        wanted: dict[int, list[Moment]] = {}
        for appearance in (self.loose, *self.clips[source].faces.values()):
            for series in appearance.series.values():
                for moment in series.moments.values():
                    if moment.source == source:
                        wanted.setdefault(moment.index, []).append(moment)
        frames = iter(frames)
        while wanted and (frame := next(frames, None)) is not None:
            for moment in wanted.pop(frame.index, ()):
                moment.picture = _thumbnail(frame.image, moment.box)


def _thumbnail(image: Image, box: Box) -> bytes | None:
    """The face and a little around it, as JPEG; None if it lies outside the picture."""
    area = box.padded(_AROUND).clipped(image.shape[1], image.shape[0])
    if not area.area:
        return None
    crop = image[area.y1 : area.y2, area.x1 : area.x2]
    scale = THUMBNAIL / max(area.width, area.height)
    if scale < 1:
        size = max(1, round(area.width * scale)), max(1, round(area.height * scale))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
