"""What a worker does: one video from its file to its rows in the data set.

A worker is a process on any machine that sees the videos and the data set under the same paths. It loads the models
once.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from emotion_cam.corpus.faces import Tally, faces_path, faces_writer
from emotion_cam.corpus.fingerprint import fingerprint, whole_hash
from emotion_cam.corpus.manifest import Entry, Result, Settings
from emotion_cam.corpus.settings import Work, settings_of
from emotion_cam.drawing.view import Controls
from emotion_cam.errors import EmotionCamError, SourceError, message_of
from emotion_cam.loop import run
from emotion_cam.parquet import ROWS, Rows
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.result import Result as FrameResult
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.spec import OutputSpec
from emotion_cam.sources.base import Source
from emotion_cam.sources.video import VideoSource
from emotion_cam.types import Face, Frame

if TYPE_CHECKING:
    from emotion_cam.corpus.stretches import Cut
    from emotion_cam.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class Job:
    """A video to be done.

    Attributes:
        id: the video's.
        path: its absolute path.
        dataset: the absolute path of the data set.
        work: what is done.
        settings: the id of the settings that the data set is made with.
        before: the entry that stays if the file's content is still the same; None if it must be done in any case.
        verify: whether all of its bytes are read to see that.
    """

    id: str
    path: str
    dataset: Path
    work: Work
    settings: str
    before: Entry | None = None
    verify: bool = False


def do(job: Job, *, may_cut: bool = True) -> Entry | Cut:
    """Do a video, and return its entry, whatever happens. Only what ends the process is not caught.

    Args:
        job: the video.
        may_cut: whether a long video may be cut, as its work asks; then nothing is done, and the stretches come back.
    """
    began = time.perf_counter()
    entry = start_entry(job)
    try:
        status = Path(job.path).stat()
        entry = msgspec.structs.replace(entry, size=status.st_size, mtime=status.st_mtime_ns)
        entry = identified(job, entry)
        if job.before is not None and _is_same(job.before, entry):
            return msgspec.structs.replace(job.before, mtime=entry.mtime, whole=entry.whole or job.before.whole)
        if may_cut and job.work.split is not None:
            from emotion_cam.corpus.stretches import cut

            in_stretches = cut(job.path, entry, job.work.split)
            if in_stretches is not None:
                return in_stretches
        entry = _recognize(job, entry)
        refuse_change(job.path, entry)
    except Exception as error:  # a bug is no reason to lose the other videos
        entry = failed(entry, error)
    if entry.result != "done":
        remove_rows(job)
    return msgspec.structs.replace(entry, took=time.perf_counter() - began, ended=time.time())


def remove_rows(job: Job) -> None:
    """Remove what was written for a video, such as for its file as it was before."""
    for path in (faces_path(job.dataset, job.id), *also_paths(job)):
        path.unlink(missing_ok=True)


def start_entry(job: Job) -> Entry:
    """The entry of a video about which nothing is known yet."""
    return Entry(job.id, job.path, 0, 0, "", job.settings, "done")


def identified(job: Job, entry: Entry) -> Entry:
    """The entry with the hashes of the file. Raises OSError if it cannot be read."""
    return msgspec.structs.replace(
        entry, hash=fingerprint(job.path), whole=whole_hash(job.path) if job.verify else None
    )


def failed(entry: Entry, error: BaseException) -> Entry:
    """The entry of a video that ended with an error."""
    result: Result = "failed"
    if isinstance(error, SourceError) and not isinstance(error.__cause__, OSError) and entry.hash:
        result = "damaged"
    expected = isinstance(error, (EmotionCamError, OSError))
    message = message_of(error) if expected else f"{entry.path} was left unfinished: {error!r}."
    return msgspec.structs.replace(entry, result=result, error=message)


def refuse_change(path: str, entry: Entry) -> None:
    """Raise EmotionCamError if a file was changed since its entry was begun."""
    status = Path(path).stat()
    if (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime):
        raise EmotionCamError(f"{path} changed while it was read.")


def also_paths(job: Job) -> list[Path]:
    """The files that are written besides the rows, as in mp4/NAME-ID.mp4."""
    name = Path(job.path).stem
    return [job.dataset / kind / f"{name}-{job.id}.{kind}" for kind in job.work.also]


def checked_settings(job: Job) -> Settings:
    """The settings on this machine. Raises EmotionCamError if they are not those of the data set."""
    settings = settings_of(job.work)
    if settings.id != job.settings:
        raise EmotionCamError(
            f"The worker on {platform.node()} has other models, or another version of emotion-cam "
            f"({settings.version}), than the computer that the run was started on."
        )
    return settings


def constants_of(entry: Entry, settings: Settings) -> dict[str, str]:
    """The columns that are the same in all rows of a video."""
    path = os.fsencode(entry.path).decode(errors="backslashreplace")  # a name may contain bytes that are not text
    return {"video": entry.id, "path": path, "hash": entry.hash, "version": settings.version}


@lru_cache(maxsize=1)
def recognizer_of(models: ModelSpec) -> Recognizer:
    """The recognizer of this process."""
    return models.open()


def recognize_all(
    work: Work, source: Source, sinks: list[Sink], on_result: Callable[[FrameResult], None] = lambda result: None
) -> None:
    """Take every frame of a source through recognition to the sinks."""
    every = work.models.search_every(hides_faces=work.view.blur)
    follower = recognizer_of(work.models).follow(every=every, smooth=work.models.smooth)

    def recognize(frame: Frame) -> tuple[Face, ...]:
        return follower(frame.image, frame.time)

    frames = (frame.mirrored() for frame in source) if work.view.mirror else iter(source)
    run(frames, recognize, sinks, controls=Controls(work.view), on_result=on_result)


class RowsSink(Sink):
    """Turns results into rows.

    Args:
        write: takes rows of ``parquet.schema()``; all rows of a frame come in the same batch.

    Attributes:
        last: the time of the last frame, in seconds.
    """

    def __init__(self, write: Callable[[pa.RecordBatch], None]) -> None:
        self._write = write
        self._rows = Rows()
        self.last = 0.0

    def write(self, result: FrameResult) -> None:
        self._rows.add(result.frame, result.faces)
        self.last = result.frame.time
        if len(self._rows) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if len(self._rows):
            self._write(self._rows.take())


def counted(entry: Entry, tally: Tally, duration: float) -> Entry:
    """The entry with what was written."""
    return msgspec.structs.replace(
        entry,
        duration=duration,
        frames=tally.frames,
        frames_with_face=tally.frames_with_face,
        rows=tally.rows,
        tracks=tally.tracks,
        labels={task: dict(counter) for task, counter in tally.labels.items()},
    )


def duration_of(source: Source, last: float) -> float:
    """The length of a video in seconds, from the time of its last frame."""
    return round(last + (1 / source.fps if source.fps else 0.0), 3)


def _is_same(before: Entry, now: Entry) -> bool:
    """Whether a file still has the content that it had. A hash of all bytes is compared where both are known."""
    known = before.whole is None or now.whole is None
    return before.hash == now.hash and (known or before.whole == now.whole)


def _recognize(job: Job, entry: Entry) -> Entry:
    settings = checked_settings(job)
    for path in also_paths(job):
        path.parent.mkdir(exist_ok=True)
    output = OutputSpec(tuple(also_paths(job)), show=False)
    constants = constants_of(entry, settings)
    with contextlib.ExitStack() as stack:
        # The rows get their name last: where they are, the other files are too.
        writer = stack.enter_context(faces_writer(faces_path(job.dataset, job.id), constants, settings.models))
        source = stack.enter_context(VideoSource(job.path))
        sinks = stack.enter_context(output.open(source, Controls(job.work.view)))
        rows = RowsSink(writer.write)
        recognize_all(job.work, source, [rows, *sinks])
        rows.flush()
        return counted(entry, writer.tally, duration_of(source, rows.last))
