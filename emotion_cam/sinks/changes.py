"""When the labels of faces change, without flicker: what subtitles, intervals and markers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from emotion_cam.errors import SinkError
from emotion_cam.types import Face

SHORTEST = 0.2
"""Seconds that a label lasts at least. Scores are averaged over more than that, so less is chance."""

_TOLERANCE = 1e-6  # of times, which are rounded


class Change(NamedTuple):
    """From a time on, a face has another label.

    Attributes:
        time: seconds since the start of the source.
        track: the face's number.
        task: the task.
        label: the label; None if the face is away.
    """

    time: float
    track: int
    task: str
    label: str | None


class LabelChanges:
    """Finds the changes of labels in the results of a stream; ``add`` every frame in order.

    What lasts shorter than ``shortest`` is ignored: a label between two others, a face that is lost for a moment, and a
    face that is seen for a moment only. A change is known ``shortest`` seconds after it, and has its own time. After a
    gap in the frames of more than a second and more than three times their distance, as a camera that dropped out
    leaves it, all faces are new.

    Args:
        shortest: in seconds.
    """

    def __init__(self, shortest: float) -> None:
        self._shortest = shortest
        self._states: dict[tuple[int, str], _State] = {}
        self._time: float | None = None  # of the latest frame
        self._step = 0.0  # to it from the one before

    def add(self, time: float, faces: Sequence[Face]) -> list[Change]:
        """Take the next frame, and return the changes that are certain now, ordered by their times.

        Args:
            time: the frame's time in seconds.
            faces: the faces in it.

        Raises:
            SinkError: a face has no track number.
        """
        changes = self._wait_until(time)
        labels = {(_track(face), task): each.label for face in faces for task, each in face.predictions.items()}
        for key in dict.fromkeys((*self._states, *labels)):
            self._states.setdefault(key, _State()).see(time, labels.get(key))
        self._states = {key: state for key, state in self._states.items() if not state.is_away}
        return changes

    def finish(self) -> list[Change]:
        """The changes after the last frame; at its end, all faces are away."""
        if self._time is None:
            return []
        return self._end(self._time + self._step)

    def _wait_until(self, time: float) -> list[Change]:
        """Let the labels of the latest frame last until the next one, at a time, or until a gap."""
        last, self._time = self._time, time
        if last is None:
            return []
        step = time - last
        if self._step and step > max(1.0, 3 * self._step):
            return self._end(last + self._step)
        self._step = step or self._step
        return self._settle(time)

    def _settle(self, time: float) -> list[Change]:
        """What has lasted long enough at a time."""
        settled = [
            Change(since, *key, state.label)
            for key, state in self._states.items()
            if (since := state.settle(time - self._shortest)) is not None
        ]
        return sorted(settled, key=lambda change: change.time)

    def _end(self, time: float) -> list[Change]:
        changes = self._settle(time)
        changes += [Change(time, *key, None) for key, state in self._states.items() if state.label is not None]
        self._states.clear()
        return changes


class _State:
    """The label of a face for one task, and the one that may follow.

    Attributes:
        label: the label that has lasted long enough; None if the face is away.
    """

    def __init__(self) -> None:
        self.label: str | None = None
        self._next: str | None = None
        self._since: float | None = None  # since when there is another one; None if there is none

    @property
    def is_away(self) -> bool:
        return self.label is None and self._since is None

    def see(self, time: float, label: str | None) -> None:
        if label == self.label:
            self._since = None
            return
        came = self.label is None  # a face that just came is there, whichever label it has
        if self._since is None or (label != self._next and not came):
            self._since = time
        self._next = label

    def settle(self, latest: float) -> float | None:
        """Take over the next label if it is there since ``latest`` or earlier; returns since when, or None."""
        if self._since is None or self._since > latest + _TOLERANCE:
            return None
        since, self._since, self.label = self._since, None, self._next
        return since


def _track(face: Face) -> int:
    if face.track is None:
        raise SinkError("Faces need track numbers to be followed in time, as `Recognizer.follow` gives them.")
    return face.track
