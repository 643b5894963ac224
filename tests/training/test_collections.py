from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets import EMOTIONS, GENDERS, load
from emotion_cam.types import Box


@pytest.fixture
def expressions(tmp_path: Path) -> Path:
    rows = [
        ("kdef/angry/F01-0001.jpg", "kdef", "angry", "kdef-F01", "train"),
        ("kdef/fear/F02-0001.jpg", "kdef", "fear", "kdef-F02", "validation"),
        ("affectnet/sad/src-0001.jpg", "affectnet", "sad", "", "validation"),
    ]
    return write(tmp_path / "expressions", "file,set,label,person,split", rows)


@pytest.fixture
def gender(tmp_path: Path) -> Path:
    rows = [
        ("aaf/woman/src-0001.jpg", "aaf", "woman", "7", "", "aaf-1", "train"),
        ("aaf/man/src-0002.jpg", "aaf", "man", "61", "east_asian", "aaf-2", "train"),
        ("cfd/man/M1-0001.jpg", "cfd", "man", "NA", "Black", "cfd-M1", "validation"),
        ("imfdb/man/X-0001.jpg", "imfdb", "man", "old", "east_asian/white", "X", "validation"),
    ]
    return write(tmp_path / "gender", "file,set,gender,age,race,person,split", rows)


def write(folder: Path, header: str, rows: Sequence[tuple[str, ...]]) -> Path:
    for number, (file, *_) in enumerate(rows):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / file), np.full((80, 80), 40 * number, np.uint8))
    (folder / "labels.csv").write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return folder


def test_expressions_are_split_by_the_table(expressions: Path) -> None:
    train, validation = (load("expressions", expressions, split) for split in ("train", "validation"))
    assert train.images.shape == (1, 80, 80)
    assert (train.labels, train.box) == (EMOTIONS, Box(8, 8, 72, 72))
    assert train.targets.argmax(axis=1).tolist() == [0]
    assert validation.targets.argmax(axis=1).tolist() == [2, 4]
    assert validation.groups["set"].tolist() == ["kdef", "affectnet"]
    assert validation.images[1].mean() == pytest.approx(80, abs=2)


def test_posed_faces_are_those_of_the_clean_sets(expressions: Path) -> None:
    posed = load("posed", expressions, "validation")
    assert (posed.name, posed.groups["set"].tolist()) == ("posed validation", ["kdef"])


def test_gender_knows_ages_and_races_in_fairfaces_words(gender: Path) -> None:
    train, validation = (load("gender", gender, split) for split in ("train", "validation"))
    assert train.labels == GENDERS
    assert train.targets.argmax(axis=1).tolist() == [1, 0]
    assert train.groups["age"].tolist() == ["3-9", "60-69"]
    assert train.groups["race"].tolist() == ["", "Asian"]
    assert validation.groups["age"].tolist() == ["", "old"]
    assert validation.groups["race"].tolist() == ["Black", "other"]


def test_collections_have_no_test_split(expressions: Path) -> None:
    with pytest.raises(DatasetError, match="expressions has no test split; `split` can be train or validation"):
        load("expressions", expressions, "test")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (",label,", ",what,", "no column label"),
        ("angry,", "bored,", "has “bored” where"),
        ("kdef/angry/F01-0001.jpg", "kdef/angry/gone.jpg", "gone.jpg is missing"),
    ],
)
def test_tables_that_are_not_the_collections(expressions: Path, old: str, new: str, problem: str) -> None:
    table = expressions / "labels.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=problem):
        load("expressions", expressions, "train")
    table.unlink()
    with pytest.raises(DatasetError, match=r"labels\.csv does not exist"):
        load("expressions", expressions, "train")
