"""A model adapted to one person: a small number for each label, added to the logits of that model.

`emotion-cam adapt` fits the numbers to pictures of the person and writes them to a file, which ``Recognizer(adapt=…)``
and `--adapt` read. The file names the model by a hash, because the numbers mean nothing for another one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from emotion_cam.card import Count, Name, read_card
from emotion_cam.checks import reason_of
from emotion_cam.errors import ModelError
from emotion_cam.files import write_file
from emotion_cam.types import Scores

FORMAT = 1
"""The version of the file that this module writes, and the newest that it reads."""

LARGEST = 20.0
"""The largest offset: with more, a label would win or lose whatever the face shows."""

_MOST_BYTES = 1_000_000
"""The largest file that is read; a usual one has less than a thousandth of it."""


class Adaptation(msgspec.Struct, frozen=True, kw_only=True):
    """The offsets of one person for one model.

    Attributes:
        format: the version of the file.
        task: the model's task.
        labels: the model's labels, in its order.
        offsets: for each label the number that is added to its logit.
        model: the model's fingerprint; see ``fingerprint``.
        pictures: the number of pictures that the offsets were fitted to.
    """

    format: Annotated[int, Meta(ge=1)] = FORMAT
    task: Name
    labels: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=1000)]
    offsets: tuple[Annotated[float, Meta(ge=-LARGEST, le=LARGEST)], ...]
    model: str
    pictures: Count = 0

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.labels) or not all(map(math.isfinite, self.offsets)):
            raise ValueError("Expected a finite number for each of the “labels” at “offsets”")

    @property
    def is_neutral(self) -> bool:
        """Whether it changes nothing."""
        return not any(self.offsets)

    def apply(self, scores: Scores) -> Scores:
        """The scores after the offsets were added to their logits.

        Args:
            scores: float32, (faces, labels), each row a softmax.

        Returns:
            The same shape, each row a softmax; ``scores`` itself if all offsets are 0.
        """
        if self.is_neutral:
            return scores
        # softmax(log s + offset) = s · exp(offset), divided by the sum of the row.
        shifted = scores * np.exp(np.asarray(self.offsets, np.float32))
        return np.asarray(shifted / np.maximum(shifted.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny))


def fingerprint(folder: Path) -> str:
    """The SHA-256 of a model's network, in hexadecimal: of model.tflite, or of model.keras where there is no other.

    Raises:
        ModelError: the folder has neither, or the file cannot be read.
    """
    file = next((folder / name for name in ("model.tflite", "model.keras") if (folder / name).is_file()), None)
    if file is None:
        raise ModelError(f"{folder} is incomplete: it has no model.tflite.")
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}.") from error


def write_adaptation(file: Path, adaptation: Adaptation) -> None:
    """Write an adaptation, whole or not at all. Raises SinkError if that fails."""
    write_file(file, msgspec.json.format(msgspec.json.encode(adaptation)) + b"\n")


def read_adaptation(file: Path) -> Adaptation:
    """Read and check the file of an adaptation.

    Raises:
        ModelError: there is no such file, or it is not an adaptation, or of a newer format.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES)
        adaptation = msgspec.json.decode(data, type=Adaptation)
    except FileNotFoundError:
        raise ModelError(f"There is no file {file}; `emotion-cam adapt` writes one.") from None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{file} is not a file that `emotion-cam adapt` has written: {reason_of(error)}.") from error
    if adaptation.format > FORMAT:
        raise ModelError(
            f"{file} has format {adaptation.format}, but this version reads formats up to {FORMAT}; update emotion-cam."
        )
    return adaptation


def choose_adaptations(files: Sequence[Path], folders: Sequence[Path]) -> list[Adaptation | None]:
    """Match adaptations with models.

    Args:
        files: the files of the adaptations.
        folders: the model folders that are used.

    Returns:
        The adaptation of each model; None for one without.

    Raises:
        ModelError: a file cannot be read, or is for a task, labels or a model that is not used, or two are for the same
            task.
    """
    if not files:
        return [None] * len(folders)
    cards = [read_card(folder) for folder in folders]
    chosen: dict[str, tuple[Path, Adaptation]] = {}
    for file in files:
        adaptation = read_adaptation(file)
        task = adaptation.task
        if task in chosen:
            raise ModelError(f"{chosen[task][0]} and {file} are both for {task}; give one of them.")
        number = next((number for number, card in enumerate(cards) if card.task == task), None)
        if number is None:
            tasks = " and ".join(card.task for card in cards) or "none"
            raise ModelError(f"{file} is for the task “{task}”, but the models here are for {tasks}.")
        if adaptation.labels != cards[number].labels:
            raise ModelError(
                f"{file} is for the labels {', '.join(adaptation.labels)}, but {folders[number]} has "
                f"{', '.join(cards[number].labels)}; `emotion-cam adapt` makes one for it."
            )
        if adaptation.model != fingerprint(folders[number]):
            raise ModelError(
                f"{file} is for another model than {folders[number]}; `emotion-cam adapt` makes one for it."
            )
        chosen[task] = file, adaptation
    return [chosen[card.task][1] if card.task in chosen else None for card in cards]
