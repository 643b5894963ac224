"""Reader of a user's own pictures: one folder of face crops for each class, and an about.json where it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from emotion_cam.checks import reason_of
from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets.faces import FaceSet
from emotion_cam.training.datasets.reading import (
    PICTURE_SIDE,
    PICTURES,
    centered_box,
    one_hot,
    part,
    read_pictures,
)

ABOUT = "about.json"
"""The name of the file that says what the pictures of a folder are."""


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the pictures of a folder are: its about.json.

    Attributes:
        about: for people: where the pictures come from.
        box: the side of the face's box as a share of the picture's side; the box is in the middle of every picture.
        split: the split that all pictures belong to; None if they are divided.
    """

    about: str = ""
    box: Annotated[float, Meta(ge=0.1, le=1)] = 1.0
    split: Literal["train", "validation", "test"] | None = None


def read_about(path: Path) -> About:
    """What the about.json of a folder says; without that file, what is true of most folders.

    Raises:
        DatasetError: the file cannot be read, or is not as described.
    """
    file = path / ABOUT
    try:
        return msgspec.json.decode(file.read_bytes(), type=About)
    except (FileNotFoundError, NotADirectoryError):
        return About()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{file} is not a description of pictures: {reason_of(error)}.") from error


def read_folders(
    path: Path, split: str | None, labels: Sequence[str] | None = None, name: str | None = None
) -> FaceSet:
    """One folder for each class; below ``train``, ``validation`` and ``test`` where these exist.

    The pictures are faces cut out like the detector's box, unless an about.json says how much more they show.

    Args:
        path: the folder that contains them.
        split: "train", "validation" or "test"; None for all pictures of a folder without folders for its splits.
        labels: the names of the class folders, in the order of the classes; sorted by name if not given.
        name: the name of the data set; that of the folder if not given.
    """
    about = read_about(path)
    root = path
    held_out: tuple[str, ...] = ("validation", "test")
    if split is not None and (path / "train").is_dir():
        held_out = () if (path / "validation").is_dir() else ("validation",)
        root = path / ("train" if split in held_out else split)
    if not root.is_dir():
        raise DatasetError(f"{root} does not exist; it must have one folder of pictures for each class.")
    names = tuple(
        labels or sorted(folder.name for folder in root.iterdir() if folder.is_dir() and folder.name[0] != ".")
    )
    files: list[tuple[Path, int]] = []
    for number, label in enumerate(names):
        if not (root / label).is_dir():
            raise DatasetError(f"{root} has no folder “{label}”; it must have one for each class.")
        files += [(file, number) for file in sorted((root / label).iterdir()) if _is_picture(file)]
    if split is not None and about.split is not None:
        files = files if split == about.split else []
    elif split is not None and (root.name != "test" or root == path):
        files = part(files, split, held_out)
    side = round(PICTURE_SIDE / about.box)  # the box has the pixels that a picture has which is cut out like it
    images = read_pictures([file for file, _ in files], side)
    targets = one_hot([number for _, number in files], len(names))
    return FaceSet(f"{name or path.name} {split or ''}".rstrip(), images, targets, names, centered_box(about.box, side))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and file.name[0] != "."
