"""The plots of a model folder: learning curves, confusion matrix and reliability diagram, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from emotion_cam.training.evaluate import Evaluation


def curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Accuracy and loss over the epochs, on training and validation pictures."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [epoch["epoch"] for epoch in history]
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        axes.plot(epochs, [epoch[name] for epoch in history], label="training (augmented)")
        axes.plot(epochs, [epoch[f"val_{name}"] for epoch in history], label="validation")
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)


def confusion(evaluation: Evaluation, path: Path) -> None:
    """For every true class the share of its pictures that was predicted as each class."""
    counts = evaluation.confusion
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    display = ConfusionMatrixDisplay(shares, display_labels=evaluation.labels)
    display.plot(ax=axes, cmap="Blues", values_format=".2f", xticks_rotation=45, colorbar=False)
    axes.set_title(
        f"{evaluation.data}: accuracy {evaluation.accuracy:.3f}, balanced {evaluation.balanced_accuracy:.3f}"
    )
    figure.savefig(path, dpi=100)


def reliability(evaluation: Evaluation, path: Path) -> None:
    """For every bin of the top score its accuracy, and its share of the pictures."""
    bins = evaluation.calibration.bins
    figure = Figure(figsize=(5, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    lower, width = [b.lower for b in bins], [b.upper - b.lower for b in bins]
    above.bar(lower, [b.accuracy for b in bins], width, align="edge", edgecolor="white")
    above.plot((0, 1), (0, 1), "--", color="gray", label="calibrated")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    above.set_title(f"{evaluation.data}: expected calibration error {evaluation.calibration.error:.3f}")
    above.legend(loc="upper left")
    shares = [b.pictures / len(evaluation) for b in bins]
    below.bar(lower, shares, width, align="edge", edgecolor="white", color="gray")
    below.set(xlabel="top score", ylabel="share of pictures")
    figure.savefig(path, dpi=100)
