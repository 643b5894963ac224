"""What the network is taught by: scores, squares and landmarks together, with Keras' operations."""

from __future__ import annotations

from typing import Any

from emotion_cam.training.backend import keras
from emotion_cam.training.detector.network import VALUES

ops = keras.ops

WEIGHTS = {"score": 1.0, "square": 2.0, "points": 4.0}
"""How much each part counts for."""


def joined(outputs: Any) -> Any:
    """The network's outputs as one, (batch, places, VALUES), finest stride first."""
    return ops.concatenate([ops.reshape(output, (ops.shape(output)[0], -1, VALUES)) for output in outputs], axis=1)


def parts(truth: Any, said: Any) -> dict[str, Any]:
    """The losses, each a mean over the faces of the batch.

    Args:
        truth: as ``targets`` gives them, (batch, places, 16).
        said: as ``joined`` gives it, (batch, places, 14).

    Sources: varifocal loss, whose target is how well the square lies (Zhang et al. 2021), though never below three
    tenths, as small squares never lie well; distance-IoU loss (Zheng et al. 2020).
    """
    background, face, shown = truth[..., 0], truth[..., 1], truth[..., 15]
    faces = ops.maximum(ops.sum(face), 1.0)
    # Squares far from any truth would overflow, and bring in gradients that are no numbers.
    side = ops.exp(ops.clip(said[..., 3], -4.0, 4.0))
    true_side = ops.maximum(truth[..., 4], 1e-3)
    shift = said[..., 1:3] - truth[..., 2:4]
    iou, apart = _overlap(shift, side, true_side)

    quality = 0.3 + 0.7 * ops.stop_gradient(iou)
    logit = said[..., 0]
    chance = ops.stop_gradient(ops.sigmoid(logit))
    as_face = ops.binary_crossentropy(quality, logit, from_logits=True)
    as_background = ops.softplus(logit) * 0.75 * chance**2
    offsets = ops.reshape(said[..., 4:14] - truth[..., 5:15], (*ops.shape(logit), 5, 2))
    points = ops.mean(ops.abs(offsets), axis=(-1, -2)) / true_side
    return {
        "score": ops.sum(face * as_face + background * as_background) / faces,
        "square": ops.sum(face * (1 - iou + apart)) / faces,
        "points": 5 * ops.sum(shown * points) / ops.maximum(ops.sum(shown), 1.0),
    }


def _overlap(shift: Any, side: Any, true_side: Any) -> tuple[Any, Any]:
    """IoU of two squares, and their centers' distance by the diagonal of what encloses both, squared."""
    away = ops.abs(shift)
    half = (side + true_side) / 2
    shared = ops.prod(ops.relu(ops.minimum(half[..., None] - away, ops.minimum(side, true_side)[..., None])), axis=-1)
    iou = shared / (side**2 + true_side**2 - shared)
    across = ops.maximum(half[..., None] + away, ops.maximum(side, true_side)[..., None])
    return iou, ops.sum(shift**2, axis=-1) / ops.sum(across**2, axis=-1)


class Taught(keras.Model):  # type: ignore[misc]
    """A detector with its losses, for ``fit`` and ``train_on_batch``.

    Args:
        network: what ``mini_face`` gives.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name="taught")
        self.network = network
        self.means = {name: keras.metrics.Mean(name) for name in WEIGHTS}

    def call(self, inputs: Any, training: bool = False) -> Any:
        return joined(self.network(inputs, training=training))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum of the parts, which are kept as metrics too."""
        losses = parts(y, y_pred)
        for name, loss in losses.items():
            self.means[name].update_state(loss)
        return sum(WEIGHTS[name] * loss for name, loss in losses.items())

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, *self.means.values()]
