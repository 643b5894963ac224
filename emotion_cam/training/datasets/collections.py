"""Readers of the collections ``expressions`` and ``gender``, each put together from many sources.

Both have their pictures as ``SET/LABEL/NAME.jpg`` beside ``labels.csv``, which names every picture with its source set,
its person and its split. Pictures are gray, 80×80; the detector's box is their central 64×64. They are split by person
into train and validation; there is no test split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion_cam.training.datasets.emotions import EMOTIONS
from emotion_cam.training.datasets.faces import FaceSet
from emotion_cam.training.datasets.genders import GENDERS, age_group
from emotion_cam.training.datasets.reading import (
    centered_box,
    index_of,
    one_hot,
    open_table,
    read_pictures,
    read_rows,
)

POSED = ("kdef", "kdef-side", "london", "yale")
"""The source sets whose validation part is clean enough to be quoted as a test of posed faces, as the collection's
README says: people told to show one expression, and never chosen by a network."""

COLLECTION_SPLITS = ("train", "validation")

_RACES = {
    "": "",
    "asian": "Asian",
    "east_asian": "Asian",
    "black": "Black",
    "indian": "Indian",
    "latino": "Latino",
    "west_asian": "Middle Eastern",
    "white": "White",
}


def read_expressions(path: Path, split: str) -> FaceSet:
    """All of ``expressions``: posed faces and faces from the web. The groups are the source sets."""
    return _expressions(path, split, "expressions", ())


def read_posed(path: Path, split: str) -> FaceSet:
    """The sets of ``expressions`` that are in POSED."""
    return _expressions(path, split, "posed", POSED)


def _expressions(path: Path, split: str, name: str, sets: Sequence[str]) -> FaceSet:
    rows = [row for row in _rows(path, split, ("label",)) if not sets or row["set"] in sets]
    emotions = [index_of(row["label"], EMOTIONS, path / "labels.csv") for row in rows]
    images = read_pictures([path / row["file"] for row in rows])
    groups = {"set": _column(rows, "set")}
    return FaceSet(f"{name} {split}", images, one_hot(emotions, 7), EMOTIONS, centered_box(0.8), groups=groups)


def read_gender(path: Path, split: str) -> FaceSet:
    """``gender``: children, people over 50, studio portraits, covered hair. The groups are source set, age, race."""
    rows = _rows(path, split, ("gender", "age", "race"))
    genders = [index_of(row["gender"], GENDERS, path / "labels.csv") for row in rows]
    images = read_pictures([path / row["file"] for row in rows])
    groups = {
        "set": _column(rows, "set"),
        "race": np.array([_RACES.get(row["race"].lower(), "other") for row in rows], np.str_),
        "age": np.array([_age(row["age"]) for row in rows], np.str_),
    }
    return FaceSet(f"gender {split}", images, one_hot(genders, 2), GENDERS, centered_box(0.8), groups=groups)


def _age(written: str) -> str:
    """FairFace's age group for years; "" for NA; the source's own words, such as "young", stay as they are."""
    return age_group(int(written)) if written.isdigit() else written.replace("NA", "")


def _rows(path: Path, split: str, columns: Sequence[str]) -> list[dict[str, str]]:
    table = path / "labels.csv"
    with open_table(table) as lines:
        rows = read_rows(lines, table, ("file", "set", "person", "split", *columns))
        return [row for row in rows if row["split"] == split]


def _column(rows: Sequence[dict[str, str]], name: str) -> npt.NDArray[np.str_]:
    return np.array([row[name] for row in rows], np.str_)
