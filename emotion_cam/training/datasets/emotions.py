"""Readers of data sets with the seven basic emotions: FER2013, FER+ and RAF-DB."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets.faces import FaceSet, Targets
from emotion_cam.training.datasets.folders import read_folders
from emotion_cam.training.datasets.reading import centered_box, one_hot, open_table, part, read_pictures, read_rows
from emotion_cam.types import Box

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The labels, in FER2013's order."""

_FER_USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_FERPLUS_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_FERPLUS_OTHER = ("contempt", "unknown", "NF")
_RAFDB_LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")


def read_fer2013(path: Path, split: str) -> FaceSet:
    """``fer2013.csv`` (emotion, pixels, Usage), with votes if ``fer2013new.csv`` is beside it; or class folders."""
    table = path if path.is_file() else path / "fer2013.csv"
    if not table.exists():
        return read_folders(path, split, EMOTIONS, "fer2013")
    pixels, emotions = [], []
    with open_table(table) as lines:
        for row in read_rows(lines, table, ("emotion", "pixels", "Usage")):
            if row["Usage"] == _FER_USAGE[split]:
                pixels.append(np.fromstring(row["pixels"], dtype=np.uint8, sep=" "))
                emotions.append(int(row["emotion"]))
    images = np.stack(pixels).reshape(-1, 48, 48) if pixels else np.zeros((0, 48, 48), np.uint8)
    # OpenCV's frontal cascade finds the whole picture: the median box is 46.7 of 48 pixels wide.
    faces = FaceSet(f"fer2013 {split}", images, one_hot(emotions, len(EMOTIONS)), EMOTIONS, Box(0, 0, 48, 48))
    votes_table = table.with_name("fer2013new.csv")
    if not votes_table.exists():
        return faces
    votes, others = _read_votes(votes_table, split, expected=len(faces))
    total = votes.sum(axis=1, keepdims=True)
    known = (total > 0) & (total > others.max(axis=1, keepdims=True))
    return replace(faces, votes=np.where(known, votes / np.maximum(total, 1), faces.targets))


def read_ferplus(path: Path, split: str) -> FaceSet:
    """The pictures of FER2013 with the votes of FER+ as targets.

    A picture is kept if its most frequent vote is one of the seven emotions; in validation and test also at least five
    of the ten voters must agree, as is usual when accuracy on FER+ is reported.
    """
    faces = read_fer2013(path, split)
    table = (path if path.is_dir() else path.parent) / "fer2013new.csv"
    if not table.exists():
        raise DatasetError(f"{table} does not exist; FER+ needs it beside fer2013.csv.")
    votes, others = _read_votes(table, split, expected=len(faces))
    most = votes.max(axis=1)
    clear = (most > others.max(axis=1)) & (most >= (1 if split == "train" else 5))
    targets = (votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    return replace(faces, name=f"ferplus {split}", targets=targets, votes=targets).take(clear)


def _read_votes(table: Path, split: str, expected: int) -> tuple[Targets, Targets]:
    """The votes for the seven emotions, in the order of EMOTIONS, and for contempt, unknown and not-a-face."""
    votes, others = [], []
    with open_table(table) as lines:
        for row in read_rows(lines, table, ("Usage", *_FERPLUS_COLUMNS, *_FERPLUS_OTHER)):
            if row["Usage"] == _FER_USAGE[split]:
                votes.append([float(row[column]) for column in _FERPLUS_COLUMNS])
                others.append([float(row[column]) for column in _FERPLUS_OTHER])
    if len(votes) != expected:
        raise DatasetError(f"{table} has {len(votes)} rows for “{split}”, but fer2013.csv has {expected}.")
    return np.array(votes, np.float32), np.array(others, np.float32)


def read_rafdb(path: Path, split: str) -> FaceSet:
    """``{train,test}/C/….jpg`` with C from 1 (surprise) to 7 (neutral)."""
    folder = path / ("test" if split == "test" else "train")
    files: list[tuple[Path, int]] = []
    for number, label in enumerate(_RAFDB_LABELS, start=1):
        files += [(file, EMOTIONS.index(label)) for file in sorted((folder / str(number)).glob("*.jpg"))]
    if split != "test":
        files = part(files, split)
    images = read_pictures([file for file, _ in files])
    targets = one_hot([emotion for _, emotion in files], len(EMOTIONS))
    # OpenCV's frontal cascade finds a box of 0.88 of the side of the authors' aligned pictures.
    return FaceSet(f"rafdb {split}", images, targets, EMOTIONS, centered_box(0.88))
