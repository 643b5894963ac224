"""What the readers of data sets share: tables, pictures, labels, held-out parts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

import cv2
import numpy as np

from emotion_cam.errors import DatasetError
from emotion_cam.preprocess import extract_face
from emotion_cam.training.datasets.faces import Targets
from emotion_cam.types import Box, Image

PICTURE_SIDE = 80
"""Side in pixels to which the pictures of data sets without a common size are scaled."""

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

T = TypeVar("T")


def open_table(table: Path) -> TextIO:
    """Open a CSV file.

    Raises:
        DatasetError: there is no such file.
    """
    if not table.is_file():
        raise DatasetError(f"{table} does not exist; give the folder of the data set in its official layout.")
    return table.open(newline="", encoding="utf-8")


def read_rows(lines: Iterable[str], table: Path, columns: Sequence[str]) -> Iterable[dict[str, str]]:
    """The rows of a CSV file.

    Raises:
        DatasetError: one of ``columns`` is missing.
    """
    reader = csv.DictReader(lines)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"{table} has no column {' or '.join(missing)}; give the official file.")
    return reader


def read_pictures(files: Sequence[Path], side: int = PICTURE_SIDE) -> Image:
    """The pictures, gray, scaled to a side in pixels: uint8, (files, side, side).

    Raises:
        DatasetError: a file cannot be read.
    """
    images = np.empty((len(files), side, side), np.uint8)
    for number, file in enumerate(files):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise DatasetError(f"{file} is missing or not a picture that can be read.")
        height, width = image.shape
        images[number] = extract_face(np.asarray(image, np.uint8), Box(0, 0, width, height), (side, side))
    return images


def index_of(value: str, values: Sequence[str], table: Path) -> int:
    """The index of a value of a table.

    Raises:
        DatasetError: it is not one of ``values``.
    """
    if value not in values:
        raise DatasetError(f"{table} has “{value}” where {' or '.join(values)} is expected.")
    return values.index(value)


def one_hot(classes: Sequence[int], count: int) -> Targets:
    """float32, (classes, count), from the indices of the classes."""
    return np.asarray(np.eye(count)[np.asarray(classes, dtype=int)], np.float32)


def centered_box(share: float, side: int = PICTURE_SIDE) -> Box:
    """The box in the center of a picture of this side, in pixels, that takes this share of the side."""
    edge = round(side * (1 - share) / 2)
    return Box(edge, edge, side - edge, side - edge)


def part(items: list[T], split: str, held_out: Sequence[str] = ("validation",)) -> list[T]:
    """Every twentieth item for each split that is held out, and the others for every other split."""
    if split in held_out:
        return items[held_out.index(split) :: 20]
    return [item for number, item in enumerate(items) if number % 20 >= len(held_out)]
