"""Readers of data sets with perceived gender: FairFace and UTKFace."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion_cam.training.datasets.faces import FaceSet
from emotion_cam.training.datasets.reading import (
    centered_box,
    index_of,
    one_hot,
    open_table,
    part,
    read_pictures,
    read_rows,
)

GENDERS = ("man", "woman")
"""The labels."""

UTKFACE_YOUNGEST = 8
"""Pictures of people below this age in years are left out: their gender labels are doubtful to the eye."""

_UTKFACE_RACES = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "other"}


def read_fairface(path: Path, split: str) -> FaceSet:
    """``fairface_label_{train,val}.csv`` (file, age, gender, race) and the pictures that they name."""
    table = path / f"fairface_label_{'val' if split == 'test' else 'train'}.csv"
    with open_table(table) as lines:
        rows = list(read_rows(lines, table, ("file", "age", "gender", "race")))
    if split != "test":
        rows = part(rows, split)
    genders = [index_of(row["gender"], ("Male", "Female"), table) for row in rows]
    images = read_pictures([path / row["file"] for row in rows])
    groups = {kind: np.array([row[kind] for row in rows], np.str_) for kind in ("race", "age")}
    return FaceSet(f"fairface {split}", images, one_hot(genders, 2), GENDERS, centered_box(0.8), groups=groups)


def read_utkface(path: Path, split: str) -> FaceSet:
    """Pictures named ``age_gender_race_….jpg`` (gender 0 man, 1 woman), without children below UTKFACE_YOUNGEST."""
    folder = path / "UTKFace" if (path / "UTKFace").is_dir() else path
    found: list[tuple[Path, int, str, str]] = []
    for file in sorted(folder.glob("*.jpg")):
        age, gender, race = [*file.name.split("_"), "", ""][:3]
        # A few file names of the official set lack the gender and are ignored.
        if age.isdigit() and gender in ("0", "1") and int(age) >= UTKFACE_YOUNGEST:
            found.append((file, int(gender), _UTKFACE_RACES.get(race, ""), age_group(int(age))))
    found = part(found, split, ("validation", "test"))
    images = read_pictures([file for file, *_ in found])
    targets = one_hot([gender for _, gender, *_ in found], 2)
    groups = {
        "race": np.array([race for *_, race, _ in found], np.str_),
        "age": np.array([age for *_, age in found], np.str_),
    }
    return FaceSet(f"utkface {split}", images, targets, GENDERS, centered_box(0.8), groups=groups)


def age_group(age: int) -> str:
    """The age group of FairFace that an age in years belongs to."""
    if age < 10:
        return "0-2" if age < 3 else "3-9"
    return "more than 70" if age >= 70 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"
