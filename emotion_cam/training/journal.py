"""The state of a training run on disk, from which it can be resumed: recipe, checkpoints and history."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.recipe_files import format_recipe_file, read_recipe_file
from emotion_cam.training.stages import RECIPE, RecipeFile

log = logging.getLogger(__name__)

HISTORY = "history.csv"
"""The figures of every epoch, in the folder of a run and of a model."""


def work_folder(out: Path) -> Path:
    """Where the state of a run is that writes ``out``."""
    return out.with_name(out.name + ".training")


class Journal:
    """The folder with the state of a run. It exists from the start of the run until the model is in its place.

    Args:
        folder: the folder, as ``work_folder`` names it.

    Attributes:
        best: the Keras model of the best epoch so far.
        last: the Keras model of the last epoch, with its optimizer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best, self.last = folder / "best.keras", folder / "last.keras"
        self._history = folder / HISTORY

    @classmethod
    def start(cls, out: Path, recipe: RecipeFile) -> Journal:
        """The journal of a new run.

        Raises:
            TrainingError: a stopped run is there, or the folder cannot be written.
        """
        folder = work_folder(out)
        if folder.exists():
            raise TrainingError(f"{folder} has a stopped run; continue it with `resume`, or delete that folder.")
        try:
            folder.mkdir(parents=True)
            (folder / RECIPE).write_text(format_recipe_file(recipe), encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"{folder} cannot be written: {error.strerror}.") from error
        return cls(folder)

    @classmethod
    def resume(cls, out: Path, recipe: RecipeFile) -> Journal:
        """The journal of a stopped run.

        Raises:
            TrainingError: there is no stopped run, or its recipe is different.
        """
        folder = work_folder(out)
        if not folder.exists():
            raise TrainingError(f"There is no stopped run in {folder}; start it without `resume`.")
        if not (folder / RECIPE).exists():
            raise TrainingError(f"{folder} has no {RECIPE}, so its run cannot be resumed; delete that folder.")
        differences = list(read_recipe_file(folder / RECIPE).differences(recipe))
        if differences:
            raise TrainingError(f"The stopped run in {folder} has another recipe: {'; '.join(differences)}.")
        return cls(folder)

    def history(self) -> list[dict[str, float]]:
        """The figures of every finished epoch: epoch, accuracy, loss, val_accuracy, val_loss and more."""
        return read_history(self._history)

    def callbacks(self, epochs: int) -> list[keras.callbacks.Callback]:
        """What writes the journal while Keras trains for so many epochs in all."""
        best = max((epoch["val_accuracy"] for epoch in self.history()), default=None)
        return [
            keras.callbacks.ModelCheckpoint(
                self.best, monitor="val_accuracy", mode="max", save_best_only=True, initial_value_threshold=best
            ),
            _Writer(self, epochs),
        ]

    def add(self, model: keras.Model, epoch: int, figures: Mapping[str, float]) -> None:
        """Save a model after an epoch, counted from 1, and then add the epoch's figures to the history.

        In this order, and with the model's file replaced whole, a kill at any moment loses at most the running epoch.
        """
        new = self.folder / "next.keras"
        model.save(new)
        new.replace(self.last)
        row = {"epoch": epoch, **{name: f"{float(value):.6g}" for name, value in sorted(figures.items())}}
        is_first = not self._history.exists()
        with self._history.open("a", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, row)
            if is_first:
                writer.writeheader()
            writer.writerow(row)

    def remove(self) -> None:
        """Delete the state of the run, when its model is in its place."""
        shutil.rmtree(self.folder)


class _Writer(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, journal: Journal, epochs: int) -> None:
        super().__init__()
        self._journal, self._epochs = journal, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = logs or {}
        self._journal.add(self.model, epoch + 1, figures)
        log.info(
            "epoch %d of %d: accuracy %.3f, loss %.3f; validation accuracy %.3f, loss %.3f",
            epoch + 1,
            self._epochs,
            *(figures[name] for name in ("accuracy", "loss", "val_accuracy", "val_loss")),
        )


def read_history(file: Path) -> list[dict[str, float]]:
    """The figures of every epoch in a history; none if there is no such file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def copy_earlier_histories(before: Path, new: Path) -> None:
    """Copy the histories of the runs that a model's weights went through: history-before-1.csv is the first run's.

    Args:
        before: the model folder that the run started from.
        new: the model folder of the run.
    """
    earlier = sorted(before.glob("history-before-*.csv"))
    for file in [*earlier, *before.glob("part-*.csv")]:
        shutil.copy(file, new)
    if (before / HISTORY).exists():  # an average of models has the histories of its parts instead
        shutil.copy(before / HISTORY, new / f"history-before-{len(earlier) + 1}.csv")
