"""Every reader on a small copy of its official layout, and what it says if the files are not there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets import DATASETS, EMOTIONS, GENDERS, load, without_copies
from emotion_cam.types import Box, Image
from tests.training.conftest import patches


def write(image: Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def test_fer2013_has_its_official_splits(fer2013: Path) -> None:
    for split, count in (("train", 56), ("validation", 14), ("test", 14)):
        faces = load("fer2013", fer2013, split)
        assert faces.images.shape == (count, 48, 48)
        assert faces.images.dtype == np.uint8
        assert faces.targets.argmax(axis=1).tolist() == [number % 7 for number in range(count)]
        assert (faces.labels, faces.box) == (EMOTIONS, Box(0, 0, 48, 48))
    assert len(load("fer2013", fer2013 / "fer2013.csv", "test")) == 14


def test_votes_are_mixed_into_the_targets_unless_most_voters_saw_no_emotion(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    mixed = faces.mixed(0.4).targets
    assert mixed.sum(axis=1) == pytest.approx(1)
    assert mixed[0] == pytest.approx([0.6 + 0.4 * 6 / 8, 0, 0, 0, 0.4 * 2 / 8, 0, 0])
    assert mixed[2] == pytest.approx(np.eye(7)[2])
    assert faces.mixed(0) is faces


def test_ferplus_keeps_the_pictures_on_which_voters_agree(fer2013: Path) -> None:
    assert set(load("ferplus", fer2013, "train").targets.argmax(axis=1)) == {0, 1}
    test = load("ferplus", fer2013, "test")
    assert set(test.targets.argmax(axis=1)) == {0}
    assert len(test) == 10
    assert test.targets[0] == pytest.approx([6 / 8, 0, 0, 0, 2 / 8, 0, 0])


def test_copies_of_test_pictures_are_left_out_of_the_training_set(fer2013: Path) -> None:
    train, test = load("fer2013", fer2013, "train"), load("fer2013", fer2013, "test")
    test.images[3] = train.images[5]
    cleaned = without_copies(train, [test])
    # The first training picture was a copy before, see the fixture.
    assert np.array_equal(cleaned.images, np.delete(train.images, [0, 5], axis=0))
    assert np.array_equal(cleaned.targets, np.delete(train.targets, [0, 5], axis=0))


def test_fairface(portrait: Image, tmp_path: Path) -> None:
    images = patches(portrait, 40, 224)
    for name, part in (("train", images), ("val", images[:5])):
        lines = ["file,age,gender,race"]
        for number, image in enumerate(part, start=1):
            write(image, tmp_path / name / f"{number}.jpg")
            gender, race = "Male" if number % 3 else "Female", "Indian" if number % 2 else "Black"
            lines.append(f"{name}/{number}.jpg,20-29,{gender},{race}")
        (tmp_path / f"fairface_label_{name}.csv").write_text("\n".join(lines) + "\n")
    train, validation, test = (load("fairface", tmp_path, split) for split in ("train", "validation", "test"))
    assert [len(faces) for faces in (train, validation, test)] == [38, 2, 5]
    assert test.targets.argmax(axis=1).tolist() == [0, 0, 1, 0, 0]
    assert (test.labels, test.box, test.images.shape) == (GENDERS, Box(8, 8, 72, 72), (5, 80, 80))
    assert test.groups["race"].tolist() == ["Indian", "Black", "Indian", "Black", "Indian"]
    assert test.take(np.array([1, 3])).groups["race"].tolist() == ["Black", "Black"]
    assert set(test.groups["age"]) == {"20-29"}
    # No picture is in both.
    assert len(without_copies(train, [validation])) == 38


def test_utkface_ignores_young_children_and_broken_names(portrait: Image, tmp_path: Path) -> None:
    names = [f"{20 + number}_{number % 2}_0_1.jpg" for number in range(20)] + ["7_1_0_1.jpg", "61_3_2017.jpg", "x.jpg"]
    for image, name in zip(patches(portrait, len(names), 80), names, strict=True):
        write(image, tmp_path / "UTKFace" / name)
    sets = {split: load("utkface", tmp_path, split) for split in ("train", "validation", "test")}
    assert {split: len(faces) for split, faces in sets.items()} == {"train": 18, "validation": 1, "test": 1}
    assert sets["train"].targets.sum(axis=0).tolist() == [9, 9]


def test_utkface_names_race_and_age_like_fairface(portrait: Image, tmp_path: Path) -> None:
    names = ["8_0_0_1.jpg", "9_0_1_1.jpg", "10_1_2_1.jpg", "69_1_3_1.jpg", "70_0_4_1.jpg", "99_0__1.jpg"]
    for image, name in zip(patches(portrait, 6, 80), names, strict=True):
        for copy in range(20):  # every twentieth picture is in the test split
            write(image, tmp_path / name.replace(".jpg", f"_{copy:02}.jpg"))
    test = load("utkface", tmp_path, "test")
    assert set(zip(test.groups["race"], test.groups["age"], strict=True)) == {
        ("White", "3-9"),
        ("Black", "3-9"),
        ("Asian", "10-19"),
        ("Indian", "60-69"),
        ("other", "more than 70"),
        ("", "more than 70"),
    }


def test_rafdb_labels_become_those_of_emotions(portrait: Image, tmp_path: Path) -> None:
    for number, image in enumerate(patches(portrait, 7, 80), start=1):
        write(image, tmp_path / "test" / str(number) / f"test_{number}_aligned.jpg")
    faces = load("rafdb", tmp_path, "test")
    labels = [EMOTIONS[index] for index in faces.targets.argmax(axis=1)]
    assert labels == ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]


@pytest.mark.parametrize("folders", [("",), ("train", "test"), ("train", "validation", "test")])
def test_class_folders_with_and_without_official_splits(
    portrait: Image, tmp_path: Path, folders: tuple[str, ...]
) -> None:
    images = iter(patches(portrait, 240, 30))
    for folder in folders:
        for label in ("dog", "cat"):
            for number in range(40):
                write(next(images), tmp_path / folder / label / f"{number:02}.png")
    counts = {split: len(load("folder", tmp_path, split)) for split in ("train", "validation", "test")}
    assert (
        counts
        == {
            1: {"train": 72, "validation": 4, "test": 4},
            2: {"train": 76, "validation": 4, "test": 80},
            3: {"train": 80, "validation": 80, "test": 80},
        }[len(folders)]
    )
    faces = load("folder", tmp_path, "validation")
    assert (faces.labels, faces.box) == (("cat", "dog"), Box(0, 0, 80, 80))
    # Both classes are in the held-out part.
    assert (faces.targets.sum(axis=0) > 0).all()


def test_fer2013_can_also_be_class_folders(portrait: Image, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label, image in zip(EMOTIONS, patches(portrait, 7, 48), strict=True):
            write(image, tmp_path / split / label / "0.png")
    faces = load("fer2013", tmp_path, "test")
    assert faces.targets.argmax(axis=1).tolist() == list(range(7))
    assert (faces.name, faces.labels) == ("fer2013 test", EMOTIONS)


FAIRFACE_COLUMNS = "file,age,gender,race"


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("fer2013", {"fer2013.csv": "a,b\n1,2\n"}, "no column emotion or pixels or Usage; give the official file"),
        ("fer2013", {"fer2013.csv": "emotion,pixels,Usage\n"}, "has no pictures for the test split of fer2013"),
        ("ferplus", {"fer2013.csv": "emotion,pixels,Usage\n"}, "fer2013new.csv does not exist; FER\\+ needs it"),
        ("fairface", {}, "fairface_label_val.csv does not exist; give the folder of the data set"),
        (
            "fairface",
            {"fairface_label_val.csv": f"{FAIRFACE_COLUMNS}\nval/1.jpg,1,Male,x\n"},
            "1.jpg is missing or not",
        ),
        ("fairface", {"fairface_label_val.csv": f"{FAIRFACE_COLUMNS}\nx,1,?,x\n"}, "“.” where Male or Female is"),
        ("rafdb", {}, "has no pictures for the test split of rafdb"),
        ("utkface", {}, "has no pictures for the test split of utkface"),
        ("folder", {"train/yes/1.txt": ""}, "test does not exist; it must have one folder of pictures for each class"),
        ("fer2013", {"angry/1.png": ""}, "has no folder “disgust”; it must have one for each class"),
        ("mnist", {}, "no data set “mnist”; there are fer2013, ferplus"),
    ],
)
def test_wrong_files_are_named_in_one_line(tmp_path: Path, name: str, files: dict[str, str], message: str) -> None:
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    with pytest.raises(DatasetError, match=message) as error:
        load(name, tmp_path, "test")
    assert "\n" not in str(error.value)


def test_votes_must_match_the_pictures(fer2013: Path, tmp_path: Path) -> None:
    shutil.copy(fer2013 / "fer2013.csv", tmp_path)
    rows = (fer2013 / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(DatasetError, match=r"has 13 rows for “test”, but fer2013\.csv has 14\."):
        load("ferplus", tmp_path, "test")


def test_a_place_or_split_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"nowhere does not exist; give the folder of the data set fer2013\."):
        load("fer2013", tmp_path / "nowhere", "test")
    with pytest.raises(DatasetError, match=r"`split` must be train, validation or test, not “val”\."):
        load("fer2013", tmp_path, "val")
    monkeypatch.setitem(DATASETS, "two", replace(DATASETS["folder"], splits=("train", "validation")))
    with pytest.raises(DatasetError, match=r"two has no test split; `split` can be train or validation\."):
        load("two", tmp_path, "test")


def test_a_folder_says_what_its_pictures_show(tmp_path: Path) -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[25:75, 25:75] = 200  # the face
    for label in ("a", "b"):
        write(picture, tmp_path / label / "1.png")
    (tmp_path / "about.json").write_text('{"box": 0.5, "split": "test"}')
    faces = load("folder", tmp_path, "test")
    assert (len(faces), faces.labels, faces.box) == (2, ("a", "b"), Box(40, 40, 120, 120))
    assert min(face.min() for face in faces.extracted((48, 48), -0.02)) == 200
    assert (np.mean(faces.extracted((48, 48), 0.5)[0] == 200)) == pytest.approx(0.25, abs=0.05)
    with pytest.raises(DatasetError, match="has no pictures for the train split of folder"):
        load("folder", tmp_path, "train")
    for bad in ('{"box": 2}', '{"split": "all"}', "[", '{"box": null}'):
        (tmp_path / "about.json").write_text(bad)
        with pytest.raises(DatasetError, match=r"about\.json is not a description of pictures: "):
            load("folder", tmp_path, "test")
