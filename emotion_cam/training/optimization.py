"""What training minimizes, and how: losses, optimizers, and schedules of the learning rate, by the names in recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emotion_cam.training.backend import keras
from emotion_cam.training.recipe import Recipe


@keras.saving.register_keras_serializable("emotion_cam")
class AdjustedCrossentropy(keras.losses.CategoricalCrossentropy):  # type: ignore[misc]
    """Cross entropy, with something added to the logits of each picture where the targets say so.

    Targets are (batch, classes), or (batch, 2 × classes): each followed by what to add to the logits. That is how a
    data set gets its own label frequencies in training; see ``priors``.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = y_pred.shape[-1]
        targets, shifts = y_true[:, :classes], y_true[:, classes:]
        if y_true.shape[-1] > classes:
            y_pred = keras.ops.softmax(keras.ops.log(y_pred + keras.config.epsilon()) + shifts)
        return super().call(targets, y_pred)


@keras.saving.register_keras_serializable("emotion_cam")
class Accuracy(keras.metrics.CategoricalAccuracy):  # type: ignore[misc]
    """The share of right labels; what follows the targets is left aside."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(y_true[:, : y_pred.shape[-1]], y_pred, sample_weight)


LOSSES: dict[str, Callable[[Recipe], keras.losses.Loss]] = {
    "crossentropy": lambda recipe: AdjustedCrossentropy(label_smoothing=recipe.label_smoothing),
}
"""Losses of (targets, scores); the targets are those of ``Batches``."""

OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}

SCHEDULES = ("cosine", "plateau")


def compile_model(model: keras.Model, recipe: Recipe, steps: int) -> None:
    """Give a network its loss and its optimizer.

    Args:
        model: the network.
        recipe: how it is trained.
        steps: the number of batches in an epoch.
    """
    model.compile(
        optimizer=OPTIMIZERS[recipe.optimizer](
            _learning_rate(recipe, steps), weight_decay=recipe.weight_decay, **_averaging(recipe, steps)
        ),
        loss=LOSSES[recipe.loss](recipe),
        metrics=[Accuracy("accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's compiled depthwise convolutions are slower
    )


def optimization_callbacks(recipe: Recipe) -> list[keras.callbacks.Callback]:
    """What changes the learning rate and the weights at the end of an epoch; to run before the model is saved."""
    callbacks = []
    if recipe.average:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=1 / 3, patience=5, min_lr=1e-6))
    return callbacks


def restore_trained_weights(model: keras.Model) -> None:
    """Put the weights that are trained back in the place of their averages, with which a model is saved."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()  # swaps the two


def _learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule != "cosine":
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 20,
        decay_steps=max(1, (recipe.epochs - 1) * steps),
        warmup_target=recipe.learning_rate,
        warmup_steps=steps,
    )


def _averaging(recipe: Recipe, steps: int) -> dict[str, Any]:
    """The optimizer's options that average weights over the recipe's number of epochs."""
    if not recipe.average:
        return {}
    return {"use_ema": True, "ema_momentum": max(0.0, 1 - 1 / (recipe.average * steps))}
