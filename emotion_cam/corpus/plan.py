"""Compares the videos of a corpus with what is done, and says what is to be done and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from emotion_cam.corpus.faces import faces_path
from emotion_cam.corpus.find import Video
from emotion_cam.corpus.manifest import Entry, Manifest
from emotion_cam.corpus.settings import Work
from emotion_cam.corpus.spec import CorpusSpec
from emotion_cam.corpus.work import Job


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        jobs: the videos to be done, with the bytes of each file; the largest come first, so that no worker still has
            a long one when the others have nothing left.
        reasons: how many of them are to be done for which reason: "new", "changed", "failed", …
        unchanged: how many need nothing.
        damaged: the entries of those that are damaged and need nothing.
        renamed: entries that get other columns, because the user's list changed.
    """

    jobs: list[tuple[Job, int]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    damaged: list[Entry] = field(default_factory=list)
    renamed: list[Entry] = field(default_factory=list)


def plan(videos: Sequence[Video], manifest: Manifest, spec: CorpusSpec, work: Work, settings: str) -> Plan:
    """Compare videos with a manifest.

    Args:
        videos: the videos.
        manifest: what is done.
        spec: how to work.
        work: what is done with each video.
        settings: the id of its settings.
    """
    made = Plan()
    dataset = Path(os.path.abspath(spec.out))  # noqa: PTH100 - resolve would follow links that other machines lack
    files = _files(dataset)
    for video in videos:
        entry = manifest.entries.get(video.id)
        try:
            status = os.stat(video.path)  # noqa: PTH116 - as in find
            size, mtime = status.st_size, status.st_mtime_ns
        except OSError:
            size, mtime = 0, 0  # the worker names the reason
        reason = _reason(entry, size, mtime, spec, settings, files)
        if reason is None:
            assert entry is not None
            made.unchanged += entry.result == "done"
            if entry.result == "damaged":
                made.damaged.append(entry)
            if entry.columns != msgspec.to_builtins(dict(video.columns), enc_hook=str):
                made.renamed.append(msgspec.structs.replace(entry, columns=dict(video.columns)))
            continue
        before = entry if reason in ("changed", "to be verified") else None
        job = Job(video.id, video.path, dataset, work, settings, before, spec.verify)
        made.jobs.append((job, size))
        made.reasons[reason] += 1
    made.jobs.sort(key=lambda pair: -pair[1])
    return made


def _reason(entry: Entry | None, size: int, mtime: int, spec: CorpusSpec, settings: str, files: set[str]) -> str | None:
    """Why a video is to be done; None if it need not be."""
    if entry is None:
        return "new"
    if entry.result == "failed" or (entry.result == "damaged" and spec.retry):
        return "failed before" if entry.result == "failed" else "damaged before"
    if entry.settings != settings:
        return "done with other options, models or version"
    if entry.result == "done" and entry.id not in files:
        return "without its rows"
    if (entry.size, entry.mtime) != (size, mtime):
        return "changed"
    return "to be verified" if spec.verify else None


def _files(dataset: Path) -> set[str]:
    """The ids of the videos that have rows."""
    root = faces_path(dataset, "00").parent.parent
    return {path.stem for path in root.glob("*/*.parquet")} if root.is_dir() else set()
