"""The mean of the weights of several networks: as fast as one of them, and often more accurate than each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion_cam.card import ModelCard, TrainingRecord, read_card
from emotion_cam.errors import ModelError, TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.folder import finish
from emotion_cam.training.networks import NETWORK_OPTIONS

EQUAL = ("task", "labels", "size", "margin", "network", "parameters")
"""The fields of the card that must be equal for the weights to have the same meaning."""


def average(folders: Sequence[Path], out: Path, sets: Sequence[FaceSet], command: str = "") -> Path:
    """Write a model whose weights are the mean of the models' in ``folders``, and measure it.

    It helps if all of them were trained on from the same weights, on slightly different data or with slightly different
    recipes: then their mean lies in the same valley of the loss, nearer to its floor. The mean of networks that were
    trained from different random weights is useless. The statistics of batch normalization are averaged like weights.

    Args:
        folders: two model folders or more, each with model.keras.
        out: the model folder to write; an older one is replaced when the new one is complete.
        sets: the validation splits to measure on, with the models' labels.
        command: the command that the card records.

    Returns:
        ``out``.

    Raises:
        TrainingError: there are fewer than two folders, or the models do not match.
        ModelError: a folder is missing or incomplete.

    Source: Wortsman et al., "Model soups", ICML 2022, section 2 (a uniform soup).
    """
    if len(folders) < 2:
        raise TrainingError("An average needs two models or more.")
    cards = [read_card(folder) for folder in folders]
    for folder, card in zip(folders[1:], cards[1:], strict=True):
        different = [name for name in EQUAL if getattr(card, name) != getattr(cards[0], name)]
        if different:
            raise TrainingError(f"{folder} and {folders[0]} differ in {different[0]}; average models that match.")
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
        finish(new, out, _card(cards, command), sets)
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


def _card(cards: Sequence[ModelCard], command: str) -> ModelCard:
    first = cards[0]
    return ModelCard(
        task=first.task,
        labels=first.labels,
        size=first.size,
        margin=first.margin,
        steady=first.steady,
        network=first.network,
        parameters=first.parameters,
        data=tuple({entry.name: entry for card in reversed(cards) for entry in card.data}.values()),
        training=TrainingRecord(
            command=command,
            settings={name: value for name, value in first.training.settings.items() if name in NETWORK_OPTIONS},
            keras=keras.__version__,
            backend=keras.backend.backend(),
        ),
        parts=tuple(card.origin for card in cards),
    )
