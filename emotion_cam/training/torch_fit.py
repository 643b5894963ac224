"""Training with PyTorch, outside of Keras, for processors.

A network's twin (see ``twin``) learns from the batches that Keras would get, by the same recipe and with the same
callbacks. It imports PyTorch, so it is imported only where Keras's backend is that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from emotion_cam.training.backend import keras
from emotion_cam.training.batches import Batches
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.twin import Twin

Weights = dict[str, torch.Tensor]


def fit(
    model: keras.Model,
    recipe: Recipe,
    batches: Batches,
    validation: Batches,
    folder: Path,
    epochs_run: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train a network by a recipe, with AdamW and the cosine schedule.

    At the end of every epoch the model has the averaged weights, which are validated, and the callbacks are called.

    Args:
        model: the network, with the weights to start from, or after ``epochs_run`` epochs those of a resumed run.
        recipe: how it is trained.
        batches, validation: the pictures.
        folder: where the state of the run is kept, from which it can be resumed.
        epochs_run: the number of epochs of a resumed run; 0 for a new one.
        callbacks: of Keras.
    """
    state = _State.new(model, recipe)
    if epochs_run:
        state.load(_file(folder, epochs_run))
    every = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=recipe.epochs, steps=len(batches))
    model.stop_training = False
    every.on_train_begin()
    for epoch in range(epochs_run, recipe.epochs):
        every.on_epoch_begin(epoch)
        figures = _epoch(state, recipe, batches, epoch, every)
        state.averaged().give_weights(model)
        figures |= {f"val_{name}": value for name, value in _measured(state.averaged(), validation).items()}
        state.save(_file(folder, epoch + 1))
        every.on_epoch_end(epoch, figures)  # writes the history, by which a resumed run knows its epoch
        _file(folder, epoch).unlink(missing_ok=True)
        batches.on_epoch_end()
        if model.stop_training:
            break
    every.on_train_end()


def _file(folder: Path, epochs: int) -> Path:
    return folder / f"state-{epochs}.pt"


@dataclass
class _State:
    """What a run has come to."""

    twin: Twin
    optimizer: torch.optim.Optimizer
    average: Twin

    @classmethod
    def new(cls, model: keras.Model, recipe: Recipe) -> _State:
        twin = Twin(model)
        return cls(twin, torch.optim.AdamW(_decaying(twin, recipe.weight_decay), lr=recipe.learning_rate), Twin(model))

    def save(self, file: Path) -> None:
        """Write a file that is whole or not there."""
        new = file.with_suffix(".new")
        torch.save([self.twin.state_dict(), self.optimizer.state_dict(), self.average.state_dict()], new)
        new.replace(file)

    def load(self, file: Path) -> None:
        twin, optimizer, average = torch.load(file, weights_only=True)
        self.twin.load_state_dict(twin)
        self.optimizer.load_state_dict(optimizer)
        self.average.load_state_dict(average)

    def follow(self, momentum: float) -> None:
        """Move the average towards the weights, and towards the statistics of batch normalization."""
        average: Weights = self.average.state_dict()
        for name, tensor in self.twin.state_dict().items():
            if tensor.is_floating_point():
                average[name].lerp_(tensor, 1 - momentum)

    def averaged(self) -> Twin:
        self.average.eval()
        return self.average


def _decaying(twin: Twin, weight_decay: float) -> list[dict[str, Any]]:
    """The weights of convolutions shrink; biases and batch normalization do not."""
    parameters = list(twin.parameters())
    return [
        {"params": [p for p in parameters if p.ndim == 4], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim != 4], "weight_decay": 0.0},
    ]


def _epoch(
    state: _State, recipe: Recipe, batches: Batches, epoch: int, callbacks: keras.callbacks.CallbackList
) -> dict[str, float]:
    """One epoch; the mean loss and the accuracy on the training pictures as they vary, and the learning rate."""
    twin, steps = state.twin.train(), len(batches)
    momentum = max(0.0, 1 - 1 / (recipe.average * steps)) if recipe.average else 0.0
    losses, right, count = [], 0, 0
    for step in range(steps):
        callbacks.on_train_batch_begin(step)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch + step / steps)
        faces, targets, weights = batches[step]
        logits = twin(_as_tensor(faces))
        loss = _loss(logits, torch.from_numpy(targets), torch.from_numpy(weights), recipe.label_smoothing)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.follow(momentum)
        losses.append(float(loss.detach()))
        right += int((logits.detach().numpy().argmax(1) == targets[:, : logits.shape[1]].argmax(1)).sum())
        count += len(targets)
        callbacks.on_train_batch_end(step)
    rate = learning_rate(recipe, epoch + 1)
    return {"loss": float(np.mean(losses)), "accuracy": right / count, "learning_rate": rate}


def _as_tensor(faces: npt.NDArray[np.float32]) -> torch.Tensor:
    """(batch, height, width, 1) → (batch, 1, height, width)."""
    return torch.from_numpy(faces).permute(0, 3, 1, 2)


def _loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, smoothing: float) -> torch.Tensor:
    """As ``optimization.AdjustedCrossentropy``: the targets may be followed by what to add to the logits."""
    classes = logits.shape[1]
    labels, shifts = targets[:, :classes], targets[:, classes:]
    labels = (1 - smoothing) * labels + smoothing / classes
    log_scores = torch.log_softmax(logits + shifts if shifts.shape[1] else logits, 1)
    return -((labels * log_scores).sum(1) * weights).mean()


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate at a time in epochs: linear up from a twentieth in the first, then half a cosine down to 0."""
    if epoch < 1:
        return recipe.learning_rate * (0.05 + 0.95 * epoch)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / max(1, recipe.epochs - 1)))


def _measured(twin: Twin, validation: Batches) -> dict[str, float]:
    """Loss and accuracy on the validation pictures."""
    losses, right = [], []
    with torch.inference_mode():
        for number in range(len(validation)):
            faces, targets, _ = validation[number]
            log_scores = torch.log_softmax(twin(_as_tensor(faces)), 1).numpy()
            losses += list(-(targets * log_scores).sum(1))
            right += list(log_scores.argmax(1) == targets.argmax(1))
    return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(right))}
