"""A bar over the epochs, with rate and time left, and a line for each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from rich.progress import Progress


class EpochProgress(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows how a run goes on.

    Args:
        progress: a Rich progress bar that is on.
        epochs: how many there will be.
        say: prints a line.
    """

    def __init__(self, progress: Progress, epochs: int, say: Callable[[str], None]) -> None:
        super().__init__()
        self._progress, self._epochs, self._say = progress, epochs, say

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._task = self._progress.add_task("training", total=None)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params["steps"]
        self._progress.update(
            self._task, description=f"epoch {epoch + 1}", total=self._epochs * steps, completed=epoch * steps
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        self._say(
            f"epoch {epoch + 1} of {self._epochs}: accuracy {logs['accuracy']:.3f}, loss {logs['loss']:.3f}; "
            f"validation accuracy {logs['val_accuracy']:.3f}, loss {logs['val_loss']:.3f}"
        )
