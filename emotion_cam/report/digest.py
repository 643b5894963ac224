"""The text and the numbers of a report, computed from a history, before any layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emotion_cam.drawing.colors import GRAY, label_color
from emotion_cam.report.history import FaceHistory, History, Indices, Moment, Numbers, SourceHistory, TaskHistory
from emotion_cam.types import UNSURE

MIN_IN_VIEW = 1.0
"""A face in view for fewer seconds is only counted if there are others, because it is often a false positive."""

COLUMNS = 240
"""The most columns of a chart over time."""

TITLE = "What the faces showed"

LIMITS = (
    "What a face shows is not what a person feels. The labels are a network’s guesses at how people would describe the "
    "face, and some of them are wrong."
)

EMPTY = "No frames were analyzed."
"""What a report says if its history is empty."""


@dataclass(frozen=True)
class LabelRow:
    """The figures of one label.

    Attributes:
        label: the label, or UNSURE.
        color: as in #d55e00.
        share: the share of the time in view, or of the faces in pictures, in which it was the most likely label, in
            [0, 1].
        mean: the mean of its scores, in [0, 1]; None for UNSURE.
        moment: its strongest moment; None if it was never the most likely label.
        caption: the time of that moment, or the name of its picture.
    """

    label: str
    color: str
    share: float
    mean: float | None = None
    moment: Moment | None = None
    caption: str = ""


class Interval(NamedTuple):
    """A time in which a face was in view and one label was the most likely one: start and end in seconds, and color."""

    start: float
    end: float
    color: str


@dataclass(frozen=True)
class ScoreTimeline:
    """A task's scores over time, in columns that are means over successive frames.

    Attributes:
        edges: the start of each column and the end of the last one, in seconds; (columns + 1,).
        scores: (columns, labels); NaN where the face was not in view.
        colors: the color of each label.
    """

    edges: Numbers
    scores: Numbers
    colors: tuple[str, ...]


@dataclass(frozen=True)
class TaskSection:
    """The predictions of a task with more than two labels, for one face.

    Attributes:
        name: the task.
        rows: a row for each label, and the last one for UNSURE.
        timeline: the scores over time; None for pictures.
        intervals: the most likely label over time; empty for pictures.
    """

    name: str
    rows: tuple[LabelRow, ...]
    timeline: ScoreTimeline | None
    intervals: tuple[Interval, ...]

    @property
    def ranked(self) -> list[LabelRow]:
        """The rows, the largest share first."""
        return sorted(self.rows, key=lambda row: -row.share)

    @property
    def illustrated(self) -> list[LabelRow]:
        """Those of the ranked rows that have a thumbnail."""
        return [row for row in self.ranked if row.moment and row.moment.thumbnail]


@dataclass(frozen=True)
class FaceSection:
    """One face, or all faces of pictures together.

    Attributes:
        title: its name.
        facts: when it was in view, and the results of tasks with two labels.
        tasks: the tasks with more than two labels.
    """

    title: str
    facts: tuple[str, ...]
    tasks: tuple[TaskSection, ...]


@dataclass(frozen=True)
class SourceSection:
    """One video or live source, or all pictures together.

    Attributes:
        title: the name of the source.
        facts: its duration, and the number of its frames and faces.
        end: the time at which it ends, in seconds.
        faces: in the order of their track numbers.
        not_shown: which faces have no section; "" if all have one.
    """

    title: str
    facts: tuple[str, ...]
    end: float
    faces: tuple[FaceSection, ...]
    not_shown: str = ""

    @property
    def lanes(self) -> dict[str, dict[str, tuple[Interval, ...]]]:
        """The most likely label over time, by task and by the title of the face; empty for pictures."""
        lanes: dict[str, dict[str, tuple[Interval, ...]]] = {}
        for face in self.faces:
            for task in face.tasks:
                if task.intervals:
                    lanes.setdefault(task.name, {})[face.title] = task.intervals
        return lanes


def digest(history: History, max_faces: int, max_total: int | None = None) -> list[SourceSection]:
    """The sections of a report.

    Args:
        history: what was seen.
        max_faces: the most faces of each source that get a section; those that were in view longest are chosen.
        max_total: the most faces of all sources together that get one, those of the first sources; None for all.
    """
    videos = [source for source in history.sources.values() if source.is_video]
    sections: list[SourceSection] = []
    for source in videos:
        if max_total is not None:
            max_faces = min(max_faces, max_total - sum(len(section.faces) for section in sections))
        sections.append(_video_section(source, max_faces))
    if history.untracked.positions or len(videos) < len(history.sources):
        sections.append(_pictures_section(history))
    return sections


def legend(sections: Sequence[SourceSection]) -> dict[str, dict[str, str]]:
    """The color of each label, by task and label."""
    colors: dict[str, dict[str, str]] = {}
    for task in (task for section in sections for face in section.faces for task in face.tasks):
        for row in task.rows:
            colors.setdefault(task.name, {})[row.label] = row.color
    return colors


def lanes_title(task: str) -> str:
    """The title of the chart with a lane for each face."""
    return f"Who was in view when, and the most likely {task}"


def clock(seconds: float) -> str:
    """A time as people write it: 0:07.5, 12:00.0, 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02}.{tenths % 10}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def _video_section(source: SourceHistory, max_faces: int) -> SourceSection:
    durations = source.durations
    in_view = {track: float(durations[list(face.positions)].sum()) for track, face in source.faces.items()}
    lasting = [track for track, seconds in in_view.items() if seconds >= MIN_IN_VIEW] or list(in_view)
    shown = sorted(sorted(lasting, key=in_view.__getitem__, reverse=True)[:max_faces])
    return SourceSection(
        title=source.name,
        facts=(
            clock(source.end - source.times[0]),
            _count(len(source.times), "frame") + f", {source.with_face:,} of them with a face",
            _count(len(lasting), "face"),
        ),
        end=source.end,
        faces=tuple(_face_section(track, source, durations) for track in shown),
        not_shown=_not_shown(
            brief=len(in_view) - len(lasting), rest=len(lasting) - len(shown), are_some_shown=bool(shown)
        ),
    )


def _not_shown(*, brief: int, rest: int, are_some_shown: bool) -> str:
    parts = []
    if rest:
        parts.append(_count(rest, "face") + " in view for less time than those above" * are_some_shown)
    if brief:
        parts.append(f"{_count(brief, 'face')} in view for less than a second")
    return f"Not shown: {' and '.join(parts)}." if parts else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _face_section(track: int, source: SourceHistory, durations: Numbers) -> FaceSection:
    face = source.faces[track]
    first, last = face.positions[0], face.positions[-1]
    start, end = source.times[first], source.times[last] + float(durations[last])
    seconds = float(durations[list(face.positions)].sum())
    in_view = f"in view from {clock(start)} to {clock(end)}"
    if end - start - seconds > 0.1:
        in_view += f", for {clock(seconds)} of that time"
    return FaceSection(
        title=f"Face {track}",
        facts=(in_view, *_mean_facts(face, durations)),
        tasks=tuple(_task_sections(face, durations, source)),
    )


def _pictures_section(history: History) -> SourceSection:
    pictures = [source for source in history.sources.values() if not source.is_video]
    faces = history.untracked
    # Every face counts the same.
    durations = np.ones(max(faces.positions, default=-1) + 1)
    section = FaceSection(
        "All faces", tuple(_share_facts(faces, durations)), tuple(_task_sections(faces, durations, None))
    )
    with_face = sum(source.with_face for source in pictures)
    return SourceSection(
        title=pictures[0].name if len(pictures) == 1 else "Pictures",
        facts=(
            _count(len(pictures), "picture") + f", {with_face:,} of them with a face",
            _count(len(faces.positions), "face"),
        ),
        end=0.0,
        faces=(section,) if faces.positions else (),
    )


def _mean_facts(face: FaceHistory, durations: Numbers) -> Iterator[str]:
    """The mean result of each task with two labels for one face; one score implies the other."""
    for task in _binary(face):
        means, shares = _means(task, durations), _shares(task, durations)
        top = int(np.argmax(means))
        result = f"{task.labels[top]}, mean score {means[top]:.2f}" if shares[-1] <= 0.5 else UNSURE
        yield f"{task.name}: {result}"


def _share_facts(faces: FaceHistory, durations: Numbers) -> Iterator[str]:
    """The share of each label for each task with two labels, over several faces."""
    for task in _binary(faces):
        shares = zip((*task.labels, UNSURE), _shares(task, durations), strict=True)
        yield f"{task.name}: " + ", ".join(f"{share:.0%} {label}" for label, share in shares if share)


def _binary(face: FaceHistory) -> Iterator[TaskHistory]:
    return (task for task in face.tasks.values() if len(task.labels) == 2)


def _task_sections(face: FaceHistory, durations: Numbers, source: SourceHistory | None) -> Iterator[TaskSection]:
    """The sections of a face's tasks with more than two labels; ``source`` is None for pictures."""
    for task in face.tasks.values():
        if len(task.labels) > 2:
            timed = source is not None and durations.sum() > 0
            yield TaskSection(
                name=task.name,
                rows=tuple(_rows(task, durations, timed)),
                timeline=_timeline(task, source, durations) if source and timed else None,
                intervals=tuple(_intervals(task, source, durations)) if source and timed else (),
            )


def _rows(task: TaskHistory, durations: Numbers, timed: bool) -> Iterator[LabelRow]:
    shares, means, colors = _shares(task, durations), _means(task, durations), _colors(task)
    for index, label in enumerate(task.labels):
        moment = task.moments.get(index)
        caption = "" if moment is None else clock(moment.time) if timed else moment.source
        yield LabelRow(label, colors[index], float(shares[index]), float(means[index]), moment, caption)
    yield LabelRow(UNSURE, colors[-1], float(shares[-1]))


def _colors(task: TaskHistory) -> list[str]:
    """The color of each label, as in the annotated picture, and of UNSURE."""
    bgr = [*(label_color(index) for index in range(len(task.labels))), GRAY]
    return [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in bgr]


def _weights(task: TaskHistory, durations: Numbers) -> Numbers:
    """The duration of each prediction's frame, or 1 where no frame has a duration."""
    weights = durations[task.positions]
    return weights if weights.any() else np.ones_like(weights)


def _shares(task: TaskHistory, durations: Numbers) -> Numbers:
    """The share of the time in which each label, and last UNSURE, was the most likely one; (labels + 1,)."""
    seconds = np.bincount(task.tops, _weights(task, durations), len(task.labels) + 1)
    return np.asarray(seconds / seconds.sum(), np.float64)


def _means(task: TaskHistory, durations: Numbers) -> Numbers:
    """The mean score of each label over time, (labels,)."""
    return np.average(task.scores.astype(np.float64), axis=0, weights=_weights(task, durations))


def _timeline(task: TaskHistory, source: SourceHistory, durations: Numbers) -> ScoreTimeline:
    positions, scores = task.positions, task.scores
    starts, column = _columns(positions, int(positions[0]), int(positions[-1]))
    sums, counts = np.zeros((len(starts), scores.shape[1])), np.bincount(column, minlength=len(starts))[:, None]
    np.add.at(sums, column, scores)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    times = np.array(source.times)
    edges = np.append(times[starts], times[positions[-1]] + durations[positions[-1]])
    return ScoreTimeline(edges, means, tuple(_colors(task)[:-1]))


def _intervals(task: TaskHistory, source: SourceHistory, durations: Numbers) -> Iterator[Interval]:
    positions, tops = task.positions, task.tops
    starts, column = _columns(positions, 0, len(durations) - 1)
    votes = np.zeros((len(starts), len(task.labels) + 1))
    np.add.at(votes, (column, tops), 1)
    winners = np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
    times, last_frames = np.array(source.times), np.append(starts[1:], len(durations)) - 1
    ends = times[last_frames] + durations[last_frames]  # the next start may follow a long gap
    changes = [0, *(np.flatnonzero(np.diff(winners)) + 1), len(winners)]
    colors = _colors(task)
    for begin, after in itertools.pairwise(changes):
        if winners[begin] >= 0:
            yield Interval(float(times[starts[begin]]), float(ends[after - 1]), colors[winners[begin]])


def _columns(positions: Indices, first: int, last: int) -> tuple[Indices, Indices]:
    """The frames from the first to the last in columns: the first frame of each column, each position's column."""
    frames = -(-(last - first + 1) // COLUMNS)
    return np.arange(first, last + 1, frames), (positions - first) // frames
