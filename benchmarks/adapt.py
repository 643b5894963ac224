"""What `emotion-cam adapt` gains, on people who show every expression three times: in front, half left, half right.

    python benchmarks/adapt.py --model models/emotion --data data/expressions

The people are those of KDEF (Lundqvist, Flykt and Öhman 1998) in the data set “expressions” with a picture of each
label in each view. Each view is scored once with offsets that were fitted to the other two of the same person, as
`emotion-cam adapt` fits them, and once with offsets fitted to all other people: what the second gains is due to posing,
and what the first gains beyond it to the person. A model must not have been trained on these people.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion_cam.enrollment.fit import PENALTIES, ScoreTable, fit_offsets, solve
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.datasets.reading import centered_box, read_pictures
from emotion_cam.types import Scores

VIEWS = ("S", "HL", "HR")
"""KDEF's names for the views: straight, half left, half right; file names end in them."""


def people(data: Path, labels: tuple[str, ...]) -> Iterator[list[tuple[Path, int, str]]]:
    """For each person with every label in every view: file, index of the label, and view, ordered by label."""
    found: dict[str, dict[tuple[str, str], Path]] = defaultdict(dict)
    with (data / "labels.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["set"] in ("kdef", "kdef-side"):
                name = Path(row["source_path"]).stem.upper()
                view = next((view for view in VIEWS[1:] if name.endswith(view)), VIEWS[0])
                found[row["person"]][row["label"], view] = data / row["file"]
    for pictures in found.values():
        if all((label, view) in pictures for label in labels for view in VIEWS):
            yield [(pictures[label, view], number, view) for number, label in enumerate(labels) for view in VIEWS]


class Person:
    """The scores of one person's pictures.

    Attributes:
        plain, mirrored: (pictures, labels): of the faces, and of their mirror images.
        truth: (pictures,), the indices of the labels.
        views: (pictures,), the views.
    """

    def __init__(self, classifier: Classifier, pictures: list[tuple[Path, int, str]]) -> None:
        card = classifier.card
        images = read_pictures([file for file, _, _ in pictures])
        faces = [extract_face(image, centered_box(0.8), card.size, card.margin) for image in images]
        self.plain, self.mirrored = classifier(faces), classifier([face[:, ::-1] for face in faces])
        self.truth = np.array([number for _, number, _ in pictures])
        self.views = np.array([view for _, _, view in pictures])

    @property
    def logits(self) -> npt.NDArray[np.float64]:
        scores = np.maximum(self.plain + self.mirrored, np.finfo(np.float32).tiny) / 2
        return np.asarray(np.log(scores), np.float64)

    def without(self, view: str) -> tuple[Scores, npt.NDArray[np.intp]]:
        """Scores and labels of the other views; the face and its mirror image stand for two pictures of a round."""
        rows = self.views != view
        pairs = np.stack([self.plain[rows], self.mirrored[rows]], axis=1)
        return pairs.reshape(-1, pairs.shape[-1]), np.repeat(self.truth[rows], 2)


def right(person: Person, view: str, offsets: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Which pictures of a view get the right label, 0 or 1 for each label."""
    rows = person.views == view
    return np.asarray((person.logits[rows] + offsets).argmax(axis=1) == person.truth[rows], np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data set “expressions”")
    given = parser.parse_args()
    classifier = Classifier(given.model)
    labels = classifier.card.labels
    persons = [Person(classifier, pictures) for pictures in people(given.data, labels)]
    counts = np.zeros((3, len(labels)), int)  # right without offsets, with those of other people, with the person's own
    kept = worse = better = 0
    for person in persons:
        others = [other for other in persons if other is not person]
        common = solve(
            np.concatenate([other.logits for other in others]),
            np.concatenate([other.truth for other in others]),
            PENALTIES[0],
        )
        for view in VIEWS:
            scores, truth = person.without(view)
            fit = fit_offsets(ScoreTable(labels, truth, scores))
            found = np.stack([right(person, view, offsets) for offsets in (np.zeros(len(labels)), common, fit.offsets)])
            counts += found
            kept += fit.helps
            worse += found[2].sum() < found[0].sum()
            better += found[2].sum() > found[0].sum()
    fits = len(persons) * len(VIEWS)
    print(f"{len(persons)} people, {len(labels)} labels, {len(VIEWS)} views; recall on the view that was left out")
    for name, row in zip(("no offsets", "those of the other people", "the person's own"), counts / fits, strict=True):
        recalls = ", ".join(f"{label} {recall:.2f}" for label, recall in zip(labels, row, strict=True))
        print(f"{name + ':':27}{row.mean():.3f} ({recalls})")
    print(f"of {fits} fits, {kept} were kept; {better} made more pictures of the view right, {worse} fewer")


if __name__ == "__main__":
    main()
