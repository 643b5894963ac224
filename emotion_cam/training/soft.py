"""What teachers say of augmented pictures, computed once and learnt many times (Hinton et al. 2015).

    python -m emotion_cam.training.soft recipes/emotion-2.toml --teacher runs/teacher-1 --views 4 --data-root data \
        --out runs/soft-1

Every picture has a fixed number of views: each is one augmentation, the same whenever it is asked for. A run that
learns from the store goes through the views, one an epoch, and sees what the teachers saw.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import TrainingError
from emotion_cam.training.augmentation import AUGMENTATIONS, augmented_face
from emotion_cam.training.batches import Batches
from emotion_cam.training.datasets import FaceSet
from emotion_cam.types import Scores

Teacher = Callable[[npt.NDArray[np.float32]], Scores]
"""Faces, float32 in [0, 255], (faces, height, width) → softmax scores, (faces, classes)."""

CHUNK = 128


@dataclass(frozen=True)
class ViewOptions:
    """What decides how a view looks: the network's input and the augmentation."""

    size: int
    margin: float
    augmentation: str
    seed: int

    def view(self, faces: FaceSet, source: int, row: int, number: int) -> npt.NDArray[np.float32]:
        """View ``number`` of a picture of the set with index ``source``: float32 in [0, 255], (size, size)."""
        rng = np.random.default_rng([self.seed, number, source, row])
        how, size = AUGMENTATIONS[self.augmentation], (self.size, self.size)
        return augmented_face(faces.images[row], faces.box, size, self.margin, how, rng)


def store(teacher: Teacher, sets: Sequence[FaceSet], views: int, options: ViewOptions, folder: Path) -> None:
    """Write what the teacher says of every view of every picture to ``folder``: scores-N.npy and views.json.

    Scores are float16, (views, pictures, classes), one file for each set; a view that lies there already is kept, so a
    stop loses at most one view of one set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source, faces in enumerate(sets):
        parts = []
        for number in range(views):
            file = folder / f"scores-{source}-{number}.npy"
            if not file.exists():
                scores = [
                    teacher(np.stack([options.view(faces, source, row, number) for row in rows]))
                    for rows in np.array_split(np.arange(len(faces)), max(1, len(faces) // CHUNK))
                ]
                new = file.with_suffix(".new.npy")
                np.save(new, np.concatenate(scores).astype(np.float16))
                new.replace(file)
            parts.append(file.name)
    (folder / "views.json").write_text(json.dumps(_description(sets, options) | {"views": views}, indent=2) + "\n")


def _description(sets: Sequence[FaceSet], options: ViewOptions) -> dict[str, Any]:
    return {
        "size": options.size,
        "margin": options.margin,
        "augmentation": options.augmentation,
        "seed": options.seed,
        "sets": [[faces.name, hashlib.blake2b(faces.images.tobytes(), digest_size=16).hexdigest()] for faces in sets],
    }


class SoftBatches(Batches):
    """Batches whose pictures are the views of a store; ``soft`` says what the teachers said of them.

    Args:
        sets: as for the store, in the same order.
        options: as for the store.
        folder: the store.
        batch_size, balance, emphasis, first_epoch: as for Batches.

    Raises:
        TrainingError: the store is of other pictures or other views.
    """

    def __init__(self, sets: Sequence[FaceSet], options: ViewOptions, folder: Path, **others: Any) -> None:
        try:
            written = json.loads((folder / "views.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise TrainingError(f"{folder} is no whole store of scores: {error.strerror}.") from error
        self._views = written.pop("views")
        if written != _description(sets, options):
            raise TrainingError(f"The scores in {folder} are of other pictures or other views than this run's.")
        self._options = options
        self._scores = [
            np.stack([np.load(folder / f"scores-{source}-{number}.npy") for number in range(self._views)])
            for source in range(len(sets))
        ]
        how = AUGMENTATIONS[options.augmentation]
        size = (options.size, options.size)
        super().__init__(sets, size, margin=options.margin, augmentation=how, seed=options.seed, **others)

    def __getitem__(self, number: int) -> tuple[Any, Any, Any]:
        rows, view = self.chosen(number), self._epoch % self._views
        faces = np.stack([self._options.view(self._sets[i], i, row, view) for i, row in rows])[..., None]
        targets = np.stack([self._sets[i].targets[row] for i, row in rows])
        groups = np.array([self._group_weights[i][row] for i, row in rows], np.float32)
        return faces, targets, targets @ self._class_weights * groups

    def soft(self, number: int) -> npt.NDArray[np.float32]:
        """The teachers' scores of a batch's faces: float32, (faces, classes)."""
        rows, view = self.chosen(number), self._epoch % self._views
        return np.stack([self._scores[i][view, row] for i, row in rows]).astype(np.float32)


def main() -> None:
    from emotion_cam.training.torch_run import TorchRecipe, load_sets, mean_teacher, set_threads

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="the recipe of the run that will learn from the store")
    parser.add_argument("--teacher", type=Path, action="append", required=True, help="a model folder; may be repeated")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    set_threads(1)
    recipe = TorchRecipe.read(given.recipe)
    sets, _ = load_sets(recipe, given.data_root)
    store(mean_teacher(given.teacher), sets, given.views, recipe.view_options(), given.out)


if __name__ == "__main__":
    main()
