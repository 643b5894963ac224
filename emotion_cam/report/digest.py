"""What people are told of a history: the words and numbers of a report, before anything is laid out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emotion_cam.annotate.draw import GREY, PALETTE
from emotion_cam.report.history import Appearance, Clip, History, Indices, Moment, Numbers, Series
from emotion_cam.types import UNSURE

BRIEF = 1.0
"""A face in view for fewer seconds than this is only counted where there are others: it is often no face at all."""

COLUMNS = 240
"""Into how many columns a chart is divided at most."""

LIMITS = (
    "What a face shows is not what a person feels. The labels are a network’s guesses at what people would call such a "
    "picture, and some of them are wrong."
)


@dataclass(frozen=True)
class Row:
    """What there is to say of one label.

    Attributes:
        label: its name, or UNSURE.
        colour: as in #d55e00.
        share: of the time in view, or of the faces, that it was the most likely label, in [0, 1].
        mean: of its scores; None for UNSURE.
        moment: its strongest one, if it was ever on top.
        caption: when, or in which picture, that was.
    """

    label: str
    colour: str
    share: float
    mean: float | None = None
    moment: Moment | None = None
    caption: str = ""


class Stretch(NamedTuple):
    """From when to when, in seconds, a face was in view with one label on top, and the label's colour."""

    start: float
    end: float
    colour: str


@dataclass(frozen=True)
class Course:
    """How the scores went, in columns that are averages over successive frames.

    Attributes:
        edges: where each column begins, and where the last one ends, in seconds; (columns + 1,).
        scores: (columns, classes); not a number where the face was not in view.
        colours: of the classes.
    """

    edges: Numbers
    scores: Numbers
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Graded:
    """What was said of one face, of a task with more than two labels.

    Attributes:
        task: what was told.
        rows: one for each label, and the last one for UNSURE.
        course: None where no time goes by.
        stretches: the same in brief, over the whole source.
    """

    task: str
    rows: tuple[Row, ...]
    course: Course | None
    stretches: tuple[Stretch, ...]

    @property
    def ranked(self) -> list[Row]:
        """The rows, the largest share first."""
        return sorted(self.rows, key=lambda row: -row.share)


@dataclass(frozen=True)
class Portrait:
    """What there is to say of one face, or of all faces of pictures.

    Attributes:
        title: its name.
        facts: when it was in view, and what the tasks with two labels say.
        graded: the tasks with more.
    """

    title: str
    facts: tuple[str, ...]
    graded: tuple[Graded, ...]


@dataclass(frozen=True)
class Chapter:
    """What there is to say of one source, or of all pictures.

    Attributes:
        title: the source's name.
        facts: how long it is, how many faces it has.
        end: when it ends, in seconds.
        portraits: in the order of the faces' numbers.
        rest: a sentence on the faces that have no portrait; "" if all have one.
    """

    title: str
    facts: tuple[str, ...]
    end: float
    portraits: tuple[Portrait, ...]
    rest: str = ""

    @property
    def lanes(self) -> dict[str, dict[str, tuple[Stretch, ...]]]:
        """By task and by the faces' titles, which label was on top from when to when; none where no time goes by."""
        lanes: dict[str, dict[str, tuple[Stretch, ...]]] = {}
        for face in self.portraits:
            for graded in filter(lambda graded: graded.stretches, face.graded):
                lanes.setdefault(graded.task, {})[face.title] = graded.stretches
        return lanes


def digest(history: History, most_faces: int) -> list[Chapter]:
    """What to tell, with a portrait of so many faces of each source at most, those longest in view."""
    clips = [clip for clip in history.clips.values() if clip.is_film]
    chapters = [_film(clip, most_faces) for clip in clips]
    if history.loose.positions or len(clips) < len(history.clips):
        chapters.append(_pictures(history))
    return chapters


def legend(chapters: list[Chapter]) -> dict[str, dict[str, str]]:
    """The colours of the labels, by task and label."""
    colours: dict[str, dict[str, str]] = {}
    for graded in (graded for chapter in chapters for face in chapter.portraits for graded in face.graded):
        for row in graded.rows:
            colours.setdefault(graded.task, {})[row.label] = row.colour
    return colours


def clock(seconds: float) -> str:
    """A time as people write it: 0:07.5, 12:00.0, 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02}.{tenths % 10}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def _film(clip: Clip, most_faces: int) -> Chapter:
    lengths = clip.lengths
    in_view = {number: float(lengths[list(face.positions)].sum()) for number, face in clip.faces.items()}
    lasting = [number for number, seconds in in_view.items() if seconds >= BRIEF] or list(in_view)
    told = sorted(sorted(lasting, key=in_view.__getitem__, reverse=True)[:most_faces])
    return Chapter(
        title=clip.name,
        facts=(
            clock(clip.end - clip.times[0]),
            _count(len(clip.times), "frame") + f", {clip.with_face:,} of them with a face",
            _count(len(lasting), "face"),
        ),
        end=clip.end,
        portraits=tuple(_portrait(number, clip, lengths) for number in told),
        rest=_rest(len(in_view) - len(lasting), len(lasting) - len(told)),
    )


def _rest(brief: int, more: int) -> str:
    parts = []
    if more:
        parts.append(f"{_count(more, 'face')} in view for less long than those above")
    if brief:
        parts.append(f"{_count(brief, 'face')} in view for less than a second")
    return f"Not told of: {' and '.join(parts)}." if parts else ""


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _portrait(number: int, clip: Clip, lengths: Numbers) -> Portrait:
    face = clip.faces[number]
    first, last = face.positions[0], face.positions[-1]
    start, end = clip.times[first], clip.times[last] + float(lengths[last])
    seconds = float(lengths[list(face.positions)].sum())
    told = f"in view from {clock(start)} to {clock(end)}"
    if end - start - seconds > 0.1:
        told += f", for {clock(seconds)} of that time"
    return Portrait(
        title=f"Face {number}", facts=(told, *_in_words(face, lengths)), graded=tuple(_graded(face, lengths, clip))
    )


def _pictures(history: History) -> Chapter:
    pictures = [clip for clip in history.clips.values() if not clip.is_film]
    faces = history.loose
    # Every face counts the same.
    lengths = np.ones(max(faces.positions, default=-1) + 1)
    portrait = Portrait("All faces", tuple(_counted(faces, lengths)), tuple(_graded(faces, lengths, None)))
    with_face = sum(clip.with_face for clip in pictures)
    return Chapter(
        title=pictures[0].name if len(pictures) == 1 else "Pictures",
        facts=(
            _count(len(pictures), "picture") + f", {with_face:,} of them with a face",
            _count(len(faces.positions), "face"),
        ),
        end=0.0,
        portraits=(portrait,) if faces.positions else (),
    )


def _in_words(face: Appearance, lengths: Numbers) -> Iterator[str]:
    """What the tasks with two labels say of one face on average; the other score is the rest."""
    for series in _with_two_labels(face):
        means, shares = _means(series, lengths), _shares(series, lengths)
        top = int(np.argmax(means))
        told = f"{series.labels[top]}, score {means[top]:.2f} on average" if shares[-1] <= 0.5 else UNSURE
        yield f"{series.task}: {told}"


def _counted(faces: Appearance, lengths: Numbers) -> Iterator[str]:
    """What the tasks with two labels say of several faces."""
    for series in _with_two_labels(faces):
        shares = zip((*series.labels, UNSURE), _shares(series, lengths), strict=True)
        yield f"{series.task}: " + ", ".join(f"{share:.0%} {label}" for label, share in shares if share)


def _with_two_labels(face: Appearance) -> Iterator[Series]:
    return (series for series in face.series.values() if len(series.labels) == 2)


def _graded(face: Appearance, lengths: Numbers, clip: Clip | None) -> Iterator[Graded]:
    for series in face.series.values():
        if len(series.labels) > 2:
            timed = clip is not None and lengths.sum() > 0
            yield Graded(
                task=series.task,
                rows=tuple(_rows(series, lengths, timed)),
                course=_course(series, clip, lengths) if clip and timed else None,
                stretches=tuple(_stretches(series, clip, lengths)) if clip and timed else (),
            )


def _rows(series: Series, lengths: Numbers, timed: bool) -> Iterator[Row]:
    shares, means, colours = _shares(series, lengths), _means(series, lengths), _colours(series)
    for index, label in enumerate(series.labels):
        moment = series.moments.get(index)
        caption = "" if moment is None else clock(moment.time) if timed else moment.source
        yield Row(label, colours[index], float(shares[index]), float(means[index]), moment, caption)
    yield Row(UNSURE, colours[-1], float(shares[-1]))


def _colours(series: Series) -> list[str]:
    """Those of the labels as in the annotated picture, and that of UNSURE."""
    bgr = [*(PALETTE[index % len(PALETTE)] for index in range(len(series.labels))), GREY]
    return [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in bgr]


def _weights(series: Series, lengths: Numbers) -> Numbers:
    weights = lengths[series.positions]
    return weights if weights.any() else np.ones_like(weights)


def _shares(series: Series, lengths: Numbers) -> Numbers:
    """The share of the time that each label, and last UNSURE, was on top; (classes + 1,)."""
    seconds = np.bincount(series.tops, _weights(series, lengths), len(series.labels) + 1)
    return np.asarray(seconds / seconds.sum(), np.float64)


def _means(series: Series, lengths: Numbers) -> Numbers:
    return np.average(series.scores.astype(np.float64), axis=0, weights=_weights(series, lengths))


def _course(series: Series, clip: Clip, lengths: Numbers) -> Course:
    positions, scores = series.positions, series.scores
    starts, column = _columns(positions, int(positions[0]), int(positions[-1]))
    sums, counts = np.zeros((len(starts), scores.shape[1])), np.bincount(column, minlength=len(starts))[:, None]
    np.add.at(sums, column, scores)
    averages = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    times = np.array(clip.times)
    edges = np.append(times[starts], times[positions[-1]] + lengths[positions[-1]])
    return Course(edges, averages, tuple(_colours(series)[:-1]))


def _stretches(series: Series, clip: Clip, lengths: Numbers) -> Iterator[Stretch]:
    positions, tops = series.positions, series.tops
    starts, column = _columns(positions, 0, len(lengths) - 1)
    votes = np.zeros((len(starts), len(series.labels) + 1))
    np.add.at(votes, (column, tops), 1)
    winners = np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
    times, last_frames = np.array(clip.times), np.append(starts[1:], len(lengths)) - 1
    ends = times[last_frames] + lengths[last_frames]  # not when the next one begins, which may be after a long gap
    changes = [0, *(np.flatnonzero(np.diff(winners)) + 1), len(winners)]
    colours = _colours(series)
    for begin, after in itertools.pairwise(changes):
        if winners[begin] >= 0:
            yield Stretch(float(times[starts[begin]]), float(ends[after - 1]), colours[winners[begin]])


def _columns(positions: Indices, first: int, last: int) -> tuple[Indices, Indices]:
    """The frames from the first to the last one in columns: where each column starts, and each position's column."""
    frames = -(-(last - first + 1) // COLUMNS)
    return np.arange(first, last + 1, frames), (positions - first) // frames
