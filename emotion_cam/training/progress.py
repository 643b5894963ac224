"""A progress bar over the batches of all epochs."""

from __future__ import annotations

from typing import Any

from rich.progress import Progress

from emotion_cam.training.backend import keras


class EpochProgress(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows how far a run is.

    Args:
        progress: a progress bar of Rich that is on.
        epochs: the number of epochs in all.
    """

    def __init__(self, progress: Progress, epochs: int) -> None:
        super().__init__()
        self._progress, self._epochs = progress, epochs

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._task = self._progress.add_task("training", total=None)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params["steps"]
        self._progress.update(
            self._task, description=f"epoch {epoch + 1}", total=self._epochs * steps, completed=epoch * steps
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.advance(self._task)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._progress.remove_task(self._task)
