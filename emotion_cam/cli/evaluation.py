"""Prints the figures of a model as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from emotion_cam.cli.console import stdout

if TYPE_CHECKING:
    from emotion_cam.training.evaluate import Evaluation


def print_evaluation(figures: Evaluation) -> None:
    """Print accuracy, the figures of each class, the confusion matrix, and groups and framing where measured."""
    stdout.print(
        f"{figures.data}: accuracy {figures.accuracy:.4f}, balanced accuracy {figures.balanced_accuracy:.4f}, "
        f"calibration error {figures.calibration.error:.4f} ({len(figures)} pictures, {figures.runtime})"
    )
    if figures.sure is not None:
        stdout.print(
            f"sure (score at least {figures.sure.min_confidence:g}) of {figures.sure.coverage:.1%}, and right on "
            f"{figures.sure.accuracy:.1%} of these"
        )
    classes = Table("class", "precision", "recall", "F1", "pictures")
    counts = Table("true ↓  predicted →", *figures.labels)
    for row, predicted in zip(figures.per_class, figures.confusion, strict=True):
        shares = (f"{share:.3f}" for share in (row.precision, row.recall, row.f1))
        classes.add_row(row.label, *shares, str(row.pictures))
        counts.add_row(row.label, *map(str, predicted))
    stdout.print(classes, counts)
    _print_groups(figures)
    _print_framing(figures)
    _print_tilt(figures)


def _print_groups(figures: Evaluation) -> None:
    from emotion_cam.training.model_readme import missed_names

    for kind, comparison in figures.per_group.items():
        table = Table(kind, "pictures", "accuracy", "balanced accuracy", *missed_names(figures.labels))
        for row in comparison.groups:
            missed = ("–" if recall is None else f"{1 - recall:.3f}" for recall in row.recall.values())
            shares = (f"{share:.3f}" for share in (row.accuracy, row.balanced_accuracy))
            table.add_row(row.group, str(row.pictures), *shares, *missed)
        stdout.print(table)
        stdout.print(
            f"worst by {kind}: {comparison.worst}, {comparison.worst_below_mean:.4f} below the groups' mean of "
            f"{comparison.mean:.4f} (balanced accuracy)"
        )


def _print_framing(figures: Evaluation) -> None:
    if figures.framing is None:
        return
    table = Table("box", "balanced accuracy", "loss")
    for row in figures.framing.changes:
        table.add_row(row.box, f"{row.balanced_accuracy:.4f}", f"{row.loss:.4f}")
    stdout.print(table)
    stdout.print(f"loss by framing: mean {figures.framing.mean_loss:.4f}, worst {figures.framing.worst_loss:.4f}")


def _print_tilt(figures: Evaluation) -> None:
    if not figures.tilt:
        return
    table = Table("tilt", "crop", "balanced accuracy", "same label as upright")
    for row in figures.tilt:
        table.add_row(f"{row.degrees:g}°", row.crop, f"{row.balanced_accuracy:.4f}", f"{row.same_label:.1%}")
    stdout.print(table)
