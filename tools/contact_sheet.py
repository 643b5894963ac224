"""Draw faces of a data set with the labels that one or two models give them, for looking: a row for each class.

    python tools/contact_sheet.py --data posed=data/expressions --models models/emotion runs/mine \
        --out sheet.png

Below each face are label and score by each model, in the order of ``--models``: green where the label is right, red
where it is wrong. Scores are means over the face and its mirror image, as at run time. At the left is the recall of the
class over the whole split. The faces are drawn by lot, the same for the same ``--seed``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_cam.drawing.colors import DARK, PALE, WHITE, Color
from emotion_cam.drawing.text import REGULAR, text_width, to_ascii, write
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.sinks.pictures import save_picture
from emotion_cam.training.datasets import FaceSet, load
from emotion_cam.training.recipe import parse_data
from emotion_cam.training.scores import score
from emotion_cam.types import Image, Scores

SIDE, ROW, GAP, LEFT = 112, 16, 6, 190
"""The side of a face, the height of a line, the gap between faces, the width of the column at the left, in pixels."""

RIGHT_COLOR, WRONG_COLOR = (110, 200, 90), (110, 110, 245)


@dataclass(frozen=True)
class Scored:
    """The scores of one model.

    Attributes:
        name: the name of the model's folder.
        labels: the model's labels.
        scores: (pictures, labels).
    """

    name: str
    labels: tuple[str, ...]
    scores: Scores

    def label(self, row: int) -> str:
        return self.labels[int(self.scores[row].argmax())]

    def recall(self, label: str, rows: list[int]) -> float:
        return sum(self.label(row) == label for row in rows) / len(rows)


def scored(folder: Path, faces: FaceSet) -> Scored:
    """The scores of a model for all faces, averaged with those of their mirror images."""
    classifier = Classifier(folder)
    card = classifier.card
    return Scored(folder.name, card.labels, score(classifier, faces.with_labels(card.labels), mirrored=True))


def sheet(faces: FaceSet, models: list[Scored], count: int, seed: int) -> Image:
    """The contact sheet, uint8, BGR: a strip for each class that has pictures."""
    rng = np.random.default_rng(seed)
    truth = faces.targets.argmax(axis=1)
    strips = [_legend(faces, models, count)]
    for number, label in enumerate(faces.labels):
        rows = np.flatnonzero(truth == number)
        if len(rows):
            shown = np.sort(rng.choice(rows, min(count, len(rows)), replace=False))
            strips.append(_strip(faces, models, label, rows.tolist(), shown.tolist(), count))
    return np.concatenate(strips)


def _blank(height: int, count: int) -> Image:
    return np.full((height, LEFT + count * (SIDE + GAP), 3), DARK, np.uint8)


def _legend(faces: FaceSet, models: list[Scored], count: int) -> Image:
    picture = _blank(2 * ROW, count)
    names = ", below it ".join(model.name for model in models)
    write(picture, to_ascii(f"{faces.name}: {names}", 150), (GAP, ROW), ROW, color=WHITE)
    return picture


def _strip(faces: FaceSet, models: list[Scored], label: str, rows: list[int], shown: list[int], count: int) -> Image:
    """One class: its name and recalls at the left, and the faces, each above a line for each model."""
    picture = _blank(SIDE + ROW * len(models) + 2 * GAP, count)
    write(picture, to_ascii(label, 20), (GAP, ROW), ROW + 4, color=WHITE)
    write(picture, f"{len(rows)} pictures", (GAP, 2.5 * ROW), ROW, color=PALE, font=REGULAR)
    for number, model in enumerate(models):
        text = to_ascii(f"{model.recall(label, rows):.0%} {model.name}", 22)
        write(picture, text, (GAP, SIDE + ROW * (number + 0.5)), ROW, color=PALE, font=REGULAR)
    for column, row in enumerate(shown):
        left = LEFT + column * (SIDE + GAP)
        face = cv2.resize(faces.images[row], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        picture[:SIDE, left : left + SIDE] = face[..., None]
        for number, model in enumerate(models):
            given = model.label(row)
            color = RIGHT_COLOR if given == label else WRONG_COLOR
            text = to_ascii(f"{given} {model.scores[row].max():.0%}", 30)
            _write_fitting(picture, text, left, SIDE + ROW * (number + 0.5), color)
    return picture


def _write_fitting(picture: Image, text: str, left: int, middle: float, color: Color) -> None:
    """Write a line below a face, smaller if it would not fit."""
    row = min(ROW, max(1, ROW * SIDE // text_width(text, ROW)))
    write(picture, text, (left, middle), row, color=color, font=REGULAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a data set and its folder, as for emotion-cam evaluate")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="model folders with the same labels")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write: .png or .jpg")
    parser.add_argument("--split", default="validation", help="train, validation or test (%(default)s)")
    parser.add_argument("--count", type=int, default=20, help="how many faces of each class (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which faces are drawn (%(default)s)")
    given = parser.parse_args()
    ((name, path),) = parse_data([given.data])
    faces = load(name, Path(path), given.split)
    save_picture(given.out, sheet(faces, [scored(folder, faces) for folder in given.models], given.count, given.seed))
    print(f"Wrote {given.out}")


if __name__ == "__main__":
    main()
