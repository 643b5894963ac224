"""What train, evaluate and export do with the face detector, whose recipe, figures and files are of their own kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.table import Table

from emotion_cam.cli.console import UsageError, stdout
from emotion_cam.training.recipe import parse_data
from emotion_cam.training.stages import EvaluateStep, ExportStep

COMPARED = 20
"""On how many pictures of each data set the two runtimes are compared."""


def train(recipe_file: Path, out: Path, data_folder: Path, *, restart: bool) -> None:
    """Make a detector as its recipe file says; a stopped run is resumed."""
    from emotion_cam.training.detector import run_stages

    work = run_stages.work_folder(out)
    if restart:
        shutil.rmtree(work, ignore_errors=True)
    difference = run_stages.make(recipe_file, out, data_folder, resume=work.exists())
    stdout.print(f"Wrote {out}; LiteRT and Keras differ by {difference:.1e}.", markup=False)


def evaluate(folder: Path, step: EvaluateStep, *, json: Path | None, card: bool) -> None:
    """Measure a detector on validation pictures, and print the figures."""
    if step.framing or step.roll:
        raise UsageError("A detector has no framing; leave out `framing` and `roll`.")
    import msgspec

    from emotion_cam.training.detector.evaluate import measure, record

    measured = measure(folder, parse_data(step.data))
    _print(measured)
    if card:
        record(folder, measured)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)) + b"\n")


def export(folder: Path, step: ExportStep) -> None:
    """Write a detector's model.tflite from its model.keras."""
    if step.calibrate:
        raise UsageError("A detector has no temperature; leave out `calibrate`.")
    from emotion_cam.recognition.classifier import load_keras
    from emotion_cam.training.detector import export as exporting
    from emotion_cam.training.detector.scenes import load

    sets = [load(name, Path(path), "validation") for name, path in parse_data(step.data)]
    pictures = [scene.image for chosen in sets for scene in chosen.scenes[:COMPARED]]
    file = folder / "model.tflite"
    difference = exporting.export(load_keras(folder / "model.keras"), file, pictures)
    stdout.print(f"Wrote {file}: equal to model.keras within {difference:.1e}", markup=False)
    stdout.print(f"on {len(pictures)} pictures of {', '.join(chosen.name for chosen in sets)}", markup=False)


def _print(measured: dict[str, Any]) -> None:
    conditions = Table("", "pictures", "faces", "AP", "recall at 1 in 100", "recall", "false boxes in 100")
    for row in measured["conditions"]:
        shares = (row.get(name) for name in ("average_precision", "recall_at_few", "recall"))
        cells = ("–" if share is None else f"{share:.3f}" for share in shares)
        conditions.add_row(
            row["condition"], str(row["pictures"]), str(row["faces"]), *cells, f"{100 * row['false_boxes']:.1f}"
        )
    stdout.print(f"{measured['set']}, threshold {measured['threshold']:g}")
    stdout.print(conditions)
    if measured["groups"]:
        groups = Table("group", "pictures", "found")
        for group, row in sorted(measured["groups"].items()):
            groups.add_row(group, str(row["pictures"]), f"{row['found']:.3f}")
        stdout.print(groups)
