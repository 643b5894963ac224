"""Long videos in stretches: cut at key frames, recognized side by side, and joined again.

Each stretch but the first begins a few seconds early. There it finds and follows the faces that it will need, as a run
over the whole video would have done by then. Where these seconds overlap with the stretch before, the same boxes in the
same frames show which face has which number.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emotion_cam.corpus.faces import WORK, faces_path, faces_writer, whole
from emotion_cam.corpus.manifest import Entry
from emotion_cam.corpus.work import (
    Job,
    RowsSink,
    checked_settings,
    constants_of,
    counted,
    failed,
    recognize_all,
    refuse_change,
)
from emotion_cam.detect.base import same_face
from emotion_cam.parquet import COLUMNS, open_writer
from emotion_cam.sources.base import Source
from emotion_cam.sources.video import VideoSource, frame_times
from emotion_cam.types import Box, Frame

WARM_UP = 10.0
"""The seconds by which a stretch begins early: over so long, steady tasks such as gender are averaged."""


class Stretch(NamedTuple):
    """A part of a video.

    Attributes:
        number: from 0.
        key: the number of the key frame at which it begins to be decoded.
        key_time: the time of that frame in seconds.
        first: the number of its first frame.
        stop: the number of the first frame after it; None for the last stretch.
        stop_time: the time of that frame in seconds; infinite for the last stretch.
    """

    number: int
    key: int
    key_time: float
    first: int
    stop: int | None
    stop_time: float


class Cut(NamedTuple):
    """A video that is done in stretches.

    Attributes:
        entry: what is known of it.
        stretches: all of them.
        duration: its length in seconds.
    """

    entry: Entry
    stretches: tuple[Stretch, ...]
    duration: float


def cut(path: str, entry: Entry, longest: float, warm_up: float = WARM_UP) -> Cut | None:
    """Cut a video into stretches.

    Args:
        path: the video. All of its packets are read, and none is decoded.
        entry: what is known of it.
        longest: the longest stretch in seconds, if there are key frames enough.
        warm_up: the least seconds by which a stretch begins early.

    Returns:
        None if it is short, or if its packets do not say which frames will come.
    """
    found = frame_times(path)
    if found is None or len(found.times) < 2:
        return None
    times = np.array(found.times)
    duration = float(times[-1] - times[0]) + float(np.median(np.diff(times)))
    count = int(np.ceil(duration / longest - 0.01))
    keys = np.searchsorted(times, found.keys)
    wanted = times[0] + duration * np.arange(1, count) / count
    firsts = [0, *sorted({int(keys[np.abs(times[keys] - time).argmin()]) for time in wanted} - {0})]
    if len(firsts) < 2:
        return None
    stretches = []
    for number, first in enumerate(firsts):
        key = max((int(each) for each in keys if times[each] <= times[first] - warm_up), default=0) if first else 0
        stop = firsts[number + 1] if number + 1 < len(firsts) else None
        stop_time = math.inf if stop is None else float(times[stop])
        stretches.append(Stretch(number, key, float(times[key]), first, stop, stop_time))
    return Cut(entry, tuple(stretches), round(duration, 3))


def do_stretch(job: Job, entry: Entry, stretch: Stretch) -> bool | Entry:
    """Write the rows of a stretch, with those of its early seconds, into a file of its own.

    Returns:
        Whether the frames are those that were expected; or the entry of the video, if something failed.
    """
    path = work_path(job, entry, stretch)
    if path.exists():
        return True
    try:
        checked_settings(job)
        with whole(path) as hidden, open_writer(hidden) as parquet, _StretchSource(job.path, stretch) as source:
            rows = RowsSink(parquet.write_batch)
            recognize_all(job.work, source, [rows])
            rows.flush()
        refuse_change(job.path, entry)
    except Exception as error:  # as in work.do
        return failed(entry, error)
    if not source.is_as_expected:
        path.unlink()
    return source.is_as_expected


def join(job: Job, cut_: Cut) -> Entry:
    """Join the stretches of a video into its rows, and return its entry."""
    entry = cut_.entry
    try:
        settings = checked_settings(job)
        refuse_change(job.path, entry)
        with faces_writer(faces_path(job.dataset, job.id), constants_of(entry, settings), settings.models) as writer:
            tables = (pq.read_table(work_path(job, entry, stretch)) for stretch in cut_.stretches)
            for table in joined(tables, [stretch.first for stretch in cut_.stretches]):
                for batch in table.combine_chunks().to_batches():
                    writer.write(batch)
        entry = counted(entry, writer.tally, cut_.duration)
    except Exception as error:  # as in work.do
        return failed(entry, error)
    remove_work(job)
    return entry


def work_path(job: Job, entry: Entry, stretch: Stretch) -> Path:
    """The file with the rows of a stretch; another content of the video or other settings have another one."""
    return job.dataset / WORK / f"{job.id}-{job.settings}-{entry.hash}-{stretch.number}.parquet"


def remove_work(job: Job) -> None:
    """Remove the files of a video's stretches."""
    for path in (job.dataset / WORK).glob(f"{job.id}-*"):
        path.unlink(missing_ok=True)


def joined(tables: Iterator[pa.Table], firsts: Sequence[int]) -> Iterator[pa.Table]:
    """The rows of stretches in order, with the same number for the same face.

    Args:
        tables: the rows of each stretch; those of frames before its first one are its early seconds.
        firsts: the number of the first frame of each stretch.
    """
    before: dict[int, dict[int, Box]] = {}
    count = 0
    for table, first in zip(tables, firsts, strict=True):
        is_early = pc.less(table["frame"], first)
        numbers = _same_numbers(_boxes(table.filter(is_early)), before)
        own = table.filter(pc.invert(is_early))
        for track in pc.unique(own["track"].drop_null()).to_pylist():
            if track not in numbers:
                count += 1
                numbers[track] = count
        own = _renumbered(own, numbers)
        before = _boxes(own)
        yield own


def _boxes(table: pa.Table) -> dict[int, dict[int, Box]]:
    """The boxes of the tracks of each frame."""
    table = table.filter(pc.is_valid(table["track"]))
    boxes: dict[int, dict[int, Box]] = defaultdict(dict)
    columns = [table[name].to_pylist() for name in ("frame", "track", "x1", "y1", "x2", "y2")]
    for frame, track, *corners in zip(*columns, strict=True):
        boxes[frame][track] = Box(*corners)
    return boxes


def _same_numbers(early: dict[int, dict[int, Box]], before: dict[int, dict[int, Box]]) -> dict[int, int]:
    """For tracks of a stretch's early seconds the number of the same face in the stretch before."""
    votes: Counter[tuple[int, int]] = Counter()
    for frame, boxes in early.items():
        for (track, box), (number, other) in itertools.product(boxes.items(), before.get(frame, {}).items()):
            votes[track, number] += same_face(box, other)
    numbers: dict[int, int] = {}
    for (track, number), count in votes.most_common():
        if count and track not in numbers and number not in numbers.values():
            numbers[track] = number
    return numbers


def _renumbered(table: pa.Table, numbers: dict[int, int]) -> pa.Table:
    """The rows with other track numbers, and the faces of each frame in the order of these."""
    tracks = np.array([numbers.get(track, 0) for track in table["track"].to_pylist()], np.int64)
    frames = table["frame"].to_numpy()
    order = np.lexsort((np.arange(len(table)), tracks, frames))
    table, tracks, frames = table.take(order), tracks[order], frames[order]
    is_face = tracks > 0
    new_frame = np.diff(frames, prepend=-1) != 0
    new_face = new_frame | (np.diff(tracks, prepend=-1) != 0)
    faces = np.cumsum(new_face)
    faces = faces - np.maximum.accumulate(np.where(new_frame, faces, 0))
    for name, values in (("face", faces), ("track", tracks)):
        array = pa.array(values, COLUMNS[name][0], mask=~is_face)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), array)
    return table


class _StretchSource(Source):
    """The frames of a stretch and of its early seconds, with their numbers in the whole video.

    Attributes:
        is_as_expected: whether the frames have the times that give them these numbers.
    """

    def __init__(self, path: str, stretch: Stretch) -> None:
        self._source = VideoSource(path, start_at=stretch.key_time)
        self._stretch = stretch
        self.name, self.fps = self._source.name, self._source.fps
        self.is_as_expected = False

    def __iter__(self) -> Iterator[Frame]:
        _, key, key_time, _, stop, stop_time = self._stretch
        index = key
        for frame in self._source:
            if frame.time < key_time - 1e-6:
                continue  # shown before the key frame, and perhaps made of frames before it
            if index == key and abs(frame.time - key_time) > 1e-6:
                return
            if index == stop:
                self.is_as_expected = abs(frame.time - stop_time) < 1e-6
                return
            yield replace(frame, index=index)
            index += 1
        self.is_as_expected = stop is None

    def close(self) -> None:
        self._source.close()
