"""Callbacks of Keras for tests."""

from __future__ import annotations

from emotion_cam.training.backend import keras


class StopAfter(keras.callbacks.Callback):  # type: ignore[misc]
    """Interrupts the run in the first batch after this many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._epochs -= batch == 0
        if self._epochs < 0:
            raise KeyboardInterrupt
