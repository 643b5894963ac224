"""A run over a corpus: finds the videos, plans, gives the work to the engine, and keeps the manifest."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from emotion_cam.corpus.claim import Claim
from emotion_cam.corpus.engine import Call, Engine, WorkersDiedError
from emotion_cam.corpus.faces import FACES
from emotion_cam.corpus.find import Video, find_videos
from emotion_cam.corpus.manifest import Entry, Manifest
from emotion_cam.corpus.plan import Plan, plan
from emotion_cam.corpus.settings import Work, settings_of
from emotion_cam.corpus.spec import CorpusSpec
from emotion_cam.corpus.stretches import Cut, do_stretch, join, remove_work
from emotion_cam.corpus.summary import write_summary
from emotion_cam.corpus.work import Job, do, failed, remove_rows, start_entry
from emotion_cam.errors import SinkError


class Watch(Protocol):
    """Follows a run."""

    def planned(self, made: Plan) -> None:
        """The plan is made."""

    def started(self, dashboard: str | None) -> None:
        """The engine runs; Dask's page is at that address."""

    def ended(self, entry: Entry, size: int) -> None:
        """A video of so many bytes has ended."""


@dataclass
class Totals:
    """What a run did.

    Attributes:
        done, failed: how many videos.
        same: how many of them were looked at and had not changed.
        unchanged: how many needed nothing.
        left: how many were not reached.
        duration: the length of the videos that were done, in seconds.
        took: how long the run took, in seconds.
    """

    done: int = 0
    failed: int = 0
    same: int = 0
    unchanged: int = 0
    left: int = 0
    duration: float = 0.0
    took: float = 0.0


def prepare(places: Sequence[Path], spec: CorpusSpec, work: Work) -> Plan:
    """The plan of a run that is not carried out; nothing is written.

    Raises:
        SourceError, ModelError, DatasetError: as ``run_corpus``.
    """
    videos = find_videos(places, without=spec.out)
    return plan(videos, Manifest(spec.out), spec, work, settings_of(work).id)


def run_corpus(places: Sequence[Path], spec: CorpusSpec, work: Work, watch: Watch, totals: Totals) -> None:
    """Do whatever is new, changed, failed or asked otherwise, and count it in ``totals``, however the run ends.

    Raises:
        SourceError: a place cannot be read, or holds no video.
        ModelError, DetectorError, GroupError: the models cannot be opened.
        DatasetError: the manifest cannot be read.
        SinkError: another run works on the data set, or it cannot be written to.
        SchedulerLostError: the scheduler does not answer any more.
    """
    began = time.monotonic()
    videos = find_videos(places, without=spec.out)
    work = _with_absolute_paths(work)
    settings = settings_of(work)
    work.models.open()  # an error that all videos would have
    try:
        (spec.out / FACES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{spec.out} cannot be written: {error.strerror}.") from error
    with Claim(spec.out) as claim:
        manifest = Manifest(spec.out)
        made = plan(videos, manifest, spec, work, settings.id)
        watch.planned(made)
        totals.unchanged, totals.left = made.unchanged, len(made.jobs)
        manifest.begin(settings)
        try:
            for entry in made.renamed:
                manifest.add(entry)
            if claim.taken_over:
                _sweep(spec.out, manifest)
            if made.jobs:
                workers = spec.jobs if spec.split else min(spec.jobs, len(made.jobs))
                with Engine(workers, spec.scheduler) as engine:
                    watch.started(engine.dashboard)
                    _work(engine, made, {video.id: video for video in videos}, manifest, claim, watch, totals)
        finally:
            totals.took = time.monotonic() - began
            manifest.close()
            if made.jobs or made.renamed:
                write_summary(spec.out, manifest)


def _work(
    engine: Engine,
    made: Plan,
    videos: dict[str, Video],
    manifest: Manifest,
    claim: Claim,
    watch: Watch,
    totals: Totals,
) -> None:
    calls = deque(Call(do, (job,), (job, size)) for job, size in made.jobs)
    stretches = _Stretches(calls)
    for call, outcome in engine.run(calls):
        job, size = call.about
        claim.check()
        entry = stretches.take(call, outcome)
        if entry is None:
            continue
        entry = msgspec.structs.replace(entry, columns=dict(videos[job.id].columns))
        manifest.add(entry)
        totals.left -= 1
        if entry.result != "done":
            totals.failed += 1
        elif job.before is not None and entry.ended == job.before.ended:
            totals.same += 1
        else:
            totals.done += 1
            totals.duration += entry.duration
        watch.ended(entry, size)


class _Stretches:
    """Follows the videos that are cut, from the first call to the last one, which joins their stretches.

    Args:
        calls: where their calls are added.
    """

    def __init__(self, calls: deque[Call]) -> None:
        self._calls = calls
        self._cuts: dict[str, Cut] = {}
        self._outcomes: dict[str, list[Any]] = {}

    def take(self, call: Call, outcome: Any) -> Entry | None:
        """The entry of a call's video; None if it has none yet."""
        job, _ = call.about
        if isinstance(outcome, Cut):
            self._cuts[job.id], self._outcomes[job.id] = outcome, []
            for stretch in reversed(outcome.stretches):
                self._calls.appendleft(Call(do_stretch, (job, outcome.entry, stretch), call.about))
            return None
        if call.function is do_stretch:
            return self._take_stretch(call, outcome)
        return outcome if isinstance(outcome, Entry) else _lost(job, outcome)

    def _take_stretch(self, call: Call, outcome: Any) -> Entry | None:
        job, _ = call.about
        made, outcomes = self._cuts[job.id], self._outcomes[job.id]
        outcomes.append(outcome)
        if len(outcomes) < len(made.stretches):
            return None
        del self._cuts[job.id], self._outcomes[job.id]
        bad = next((each for each in outcomes if not isinstance(each, bool)), None)
        if not all(outcome is True for outcome in outcomes):
            remove_work(job)
        if bad is not None:
            remove_rows(job)
            return bad if isinstance(bad, Entry) else _lost(job, bad)
        follow_up = Call(join, (job, made), call.about) if all(outcomes) else Call(_do_whole, (job,), call.about)
        self._calls.appendleft(follow_up)
        return None


def _do_whole(job: Job) -> Entry | Cut:
    """Do a video whose frames are not those that its packets promised."""
    return do(job, may_cut=False)


def _lost(job: Job, error: BaseException) -> Entry:
    """The entry of a video whose call returned none."""
    remove_rows(job)
    entry = msgspec.structs.replace(failed(start_entry(job), error), ended=time.time())
    if isinstance(error, WorkersDiedError):
        return msgspec.structs.replace(entry, error=f"{job.path} was left: every worker that tried it died.")
    return entry


def _with_absolute_paths(work: Work) -> Work:
    """The work with paths that mean the same in another folder, where a worker may run."""
    models = work.models
    detector = models.detector_model and models.detector_model.absolute()
    model, adapt = (tuple(path.absolute() for path in paths) for paths in (models.model, models.adapt))
    return replace(work, models=replace(models, model=model, adapt=adapt, detector_model=detector))


def _sweep(dataset: Path, manifest: Manifest) -> None:
    """Remove what a killed run has left: unfinished files, and rows of videos that are not in the manifest."""
    for path in (dataset / FACES).glob("*/*"):
        entry = manifest.entries.get(path.stem)
        if path.suffix == ".part" or entry is None or entry.result != "done":
            path.unlink(missing_ok=True)
