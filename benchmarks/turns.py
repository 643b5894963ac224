"""What a stream gains if frames take turns between views of a face: its mirror image, and smaller and larger boxes.

    python benchmarks/turns.py --model models/emotion --data rafdb=data/rafdb --data posed=data/expressions

Each validation picture becomes a sequence of frames, as a webcam would give them: the box trembles by about a pixel in
a hundred, and every frame has its own noise. The scores of a sequence are averaged over its frames, with each frame in
the view whose turn it is. Every plan gets the same frames, so that plans are compared picture by picture; ± is one
standard error of the difference to the plan that is used today (McNemar 1947).

Only the validation split is read, because a plan may be chosen by this.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.datasets import FaceSet, load
from emotion_cam.training.recipe import parse_data
from emotion_cam.types import Box, Image, Scores

ENLARGED = 3
"""Pictures are enlarged so many times, to the size that a face has before a webcam: boxes have whole pixels."""

SHIFT, SCALE, NOISE = 0.012, 0.015, 4.0
"""Standard deviations from frame to frame: of the box's place and size, as shares of its side, and of gray levels."""


class View(NamedTuple):
    """How the network sees a frame: whether mirrored, and how large the box is, as a factor."""

    mirrored: bool
    scale: float = 1.0


def turns(*scales: float) -> tuple[View, ...]:
    """For every scale the face and its mirror image."""
    return tuple(View(mirrored, scale) for scale in scales for mirrored in (False, True))


TODAY = "mirror"
PLANS: dict[str, tuple[View, ...]] = {
    TODAY: turns(1.0),
    "no mirror": (View(False),),
    "mirror, 0.94, 1, 1.06": turns(1.0, 0.94, 1.06),
    "mirror, 0.94, 1.06": turns(0.94, 1.06),
    "mirror, 0.9, 1, 1.1": turns(1.0, 0.9, 1.1),
    "mirror, 1, 1.06": turns(1.0, 1.06),
    "mirror, 0.94, 1": turns(1.0, 0.94),
}
"""By name the views that successive frames take turns between."""


def trembling(box: Box, rng: np.random.Generator) -> Box:
    """The box as a detector gives it in one of many frames."""
    right, down = np.round(rng.normal(0, SHIFT * box.width, 2)).astype(int)
    return box.padded(rng.normal(0, SCALE) / 2).moved(int(right), int(down))


def sequences(classifier: Classifier, faces: FaceSet, frames: int, seed: int) -> dict[str, Scores]:
    """By plan the averaged scores of all pictures, (pictures, labels)."""
    card = classifier.card
    rng = np.random.default_rng(seed)
    box = Box(*(ENLARGED * side for side in faces.box.xyxy))
    means: dict[str, list[Scores]] = {name: [] for name in PLANS}
    for image in faces.images:
        large = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        shots: list[tuple[Image, Box]] = []
        for _ in range(frames):
            noisy = np.clip(large + NOISE * rng.standard_normal(large.shape, np.float32), 0, 255).astype(np.uint8)
            shots.append((noisy, trembling(box, rng)))
        keys = {(index, views[index % len(views)]) for views in PLANS.values() for index in range(frames)}
        wanted = sorted(keys)
        crops = []
        for index, view in wanted:
            noisy, seen = shots[index]
            face = extract_face(noisy, seen.padded((view.scale - 1) / 2), card.size, card.margin)
            crops.append(face[:, ::-1] if view.mirrored else face)
        scores = dict(zip(wanted, classifier(crops), strict=True))
        for name, views in PLANS.items():
            means[name].append(np.mean([scores[i, views[i % len(views)]] for i in range(frames)], axis=0))
    return {name: np.stack(found) for name, found in means.items()}


def report(faces: FaceSet, means: dict[str, Scores]) -> None:
    """Print a line for each plan: accuracy, its difference to today's with a standard error, and the mean recall."""
    truth = faces.targets.argmax(axis=1)
    right = {name: scores.argmax(axis=1) == truth for name, scores in means.items()}
    print(f"{faces.name}, {len(faces)} pictures")
    for name, hits in right.items():
        gain, error = difference(right[TODAY], hits)
        recalls = [hits[truth == label].mean() for label in np.unique(truth)]
        loss = -np.log(np.maximum(means[name][np.arange(len(truth)), truth], 1e-9)).mean()
        print(
            f"  {name:24} accuracy {hits.mean():.4f} ({100 * gain:+.2f} ± {100 * error:.2f} points), "
            f"balanced {np.mean(recalls):.4f}, loss {loss:.4f}"
        )


def difference(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """How much more often ``after`` is right on the same pictures, as a share, and the standard error of that."""
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return (won - lost) / len(before), float(np.sqrt(won + lost)) / len(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", action="append", required=True, help="as for emotion-cam evaluate; may be repeated")
    parser.add_argument("--frames", type=int, default=12, help="the frames of a sequence (%(default)s)")
    parser.add_argument("--pictures", type=int, default=2000, help="the most pictures of a data set (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    classifier = Classifier(given.model)
    for name, path in parse_data(given.data):
        faces = load(name, Path(path), "validation").with_labels(classifier.card.labels)
        rows = np.random.default_rng(given.seed).permutation(len(faces))[: given.pictures]
        chosen = faces.take(np.sort(rows))
        report(chosen, sequences(classifier, chosen, given.frames, given.seed))


if __name__ == "__main__":
    main()
