"""The data sets, read in their official layouts into arrays of grey pictures with labels.

Every loader takes the folder (or file) that the data set's authors publish and the name of a split, and returns a
FaceSet. What is chosen (epochs, recipe, thresholds) is chosen on "validation"; "test" is for reporting alone.
Data sets without an official validation split give up every twentieth picture of their training split.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.errors import DatasetError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Image

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The emotion labels, in FER2013's order."""

GENDERS = ("man", "woman")

SPLITS = ("train", "validation", "test")

PICTURE_SIDE = 80
"""Side in pixels to which pictures of data sets without a common size are brought."""

Targets: TypeAlias = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class FaceSet:
    """Pictures of faces of one size, and what they show.

    Attributes:
        name: the data set and split, as in "fer2013 train".
        images: uint8, (pictures, height, width), grey.
        targets: float32, (pictures, classes), each row a distribution over the labels.
        labels: the classes.
        box: where a face detector's box lies in every picture.
        votes: float32, (pictures, classes), the share of human voters for each label, where these are known.
        groups: by kind of group ("race", "age") a str array, (pictures,), of the group of every picture's person;
            "" where it is not known.
    """

    name: str
    images: Image
    targets: Targets
    labels: tuple[str, ...]
    box: Box
    votes: Targets | None = None
    groups: dict[str, npt.NDArray[np.str_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: npt.NDArray[Any]) -> FaceSet:
        """The pictures of these rows (indices or a mask)."""
        votes = None if self.votes is None else self.votes[rows]
        groups = {kind: values[rows] for kind, values in self.groups.items()}
        return replace(self, images=self.images[rows], targets=self.targets[rows], votes=votes, groups=groups)

    def extracted(self, size: tuple[int, int], margin: float) -> list[Image]:
        """The faces as a network of that input size and margin sees them."""
        return [extract_face(image, self.box, size, margin) for image in self.images]

    def mixed(self, share: float) -> FaceSet:
        """Targets that are (1 - share) of the label and ``share`` of the votes, where votes are known."""
        if self.votes is None or share == 0:
            return self
        return replace(self, targets=(1 - share) * self.targets + share * self.votes)


@dataclass(frozen=True)
class Dataset:
    """A data set that can be trained on: how to read it, where it comes from and on what terms."""

    load: Callable[[Path, str], FaceSet]
    reference: str
    terms: str


def load(name: str, path: Path, split: str) -> FaceSet:
    """Read one split of one data set.

    Raises:
        DatasetError: no such data set or split, or the files are not there or not in the official layout.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set “{name}”; there are {', '.join(DATASETS)}.")
    if split not in SPLITS:
        raise DatasetError(f"There is no split “{split}”; there are {', '.join(SPLITS)}.")
    if not path.exists():
        raise DatasetError(f"{path} is not there; give the place of the data set “{name}”.")
    faces = DATASETS[name].load(path, split)
    if len(faces) == 0:
        raise DatasetError(f"{path} holds no picture for {name}, split “{split}”.")
    return faces


def without_copies(faces: FaceSet, others: Iterable[FaceSet]) -> FaceSet:
    """The pictures of ``faces`` of which no identical copy occurs in ``others``."""
    seen = {digest for other in others for digest in map(_digest, other.images)}
    return faces.take(np.array([_digest(image) not in seen for image in faces.images], dtype=bool))


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


# --- FER2013 and FER+ -------------------------------------------------------------------------------------------

_FER_USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_FERPLUS_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_FERPLUS_OTHER = ("contempt", "unknown", "NF")


def _fer2013(path: Path, split: str) -> FaceSet:
    """``fer2013.csv`` (emotion, pixels, Usage), or class folders; with votes if ``fer2013new.csv`` lies beside it."""
    table = path if path.is_file() else path / "fer2013.csv"
    if not table.exists():
        return _folder(path, split, labels=EMOTIONS)
    pixels, emotions = [], []
    with _opened(table) as lines:
        for row in _rows(lines, table, ("emotion", "pixels", "Usage")):
            if row["Usage"] == _FER_USAGE[split]:
                pixels.append(np.fromstring(row["pixels"], dtype=np.uint8, sep=" "))
                emotions.append(int(row["emotion"]))
    images = np.stack(pixels).reshape(-1, 48, 48) if pixels else np.zeros((0, 48, 48), np.uint8)
    # By OpenCV's frontal cascade, the face's box is the whole picture: the median is 46.7 of 48 pixels wide.
    faces = FaceSet(f"fer2013 {split}", images, _one_hot(emotions, len(EMOTIONS)), EMOTIONS, Box(0, 0, 48, 48))
    votes_table = table.with_name("fer2013new.csv")
    if not votes_table.exists():
        return faces
    votes, others = _ferplus_votes(votes_table, split, expected=len(faces))
    total = votes.sum(axis=1, keepdims=True)
    known = (total > 0) & (total > others.max(axis=1, keepdims=True))
    return replace(faces, votes=np.where(known, votes / np.maximum(total, 1), faces.targets))


def _ferplus(path: Path, split: str) -> FaceSet:
    """FER2013's pictures with FER+'s votes as targets.

    Kept are the pictures whose most frequent vote is one of the seven emotions; for validation and test, only those
    on which at least five of the ten voters agree, as is usual when accuracy is reported on FER+.
    """
    faces = _fer2013(path, split)
    table = (path if path.is_dir() else path.parent) / "fer2013new.csv"
    if not table.exists():
        raise DatasetError(f"{table} is not there; FER+ needs it beside fer2013.csv.")
    votes, others = _ferplus_votes(table, split, expected=len(faces))
    most = votes.max(axis=1)
    clear = (most > others.max(axis=1)) & (most >= (1 if split == "train" else 5))
    targets = (votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    return replace(faces, name=f"ferplus {split}", targets=targets, votes=targets).take(clear)


def _ferplus_votes(table: Path, split: str, expected: int) -> tuple[Targets, Targets]:
    """The votes for the seven emotions in our order, and for contempt, unknown and not-a-face."""
    votes, others = [], []
    with _opened(table) as lines:
        for row in _rows(lines, table, ("Usage", *_FERPLUS_COLUMNS, *_FERPLUS_OTHER)):
            if row["Usage"] == _FER_USAGE[split]:
                votes.append([float(row[column]) for column in _FERPLUS_COLUMNS])
                others.append([float(row[column]) for column in _FERPLUS_OTHER])
    if len(votes) != expected:
        raise DatasetError(f"{table} has {len(votes)} rows for “{split}” where fer2013.csv has {expected}.")
    return np.array(votes, np.float32), np.array(others, np.float32)


# --- gender -----------------------------------------------------------------------------------------------------


def _fairface(path: Path, split: str) -> FaceSet:
    """``fairface_label_{train,val}.csv`` (file, age, gender, race) and the pictures they name."""
    table = path / f"fairface_label_{'val' if split == 'test' else 'train'}.csv"
    with _opened(table) as lines:
        rows = list(_rows(lines, table, ("file", "age", "gender", "race")))
    if split != "test":
        rows = _part(rows, split)
    genders = [_index(row["gender"], ("Male", "Female"), table) for row in rows]
    images = _read_all([path / row["file"] for row in rows])
    groups = {kind: np.array([row[kind] for row in rows], np.str_) for kind in ("race", "age")}
    return FaceSet(f"fairface {split}", images, _one_hot(genders, 2), GENDERS, _central(0.8), groups=groups)


UTKFACE_YOUNGEST = 8
"""Below this age the gender labels are doubtful to the eye, and are left out."""


_UTKFACE_RACES = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "other"}


def _utkface(path: Path, split: str) -> FaceSet:
    """Pictures named ``age_gender_race_….jpg`` (gender 0 man, 1 woman), children under 8 left out."""
    folder = path / "UTKFace" if (path / "UTKFace").is_dir() else path
    found: list[tuple[Path, int, str, str]] = []
    for file in sorted(folder.glob("*.jpg")):
        age, gender, race = [*file.name.split("_"), "", ""][:3]
        # A few file names of the official set lack the gender; they say nothing, so they are passed over.
        if age.isdigit() and gender in ("0", "1") and int(age) >= UTKFACE_YOUNGEST:
            found.append((file, int(gender), _UTKFACE_RACES.get(race, ""), _age_group(int(age))))
    found = _part(found, split, ("validation", "test"))
    images = _read_all([file for file, *_ in found])
    targets = _one_hot([gender for _, gender, *_ in found], 2)
    groups = {
        "race": np.array([race for *_, race, _ in found], np.str_),
        "age": np.array([age for *_, age in found], np.str_),
    }
    return FaceSet(f"utkface {split}", images, targets, GENDERS, _central(0.8), groups=groups)


def _age_group(age: int) -> str:
    """The age in years as FairFace groups it."""
    if age < 10:
        return "0-2" if age < 3 else "3-9"
    return "more than 70" if age >= 70 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


# --- RAF-DB and folders -----------------------------------------------------------------------------------------

_RAFDB_LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")


def _rafdb(path: Path, split: str) -> FaceSet:
    """``{train,test}/C/….jpg`` with C from 1 (surprise) to 7 (neutral)."""
    folder = path / ("test" if split == "test" else "train")
    files: list[tuple[Path, int]] = []
    for number, label in enumerate(_RAFDB_LABELS, start=1):
        files += [(file, EMOTIONS.index(label)) for file in sorted((folder / str(number)).glob("*.jpg"))]
    if split != "test":
        files = _part(files, split)
    images = _read_all([file for file, _ in files])
    # By OpenCV's frontal cascade, the face's box is 0.88 of the side of the authors' aligned pictures.
    return FaceSet(f"rafdb {split}", images, _one_hot([c for _, c in files], 7), EMOTIONS, _central(0.88))


_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def _folder(path: Path, split: str, labels: Sequence[str] | None = None) -> FaceSet:
    """One folder of face crops for each class; below ``train``, ``validation`` and ``test`` where these exist."""
    root = path
    held_out: tuple[str, ...] = ("validation", "test")
    if (path / "train").is_dir():
        held_out = () if (path / "validation").is_dir() else ("validation",)
        root = path / ("train" if split in held_out else split)
    if not root.is_dir():
        raise DatasetError(f"{root} is not there; each class needs a folder of pictures in it.")
    names = tuple(labels or sorted(folder.name for folder in root.iterdir() if folder.is_dir()))
    files: list[tuple[Path, int]] = []
    for number, name in enumerate(names):
        if not (root / name).is_dir():
            raise DatasetError(f"{root} has no folder “{name}”; each class needs one.")
        found = sorted(file for file in (root / name).iterdir() if file.suffix.lower() in _PICTURES)
        files += [(file, number) for file in found]
    if root.name != "test" or root == path:
        files = _part(files, split, held_out)
    images = _read_all([file for file, _ in files])
    targets = _one_hot([number for _, number in files], len(names))
    return FaceSet(f"{path.name} {split}", images, targets, names, _central(1.0))


# --- what the readers share -------------------------------------------------------------------------------------


def _part(items: list[T], split: str, held_out: Sequence[str] = ("validation",)) -> list[T]:
    """Every twentieth item for each split that is held out, and all others for the rest."""
    if split in held_out:
        return items[held_out.index(split) :: 20]
    return [item for number, item in enumerate(items) if number % 20 >= len(held_out)]


def _rows(lines: Iterable[str], table: Path, columns: Sequence[str]) -> Iterable[dict[str, str]]:
    """The rows of a CSV file, after a check that it has these columns."""
    reader = csv.DictReader(lines)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"{table} has no column {' or '.join(missing)}; is it the official file?")
    return reader


def _opened(table: Path) -> TextIO:
    if not table.is_file():
        raise DatasetError(f"{table} is not there; give the folder of the data set in its official layout.")
    return table.open(newline="", encoding="utf-8")


def _index(value: str, values: Sequence[str], table: Path) -> int:
    if value not in values:
        raise DatasetError(f"{table} says “{value}” where {' or '.join(values)} is expected.")
    return values.index(value)


def _one_hot(classes: Sequence[int], count: int) -> Targets:
    return np.asarray(np.eye(count)[np.asarray(classes, dtype=int)], np.float32)


def _central(share: float) -> Box:
    """The box in the middle of a picture of PICTURE_SIDE that takes this share of the side."""
    edge = round(PICTURE_SIDE * (1 - share) / 2)
    return Box(edge, edge, PICTURE_SIDE - edge, PICTURE_SIDE - edge)


def _read_all(files: Sequence[Path]) -> Image:
    """The pictures, grey, brought to PICTURE_SIDE; uint8, (files, PICTURE_SIDE, PICTURE_SIDE)."""
    images = np.empty((len(files), PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    for number, file in enumerate(files):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise DatasetError(f"{file} is missing or no picture that can be read.")
        height, width = image.shape
        images[number] = extract_face(
            np.asarray(image, np.uint8), Box(0, 0, width, height), (PICTURE_SIDE, PICTURE_SIDE)
        )
    return images


DATASETS: dict[str, Dataset] = {
    "fer2013": Dataset(
        _fer2013,
        "FER2013: Goodfellow et al., “Challenges in Representation Learning”, ICML 2013 workshop",
        "released for research",
    ),
    "ferplus": Dataset(
        _ferplus,
        "FER+: Barsoum et al., “Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label "
        "Distribution”, ICMI 2016; pictures of FER2013",
        "votes MIT; pictures released for research",
    ),
    "rafdb": Dataset(
        _rafdb,
        "RAF-DB, basic emotions: Li, Deng and Du, “Reliable Crowdsourcing and Deep Locality-Preserving Learning for "
        "Expression Recognition in the Wild”, CVPR 2017",
        "non-commercial research",
    ),
    "fairface": Dataset(
        _fairface,
        "FairFace: Kärkkäinen and Joo, “FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias "
        "Measurement and Mitigation”, WACV 2021",
        "CC BY 4.0",
    ),
    "utkface": Dataset(
        _utkface,
        "UTKFace: Zhang, Song and Qi, “Age Progression/Regression by Conditional Adversarial Autoencoder”, CVPR 2017",
        "non-commercial research",
    ),
    "folder": Dataset(_folder, "the user's own pictures, one folder for each class", "the user's own"),
}
