"""Whole pictures with the places of their faces, read in their official layouts."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.detect.base import Framing
from emotion_cam.errors import DatasetError
from emotion_cam.types import Image

Floats: TypeAlias = npt.NDArray[np.float32]

POINTS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")
"""The landmarks, in their order; right and left are the person's own, so the right eye is left in the picture."""

MIRRORED_POINTS = (1, 0, 2, 4, 3)
"""Which landmark each one is in a mirror."""

FRAMING = Framing(scale=1.12, down=0.0)
"""Converts the data set's boxes to the cascade's squares. On 183 of its training pictures in which the cascade sees the
one large face too, the squares' sides are 1.01 of the cascade's, and with YuNet's own ``down`` of -0.03 they lay too
high by just that."""

_SPREAD, _BELOW = 0.503, 0.059
"""Of uncut faces of ``faces``: the landmarks' spread, and how far their mean lies below the square's center, as shares
of the square's side."""


@dataclass(frozen=True)
class Scene:
    """A picture and its faces.

    Attributes:
        image: uint8, (height, width), gray.
        squares: float32, (faces, 3): x and y of the center and the side of the square that OpenCV's frontal cascade
            would put around each face, in pixels; it may reach over the edge.
        points: float32, (faces, 5, 2): x and y of POINTS, in pixels; NaN where they are not known.
        ignored: float32, (places, 3): squares that are to count neither as faces nor as background.
        source: where the picture is from, as the data set names it.
        name: the picture's file, as the data set names it.
    """

    image: Image
    squares: Floats
    points: Floats
    ignored: Floats
    source: str = ""
    name: str = ""


@dataclass(frozen=True)
class SceneSet:
    """The pictures of a data set's split.

    Attributes:
        name: data set and split, as in "faces train".
        scenes: the pictures.
    """

    name: str
    scenes: tuple[Scene, ...]

    @property
    def with_faces(self) -> list[Scene]:
        return [scene for scene in self.scenes if len(scene.squares)]

    @property
    def without_faces(self) -> list[Scene]:
        """Those that show nobody and have nothing to ignore."""
        return [scene for scene in self.scenes if not len(scene.squares) and not len(scene.ignored)]


def squares_of(corners: Floats) -> Floats:
    """The cascade's squares for boxes as YuNet and WIDER FACE draw them.

    Args:
        corners: x1 y1 x2 y2, (boxes, 4).

    Returns:
        Center and side, (boxes, 3), float32.
    """
    corners = np.asarray(corners, np.float32).reshape(-1, 4)
    size = corners[:, 2:] - corners[:, :2]
    side = FRAMING.scale * np.sqrt(size.prod(axis=1).clip(0))
    center = (corners[:, :2] + corners[:, 2:]) / 2
    return np.column_stack([center[:, 0], center[:, 1] + FRAMING.down * side, side]).astype(np.float32)


def square_of_points(points: Floats) -> tuple[float, float, float]:
    """The square of a face of which only the landmarks are sure, such as one that the picture's edge cuts.

    Args:
        points: x and y of POINTS, (5, 2).

    Returns:
        Center and side.
    """
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    side = math.hypot(*(points[1] - points[0]), *(mouth - eyes)) / _SPREAD
    down = (mouth - eyes) / max(1e-6, math.hypot(*(mouth - eyes)))
    x, y = points.mean(axis=0) - _BELOW * side * down
    return float(x), float(y), side


def load_faces(folder: Path, split: str) -> SceneSet:
    """The data set ``faces``: labels.csv, and pictures/ beside it.

    A row of the table is a face, or a box to ignore, or a picture without any; splits are "train" and "validation".

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    try:
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["split"] == split]
            by_file: dict[str, list[dict[str, str]]] = {}
            for row in rows:
                by_file.setdefault(row["file"], []).append(row)
            scenes = tuple(_scene(folder, file, rows) for file, rows in by_file.items())
    except OSError as error:
        raise DatasetError(f"{folder} is not the data set faces: {error.strerror} ({error.filename}).") from error
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{folder / 'labels.csv'} is not the table of the data set faces: {error}.") from error
    if not scenes:
        raise DatasetError(f"{folder / 'labels.csv'} has no pictures for “{split}”.")
    return SceneSet(f"faces {split}", scenes)


def _scene(folder: Path, file: str, rows: Sequence[dict[str, str]]) -> Scene:
    squares, points, ignored = [], [], []
    for row in rows:
        if not row["x1"]:
            continue
        corners = np.array([float(row[name]) for name in ("x1", "y1", "x2", "y2")], np.float32)
        if int(row["ignore"]):
            ignored.append(squares_of(corners)[0])
            continue
        face = np.array([[float(row[f"{name}_{axis}"] or "nan") for axis in "xy"] for name in POINTS], np.float32)
        points.append(face)
        is_cut = (
            (corners[:2] < 1).any() or corners[2] > float(row["width"]) - 1 or corners[3] > float(row["height"]) - 1
        )
        known = not np.isnan(face).any()
        squares.append(np.array(square_of_points(face)) if is_cut and known else squares_of(corners)[0])
    return Scene(
        read_gray(folder / file),
        _stacked(squares, 3),
        _stacked(points, 5, 2),
        _stacked(ignored, 3),
        rows[0]["source"],
        file,
    )


def load_wider(folder: Path, split: str) -> SceneSet:
    """WIDER FACE in its official layout (Yang et al. 2016); "validation" is its "val".

    ``wider_face_split/wider_face_SPLIT_bbx_gt.txt`` beside ``WIDER_SPLIT/images``. Faces that are marked invalid,
    heavily occluded or smaller than ten pixels are ignored; it has no landmarks. Pictures are brought to a longer
    side of 640 pixels at most.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    part = {"train": "train", "validation": "val"}.get(split, split)
    table = folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
    try:
        with table.open(encoding="utf-8") as file:
            scenes = tuple(_wider_scenes(folder / f"WIDER_{part}" / "images", iter(file)))
    except OSError as error:
        raise DatasetError(f"{folder} is not WIDER FACE: {error.strerror} ({error.filename}).") from error
    except (ValueError, IndexError) as error:
        raise DatasetError(f"{table} is not WIDER FACE's table.") from error
    return SceneSet(f"wider {split}", scenes)


def _wider_scenes(images: Path, lines: Iterator[str]) -> Iterator[Scene]:
    for name in lines:
        count = int(next(lines, ""))
        # A picture without a face has a row of zeros all the same.
        rows = np.array([[float(part) for part in next(lines, "").split()] for _ in range(max(1, count))], np.float32)
        image = read_gray(images / name.strip())
        scale = min(1.0, 640 / max(image.shape))
        if scale < 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        corners = np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4]]) * scale
        empty = (rows[:, 2:4] <= 0).any(axis=1)
        # Columns: left top width height blur expression illumination invalid occlusion pose.
        doubtful = (rows[:, 7] > 0) | (rows[:, 8] > 1) | (rows[:, 2:4].min(axis=1) * scale < 10)
        squares = squares_of(corners)
        faces = squares[~empty & ~doubtful]
        points = np.full((len(faces), 5, 2), np.nan, np.float32)
        yield Scene(image, faces, points, squares[~empty & doubtful], "wider", name.strip())


CUTOUT_MARGIN = 1 / 8
"""How much of a cutout lies on every side of the cascade's square, as a share of the square's side."""


def load_cutouts(table: Path) -> list[Path]:
    """The pictures of faces that a table names, cut out as FairFace and UTKFace are for this project.

    The cascade's square is their central four fifths. Left out are rows of another ``split`` than "train", and those
    whose ``haar`` says that the cascade did not see the face, so that the square was guessed.

    Args:
        table: CSV with a column ``file``, from the table's folder on, and perhaps ``haar`` and ``split``.

    Raises:
        DatasetError: the table is missing or names no files.
    """
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get("haar", "1") == "1"]
        return [table.parent / row["file"] for row in rows if row.get("split", "train") == "train"]
    except OSError as error:
        raise DatasetError(f"{table} cannot be read: {error.strerror}.") from error
    except KeyError as error:
        raise DatasetError(f"{table} has no column {error}.") from error


def read_gray(file: Path) -> Image:
    """A picture's gray values.

    Raises:
        DatasetError: the file is missing or no picture.
    """
    image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DatasetError(f"{file} is missing or no picture.")
    return np.asarray(image, np.uint8)


def _stacked(rows: Sequence[npt.NDArray[np.generic]], *shape: int) -> Floats:
    return np.array(rows, np.float32).reshape(-1, *shape)


SCENES: dict[str, Callable[[Path, str], SceneSet]] = {"faces": load_faces, "wider": load_wider}
"""By name: takes the folder as its authors publish it, and "train" or "validation"."""


def load(name: str, folder: Path, split: str) -> SceneSet:
    """A data set of whole pictures.

    Args:
        name: as in SCENES.
        folder: where it is.
        split: "train" or "validation".

    Raises:
        DatasetError: there is none of that name, or it cannot be read.
    """
    if name not in SCENES:
        raise DatasetError(f"There is no data set of whole pictures “{name}”; there are {', '.join(SCENES)}.")
    return SCENES[name](folder, split)
