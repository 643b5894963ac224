"""Reader of a user's own pictures: one folder of face crops for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets.faces import FaceSet
from emotion_cam.training.datasets.reading import PICTURES, centered_box, one_hot, part, read_pictures


def read_folders(path: Path, split: str, labels: Sequence[str] | None = None, name: str | None = None) -> FaceSet:
    """One folder for each class; below ``train``, ``validation`` and ``test`` where these exist.

    Args:
        path: the folder that contains them.
        split: "train", "validation" or "test".
        labels: the names of the class folders, in the order of the classes; sorted by name if not given.
        name: the name of the data set; that of the folder if not given.
    """
    root = path
    held_out: tuple[str, ...] = ("validation", "test")
    if (path / "train").is_dir():
        held_out = () if (path / "validation").is_dir() else ("validation",)
        root = path / ("train" if split in held_out else split)
    if not root.is_dir():
        raise DatasetError(f"{root} does not exist; it must have one folder of pictures for each class.")
    names = tuple(labels or sorted(folder.name for folder in root.iterdir() if folder.is_dir()))
    files: list[tuple[Path, int]] = []
    for number, label in enumerate(names):
        if not (root / label).is_dir():
            raise DatasetError(f"{root} has no folder “{label}”; it must have one for each class.")
        found = sorted(file for file in (root / label).iterdir() if file.suffix.lower() in PICTURES)
        files += [(file, number) for file in found]
    if root.name != "test" or root == path:
        files = part(files, split, held_out)
    images = read_pictures([file for file, _ in files])
    targets = one_hot([number for _, number in files], len(names))
    return FaceSet(f"{name or path.name} {split}", images, targets, names, centered_box(1.0))
