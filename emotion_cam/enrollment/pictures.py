"""The folder of one person's pictures: a folder for each label, and about.json, which says what the pictures are.

It is a data set of the kind ``folder``, so `emotion-cam evaluate --data folder=…` reads it too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import DatasetError, ModelError, SinkError
from emotion_cam.files import write_errors, write_file
from emotion_cam.preprocess import crop
from emotion_cam.sinks.pictures import save_picture
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.datasets.folders import ABOUT, About, read_folders
from emotion_cam.types import Box, Image

MARGIN = 0.5
"""What a picture shows around the box, as a share of its side: enough for any model's margin and for other boxes."""

_ABOUT = (
    "Pictures of one person's face, filmed by `emotion-cam enroll` on this machine, to check how well a model reads "
    "this face. Each folder has the pictures of one label. They were sent nowhere. Delete the folder when it is no "
    "longer needed."
)


class Take(NamedTuple):
    """One time that a label is asked for.

    Attributes:
        label: the label.
        round: from 1.
    """

    label: str
    round: int


def find_model(labels: Collection[str] | None = None) -> Path:
    """The shipped model that has all of these labels; without labels, the one whose labels change with time.

    Raises:
        ModelError: there is none.
    """
    for folder in shipped_models().values():
        card = read_card(folder)
        if not card.steady if labels is None else {*labels} <= {*card.labels}:
            return folder
    wanted = "whose labels change with time" if labels is None else f"with the labels {', '.join(labels)}"
    raise ModelError(f"There is no shipped model {wanted}: give a `model`.")


def prepare_folder(folder: Path, labels: Sequence[str]) -> None:
    """Make the folder of a person's pictures, if it is not there yet.

    Raises:
        SinkError: it cannot be made, or it has something else in it.
        ModelError: a label cannot be the name of a folder.
    """
    for label in labels:
        if label != Path(label).name or label[0] == "." or set(label) & set('\\/:*?"<>|'):
            raise ModelError(f"The label “{label}” cannot be the name of a folder, so it cannot be enrolled.")
    with write_errors(folder):
        folder.mkdir(exist_ok=True)
        if not (folder / ABOUT).is_file():
            if any(folder.iterdir()):
                raise SinkError(f"{folder} is not a folder of `emotion-cam enroll`: give the name of a new one.")
            about = About(about=_ABOUT, box=1 / (1 + 2 * MARGIN), split="test")
            write_file(folder / ABOUT, msgspec.json.format(msgspec.json.encode(about)) + b"\n")
        for label in labels:
            (folder / label).mkdir(exist_ok=True)


def missing_takes(folder: Path, labels: Sequence[str], rounds: int, pictures: int) -> list[Take]:
    """The takes that are not complete in a folder, round by round."""
    takes = [Take(label, number) for number in range(1, rounds + 1) for label in labels]
    return [take for take in takes if not all(file.is_file() for file in _files(folder, take, pictures))]


def save_take(folder: Path, take: Take, faces: Sequence[Image]) -> None:
    """Write the pictures of a take. Raises SinkError if that fails."""
    for file, face in zip(_files(folder, take, len(faces)), faces, strict=True):
        save_picture(file, face)


def cut_out(image: Image, box: Box) -> Image:
    """The picture of a face with MARGIN around its box, uint8, BGR; it does not share memory with ``image``."""
    return np.array(crop(image, box.padded(MARGIN)), np.uint8)


def read_faces(folder: Path) -> FaceSet:
    """All pictures of a folder of `emotion-cam enroll`, or of a folder with one folder for each label.

    Raises:
        DatasetError: it is missing or has no pictures.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}; `emotion-cam enroll` makes one.")
    faces = read_folders(folder, None)
    if not len(faces):
        raise DatasetError(f"{folder} has no pictures in a folder for each label.")
    return faces


def _files(folder: Path, take: Take, pictures: int) -> list[Path]:
    return [folder / take.label / f"{take.round:02}-{number:02}.png" for number in range(1, pictures + 1)]
