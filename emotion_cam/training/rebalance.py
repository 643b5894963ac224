"""Choose, after training, how frequent a network should take each class to be, and put that into its weights.

    python -m emotion_cam.training.rebalance MODEL --data-root data --reference ferplus rafdb --on ferplus rafdb posed
    python -m emotion_cam.training.rebalance MODEL … --strength 0.25

The first prints what several strengths do on validation splits; the second subtracts strength × log π from the logits,
π being the prior that the network was trained to score by. 0 leaves it, 1 treats all classes as equally frequent.

Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, section 4.1 (post-hoc adjustment).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from emotion_cam.card import read_card
from emotion_cam.training import card as cards
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet, Targets, load
from emotion_cam.training.evaluate import Evaluation, evaluate
from emotion_cam.training.priors import prior
from emotion_cam.types import Scores

FOLDERS = {"ferplus": "fer2013", "posed": "expressions"}
"""Where a data set lies below the data's root, if not in a folder of its own name."""

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def rebalanced(scores: Scores, common: Targets, strength: float) -> Scores:
    """Softmax scores, (faces, classes), with strength × log prior taken from their logits."""
    weighed = np.maximum(scores, np.finfo(np.float32).tiny) / np.power(common, strength)
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True), np.float32)


def rebalance(folder: Path, common: Targets, strength: float) -> None:
    """Take strength × log prior from the logits of the network in ``folder``, by the class map's bias.

    That is exact, as global average pooling and softmax alone come after it. model.json keeps the strength; what was
    measured before leaves it, and model.tflite, which `emotion-cam export` writes anew.
    """
    model = keras.models.load_model(folder / "model.keras", compile=False)
    kernel, bias = model.get_layer("class_map").get_weights()
    model.get_layer("class_map").set_weights([kernel, bias - strength * np.log(common)])
    with tempfile.TemporaryDirectory(dir=folder) as place:
        model.save(Path(place) / "model.keras")
        (Path(place) / "model.keras").replace(folder / "model.keras")
    (folder / "model.tflite").unlink(missing_ok=True)
    card = read_card(folder)
    settings = card.training.settings
    settings = settings | {"prior_strength": round(settings.get("prior_strength", 0.0) + strength, 4)}
    cards.write(folder, replace(card, training=replace(card.training, settings=settings), measured=()))


def _line(figures: Evaluation) -> str:
    recalls = " ".join(f"{row.recall:.2f}" for row in figures.per_class)
    return f"{figures.accuracy:.4f} / {figures.balanced_accuracy:.4f} ({recalls}) ECE {figures.calibration.error:.3f}"


def _compare(measured: Sequence[Evaluation], common: Targets) -> None:
    print(f"accuracy / balanced (recall of {', '.join(measured[0].labels)})")
    for one in measured:
        for strength in STRENGTHS:
            scores = rebalanced(one.scores, common, strength)
            print(f"{one.data} {strength:g}: {_line(Evaluation(one.data, '', one.labels, one.truth, scores))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--reference", nargs="+", required=True, help="the sets whose training frequencies are π")
    parser.add_argument("--on", nargs="+", default=[], help="the sets to measure on, validation splits")
    parser.add_argument("--strength", type=float, help="apply this strength")
    parser.add_argument("--mirrored", action="store_true")
    given = parser.parse_args()

    def read(name: str, split: str) -> FaceSet:
        return load(name, given.data_root / FOLDERS.get(name, name), split)

    common = prior([read(name, "train") for name in given.reference])
    print("π:", dict(zip(read_card(given.model).labels, common.round(3).tolist(), strict=True)))
    if given.strength is None:
        sets = [read(name, "validation") for name in given.on]
        _compare([evaluate(given.model, faces, mirrored=given.mirrored) for faces in sets], common)
    else:
        rebalance(given.model, common, given.strength)


if __name__ == "__main__":
    main()
