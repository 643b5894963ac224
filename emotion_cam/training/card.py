"""Write the card of a model folder: model.json for programs, and the pages for people that are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from emotion_cam.card import DataEntry, ModelCard, TrainingRecord, read_card, write_card
from emotion_cam.training import model_readme, plots
from emotion_cam.training.datasets import DATASETS, FaceSet
from emotion_cam.training.evaluate import Evaluation

NOTES = model_readme.NOTES
"""What people write about a model; a new model in the same folder keeps it."""


def data_entries(
    names: Sequence[str], train_sets: Sequence[FaceSet], validation_sets: Sequence[FaceSet]
) -> tuple[DataEntry, ...]:
    """What a card says about the data sets of a training; sets that follow the named ones have no entry."""
    return tuple(
        DataEntry(
            name=name,
            reference=DATASETS[name].reference,
            terms=DATASETS[name].terms,
            train=len(train_set),
            validation=len(validation_set),
        )
        for name, train_set, validation_set in zip(names, train_sets, validation_sets, strict=False)
    )


def write(folder: Path, card: ModelCard) -> None:
    """Write model.json, and README.md, details.md and training.md from it.

    Raises:
        ModelError: the card is not valid; nothing is written.
        OSError: a file cannot be written.
    """
    write_card(folder, card)
    model_readme.write(folder, card)


def record(folder: Path, evaluation: Evaluation) -> None:
    """Add a measurement to a card, in place of an earlier one on the same data, and write its plots."""
    card = read_card(folder)
    others = [measured for measured in card.measured if measured.data != evaluation.data]
    plots.confusion(evaluation, folder / model_readme.plot_name("confusion", evaluation.data))
    plots.reliability(evaluation, folder / model_readme.plot_name("reliability", evaluation.data))
    write(folder, replace(card, measured=(*others, evaluation.measurement)))


def record_temperature(folder: Path, temperature: float, min_confidence: float, data: Sequence[str]) -> None:
    """Record in a card that the logits were divided by a temperature, and the threshold that was chosen afterwards.

    Earlier figures of calibration no longer hold and are removed, as are their plots.

    Args:
        folder: the model folder.
        temperature: the number that the logits were divided by now.
        min_confidence: the new threshold.
        data: the names of the splits on which both were fitted.
    """
    card = read_card(folder)
    training: TrainingRecord = replace(
        card.training,
        temperature=round((card.training.temperature or 1.0) * temperature, 4),
        temperature_data=", ".join(data),
    )
    for measured in card.measured:
        (folder / model_readme.plot_name("reliability", measured.data)).unlink(missing_ok=True)
    measured_before = tuple(replace(measured, calibration=None, sure=None) for measured in card.measured)
    write(folder, replace(card, training=training, min_confidence=min_confidence, measured=measured_before))
