"""The mean of several networks' weights: as quick as one of them, and often better than each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from emotion_cam.recognition.classifier import ModelCard
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.folder import finish, origin
from emotion_cam.training.train import NETWORK_OPTIONS

ALIKE = ("task", "labels", "size", "margin", "network", "parameters")
"""What of model.json must be the same for weights to have the same meaning."""


def average(folders: Sequence[Path], out: Path, sets: Sequence[FaceSet], command: str = "") -> Path:
    """Write a model whose weights are the mean of the models' in ``folders``, and measure it.

    This gains something where all of them went on from the same weights, on data or with recipes a little apart:
    then the mean lies in the same valley of the loss, nearer its floor. Networks that started from different random
    weights have no mean worth having. The statistics of batch normalisation are averaged like the weights.

    Args:
        folders: two model folders or more, each with model.keras.
        out: the model folder to write; what stands there is replaced when the new one is complete.
        sets: validation splits to measure on, with the models' labels.
        command: what to write into the card as the command that did it.

    Returns:
        ``out``.

    Raises:
        TrainingError: there are fewer than two, or they are not alike.
        ModelError: a folder is missing or incomplete.

    Source: Wortsman et al., "Model soups", ICML 2022, section 2 (a uniform soup).
    """
    if len(folders) < 2:
        raise TrainingError("An average needs two models or more.")
    cards = [ModelCard.load(folder) for folder in folders]
    first = cards[0].written
    for card in cards[1:]:
        different = [key for key in ALIKE if card.written.get(key) != first.get(key)]
        if different:
            raise TrainingError(
                f"{card.folder} has another {different[0]} than {cards[0].folder}; average like models."
            )
    models = [_load(folder) for folder in folders]
    try:
        models[0].set_weights([np.mean(weights, axis=0) for weights in zip(*map(_weights, models), strict=True)])
    except ValueError as error:
        raise TrainingError("The models' weights have different shapes; average models of the same network.") from error
    new = out.with_name(out.name + ".averaging")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        models[0].save(new / "model.keras")
        _copy_histories(folders, new)
        finish(new, out, _written(cards, command), sets)
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return out


def _load(folder: Path) -> keras.Model:
    if not (folder / "model.keras").is_file():
        raise ModelError(f"{folder} is incomplete: it has no model.keras to average.")
    return keras.models.load_model(folder / "model.keras", compile=False)


def _weights(model: keras.Model) -> list[Any]:
    weights: list[Any] = model.get_weights()
    return weights


def _copy_histories(folders: Sequence[Path], new: Path) -> None:
    for number, folder in enumerate(folders, start=1):
        for file in folder.glob("*history*.csv"):
            shutil.copy(file, new / f"part-{number}-{file.name}")


def _written(cards: Sequence[ModelCard], command: str) -> dict[str, Any]:
    data = {entry["name"]: entry for card in reversed(cards) for entry in card.written.get("data", [])}
    kept = {key: cards[0].written[key] for key in ("format", *ALIKE, "steady") if key in cards[0].written}
    network = {key: value for key, value in cards[0].written["training"].items() if key in NETWORK_OPTIONS}
    return {
        **kept,
        "data": list(data.values()),
        "training": {"command": command, **network, "keras": keras.__version__, "backend": keras.backend.backend()},
        "parts": [origin(card) for card in cards],
        "measured": [],
    }
