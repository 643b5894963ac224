"""What a detector is worth, measured through the class that the camera uses."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.errors import DatasetError
from emotion_cam.training.detector import card
from emotion_cam.training.detector.measure import Matches, in_less_light, matched, tilted
from emotion_cam.training.detector.scenes import SCENES, Scene, SceneSet, load, read_gray

SIZES = ((1 / 14, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2), (1 / 2, math.inf))
"""Groups of faces, by the square's side as a share of the picture's shorter side."""

MASKED = ("mask853", "mask-chandrika", "maskedface-net")
"""Sources of the data set ``faces`` most of whose people wear a mask."""

FEW = 0.01
"""False boxes a picture at which recall is measured."""

BY_GROUP = "fairface"
"""The data set whose faces are counted by group."""


def measure(folder: Path, data: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The figures of a detector's folder, as its card has them under "measured".

    Args:
        folder: the detector's.
        data: names and paths: of one data set of whole pictures, whose validation pictures are used, and perhaps of
            ``fairface``, for the faces found by group.

    Raises:
        DatasetError: there is no such data set, or one cannot be read.
        DetectorError: the folder has no detector.
    """
    paths = {name: Path(path) for name, path in data}
    whole = [name for name in paths if name != BY_GROUP]
    if len(whole) != 1:
        raise DatasetError(f"A detector is measured on one of {', '.join(SCENES)}, and on {BY_GROUP}.")
    model = folder / "model.tflite"
    detector = MiniFaceDetector(model)
    scenes = load(whole[0], paths[whole[0]], "validation")
    groups = found_by_group(detector, paths[BY_GROUP] / "fairface_label_val.csv") if BY_GROUP in paths else {}
    return {
        "set": scenes.name,
        "by": " ".join(["emotion-cam evaluate models/face", *(f"--data {name}=data/{name}" for name in paths)]),
        "threshold": detector.threshold,
        "conditions": evaluate(model, scenes),
        "groups": groups,
    }


def record(folder: Path, measured: dict[str, Any]) -> None:
    """Write figures into the card, in place of earlier ones."""
    card.write(folder, card.read(folder) | {"measured": measured})


def evaluate(model: Path, scenes: SceneSet) -> list[dict[str, Any]]:
    """Figures of a detector under different conditions.

    Average precision counts unsure answers too; they are asked for with low thresholds.

    Args:
        model: its TFLite file.
        scenes: pictures for validation.

    Returns:
        A row for each condition: what was measured, how many pictures and faces, average precision (at IoU 0.5), recall
        at one false box in a hundred pictures, and recall and false boxes a picture as the detector is used.
    """
    # The smallest faces that count must not be lost by a pixel.
    detector = MiniFaceDetector(model, MIN_FACE * 0.9, threshold=0.15, proposal=0.15)
    used = MiniFaceDetector(model)
    rows = [_row("as they are", matched(detector.find, scenes.scenes), used.threshold)]
    for degrees in (15, 30, 45):
        turned = [tilted(scene, degrees) for scene in scenes.scenes]
        rows.append(_row(f"tilted by {degrees}°", matched(detector.find, turned), used.threshold))
    for share, name in ((0.2, "a fifth of the light"), (0.1, "a tenth of the light")):
        dim = [replace(scene, image=in_less_light(scene.image, share)) for scene in scenes.scenes]
        rows.append(_row(name, matched(detector.find, dim), used.threshold))
    rows.append(
        _row("out of focus", matched(detector.find, [_blurred(scene) for scene in scenes.scenes]), used.threshold)
    )
    for least, most in SIZES:
        within = [_of_size(scene, least, most) for scene in scenes.scenes]
        to = f"to {most:.3g}" if most < math.inf else "and more"
        rows.append(
            _row(f"faces of {least:.2g} {to} of the shorter side", matched(detector.find, within), used.threshold)
        )
    masked = [scene for scene in scenes.scenes if scene.source in MASKED]
    rows.append(_row("sources with masks", matched(detector.find, masked), used.threshold))
    rows.append(_row("nobody in the picture", matched(detector.find, scenes.without_faces), used.threshold))
    return rows


def found_by_group(
    detector: MiniFaceDetector, table: Path, kinds: Sequence[str] = ("race", "age")
) -> dict[str, dict[str, Any]]:
    """How many of the faces of FairFace's validation set are found, by the groups that it has.

    Every picture shows one face, which fills most of it; where it was found is not compared.

    Args:
        detector: it is asked for faces from a third of the picture on.
        table: fairface_label_val.csv, beside the pictures that it names.
        kinds: columns of the table.

    Returns:
        By "race Black" and so on: how many pictures, and the share with a face found.

    Raises:
        DatasetError: the table or a picture is missing.
    """
    counts: dict[str, list[bool]] = {}
    try:
        lines = table.open(newline="", encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{table} cannot be read: {error.strerror}.") from error
    with lines:
        for row in csv.DictReader(lines):
            # A camera's picture goes on around the face; a bare crop would be something that it never sees.
            image = cv2.copyMakeBorder(read_gray(table.parent / row["file"]), 40, 40, 40, 40, cv2.BORDER_REPLICATE)
            is_found = bool(detector.find(np.asarray(image, np.uint8)))
            for group in ("all", *(f"{kind} {row[kind]}" for kind in kinds)):
                counts.setdefault(group, []).append(is_found)
    return {group: {"pictures": len(found), "found": _rounded(np.mean(found))} for group, found in counts.items()}


def _row(name: str, matches: Matches, threshold: float) -> dict[str, Any]:
    row: dict[str, Any] = {"condition": name, "pictures": matches.pictures, "faces": len(matches.found_at)}
    if len(matches.found_at):
        row |= {
            "average_precision": _rounded(matches.average_precision),
            "recall_at_few": _rounded(matches.recall_at(FEW)),
            "recall": _rounded(matches.recall(threshold)),
        }
    return row | {"false_boxes": _rounded(matches.false_boxes(threshold))}


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def _blurred(scene: Scene) -> Scene:
    deviation = max(scene.image.shape) / 160
    return replace(scene, image=np.asarray(cv2.GaussianBlur(scene.image, (0, 0), deviation), np.uint8))


def _of_size(scene: Scene, least: float, most: float) -> Scene:
    """A scene in which other faces are ignored."""
    share = scene.squares[:, 2] / min(scene.image.shape)
    keep = (share >= least) & (share < most)
    return replace(
        scene,
        squares=scene.squares[keep],
        points=scene.points[keep],
        ignored=np.vstack([scene.ignored, scene.squares[~keep]]),
    )
