"""What people do with networks: train them, measure them, export them, and see why they say what they say."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion_cam.cli.console import errors_told, plain, progress_bar, stderr, stdout

if TYPE_CHECKING:
    from emotion_cam.training.evaluate import Report

_Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="A data set and where it lies: fer2013, ferplus, rafdb, fairface, utkface or folder, as in "
        "fer2013=data/fer2013. May be repeated.",
        metavar="NAME=PATH",
        show_default=False,
    ),
]
_Model = Annotated[Path, typer.Argument(help="A model folder.", metavar="MODEL", show_default=False)]


def _named(data: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple((name, path) for name, _, path in (entry.partition("=") for entry in data))
    for name, path in pairs:
        if not path:
            raise typer.BadParameter(f"“{name}” needs a place, as in {name}=data/{name}.", param_hint="--data")
    return pairs


def _emphasised(entries: list[str]) -> tuple[tuple[str, str, float], ...]:
    groups = []
    for entry in entries:
        found = re.fullmatch(r"(\w+)=(.+):(\d+(?:\.\d+)?)", entry)
        if not found:
            raise typer.BadParameter(f"“{entry}” is not of the form race=Black:1.5.", param_hint="--emphasis")
        groups.append((found[1], found[2], float(found[3])))
    return tuple(groups)


def _load_keras() -> None:
    """Import Keras, and with it TensorFlow, without what that announces of itself."""
    import emotion_cam.training  # noqa: F401 - first, see there
    from emotion_cam.litert import silenced_stderr

    with silenced_stderr():
        import keras  # noqa: F401


def _command() -> str:
    """What was typed, as a model's card tells it: a run that was stopped and resumed is the same run."""
    return f"emotion-cam {shlex.join(argument for argument in sys.argv[1:] if argument != '--resume')}"


def train(
    task: Annotated[str, typer.Option(help="What the network tells, as people will see it.", show_default=False)],
    data: _Data,
    out: Annotated[Path, typer.Option(help="The model folder to write.", metavar="FOLDER", show_default=False)],
    network: Annotated[str, typer.Option(help="mini_xception or xception.")] = "mini_xception",
    residual: Annotated[bool, typer.Option(help="The blocks' shortcuts; without them as an experiment.")] = True,
    separable: Annotated[bool, typer.Option(help="Separable convolutions; plain ones as an experiment.")] = True,
    middle_activation: Annotated[
        bool,
        typer.Option("--middle-activation", help="A ReLU between depthwise and pointwise, as an experiment."),
    ] = False,
    width: Annotated[float, typer.Option(help="Times as many filters in every convolution.")] = 1.0,
    middle_blocks: Annotated[int, typer.Option(help="Blocks in Xception's middle flow.")] = 8,
    size: Annotated[int, typer.Option(help="Side of the input in pixels; Xception needs 71.")] = 48,
    margin: Annotated[float, typer.Option(help="What to add to the detector's box, as a share of its side.")] = 0.0,
    epochs: Annotated[int, typer.Option(help="How long at most.")] = 60,
    batch_size: Annotated[int, typer.Option(help="Faces a step.")] = 64,
    optimizer: Annotated[str, typer.Option(help="adamw or rmsprop.")] = "adamw",
    learning_rate: Annotated[float, typer.Option(help="Of the optimizer, after a warm-up of one epoch.")] = 2e-3,
    schedule: Annotated[str, typer.Option(help="cosine or plateau.")] = "cosine",
    weight_decay: Annotated[float, typer.Option(help="Of the optimizer.")] = 1e-4,
    l2: Annotated[float, typer.Option(help="Penalty on the convolutions; 0.01 in the authors' code.")] = 0.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of each target spread over all classes.")] = 0.0,
    votes: Annotated[float, typer.Option(help="Share of FER+'s votes in FER2013's targets.")] = 0.0,
    balance: Annotated[float, typer.Option(help="Weight of rare classes: 0 none, 1 as much as common ones.")] = 0.0,
    emphasis: Annotated[
        list[str] | None,
        typer.Option(
            help="A group of people whose pictures weigh more, as in race=Black:1.5. May be repeated.",
            metavar="KIND=GROUP:FACTOR",
            show_default="none",
        ),
    ] = None,
    augmentation: Annotated[str, typer.Option(help="none, gentle, framing, shear or strong.")] = "gentle",
    mixup: Annotated[float, typer.Option(help="Mix pairs of pictures by Beta(MIXUP, MIXUP); 0: do not.")] = 0.0,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Learn this model's scores beside the labels. May be repeated.",
            metavar="MODEL",
            show_default="none",
        ),
    ] = None,
    teacher_share: Annotated[float, typer.Option(help="Share of the teachers' scores in the targets.")] = 0.5,
    average: Annotated[
        float, typer.Option(help="Average the weights over about so many epochs; 0: do not.", metavar="EPOCHS")
    ] = 0.0,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better one; 0: never.")] = 0,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    steady: Annotated[
        bool, typer.Option("--steady", help="What it tells stays the same while a face is in view, as gender does.")
    ] = False,
    init: Annotated[
        str,
        typer.Option(
            help="Start from the weights of this model folder; for Xception also “imagenet”, which Keras downloads, or "
            "a file of those weights.",
            metavar="MODEL",
            show_default="none",
        ),
    ] = "",
    freeze: Annotated[
        int, typer.Option(help="Leave the first so many layers as they are; --init a second run to train all.")
    ] = 0,
    mixed_precision: Annotated[
        bool, typer.Option("--mixed-precision", help="Compute in float16 what bears it; quicker on GPUs.")
    ] = False,
    devices: Annotated[int, typer.Option(help="Share every batch out over so many GPUs; needs KERAS_BACKEND=jax.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
) -> None:
    """Train a network on data sets, and write a model folder that explains itself."""
    named = _named(data)
    emphasised = _emphasised(emphasis or [])
    with errors_told():
        _load_keras()
        from emotion_cam.training.progress import EpochProgress
        from emotion_cam.training.train import Recipe
        from emotion_cam.training.train import train as fit

        recipe = Recipe(
            task=task,
            data=named,
            network=network,
            residual=residual,
            separable=separable,
            middle_activation=middle_activation,
            width=width,
            middle_blocks=middle_blocks,
            size=size,
            margin=margin,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            l2=l2,
            label_smoothing=label_smoothing,
            votes=votes,
            balance=balance,
            emphasis=emphasised,
            augmentation=augmentation,
            mixup=mixup,
            teachers=tuple(teacher or ()),
            teacher_share=teacher_share,
            average=average,
            patience=patience,
            seed=seed,
            steady=steady,
            init=init,
            freeze=freeze,
            mixed_precision=mixed_precision,
            devices=devices,
        )
        with progress_bar("batches/s") as progress:
            watch = EpochProgress(progress, recipe.epochs, stderr.print)
            fit(recipe, out, resume=resume, command=_command(), callbacks=[watch])
        stdout.print(f"Wrote {plain(str(out))}")
        if not (out / "model.tflite").exists():
            stdout.print("KERAS_BACKEND=tensorflow emotion-cam export writes its model.tflite, which the camera runs")


def average(
    models: Annotated[
        list[Path],
        typer.Argument(help="Two model folders or more, of the same network.", metavar="MODEL…", show_default=False),
    ],
    data: _Data,
    out: Annotated[Path, typer.Option(help="The model folder to write.", metavar="FOLDER", show_default=False)],
) -> None:
    """Write the mean of models' weights, which went on from the same model, and measure it on validation splits."""
    named = _named(data)
    with errors_told():
        _load_keras()
        from emotion_cam.training import datasets
        from emotion_cam.training.average import average as mean

        sets = [datasets.load(name, Path(path), "validation") for name, path in named]
        mean(models, out, sets, command=_command())
        stdout.print(f"Wrote {plain(str(out))}")


def evaluate(
    model: _Model,
    data: _Data,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    runtime: Annotated[str, typer.Option(help="litert or keras.")] = "litert",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here too.", metavar="FILE", show_default=False)
    ] = None,
    framing: Annotated[
        bool, typer.Option("--framing", help="Measure too what is lost when the box is shifted or scaled.")
    ] = False,
    mirrored: Annotated[
        bool,
        typer.Option("--mirrored", help="Average each face's scores with its mirror image's, as recognition does."),
    ] = False,
    record: Annotated[bool, typer.Option("--card", help="Put the figures into the model's card.")] = False,
) -> None:
    """Measure a model on data sets, through the classifier that the camera uses."""
    named = _named(data)
    if mirrored and record:
        raise typer.BadParameter("cards tell of the network alone; leave --mirrored or --card away.")
    with errors_told():
        import json

        from emotion_cam.training import card, datasets
        from emotion_cam.training.evaluate import evaluate as measure
        from emotion_cam.training.evaluate import reframed

        reports = []
        for name, path in named:
            faces = datasets.load(name, Path(path), split)
            total = len(faces) * (1 + framing * len(reframed(faces.box)))
            with progress_bar("pictures/s") as bar:
                watch = partial(bar.advance, bar.add_task(name, total=total))
                report = measure(model, faces, runtime=runtime, framing=framing, mirrored=mirrored, progress=watch)
            _print_report(report)
            reports.append(report)
            if record:
                card.record(model, report)
        if json_file is not None:
            json_file.write_text(json.dumps([report.as_dict() for report in reports], indent=2) + "\n")


def _print_report(report: Report) -> None:
    from rich.table import Table

    stdout.print(
        f"{report.data}: accuracy {report.accuracy:.4f}, balanced accuracy {report.balanced_accuracy:.4f}, "
        f"calibration error {report.calibration_error:.4f} ({len(report.truth)} pictures, {report.runtime})"
    )
    if report.min_confidence:
        stdout.print(
            f"sure (score at least {report.min_confidence:g}) of {report.sure['coverage']:.1%}, and right on "
            f"{report.sure['accuracy']:.1%} of these"
        )
    figures = Table("class", "precision", "recall", "F1", "pictures")
    counts = Table("true ↓  told →", *report.labels)
    for row, told in zip(report.per_class, report.confusion, strict=True):
        shares = (f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        figures.add_row(row["label"], *shares, str(row["pictures"]))
        counts.add_row(row["label"], *map(str, told))
    stdout.print(figures, counts)
    _print_groups(report)
    _print_framing(report)


def _print_groups(report: Report) -> None:
    from rich.table import Table

    from emotion_cam.training.card import error_names

    for kind, figures in report.as_dict().get("groups", {}).items():
        table = Table(kind, "pictures", "accuracy", "balanced accuracy", *error_names(report.labels))
        for row in figures["groups"]:
            errors = ("–" if recall is None else f"{1 - recall:.3f}" for recall in row["recall"].values())
            shares = (f"{row[key]:.3f}" for key in ("accuracy", "balanced_accuracy"))
            table.add_row(row["group"], str(row["pictures"]), *shares, *errors)
        stdout.print(table)
        stdout.print(
            f"worst by {kind}: {figures['worst']}, {figures['worst_below_mean']:.4f} below the groups' mean of "
            f"{figures['mean']:.4f} (balanced accuracy)"
        )


def _print_framing(report: Report) -> None:
    from rich.table import Table

    figures = report.as_dict().get("framing")
    if figures is None:
        return
    table = Table("box", "balanced accuracy", "loss")
    for row in figures["changes"]:
        table.add_row(row["box"], f"{row['balanced_accuracy']:.4f}", f"{row['loss']:.4f}")
    stdout.print(table)
    stdout.print(f"loss by framing: mean {figures['mean_loss']:.4f}, worst {figures['worst_loss']:.4f}")


def export(
    model: _Model,
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            help="Faces to compare the two files on (the validation split), as in fer2013=data/fer2013. May be "
            "repeated.",
            metavar="NAME=PATH",
            show_default=False,
        ),
    ],
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="First fold into the weights the temperature that suits these faces best."),
    ] = False,
) -> None:
    """Write model.tflite from a folder's model.keras, after a check that both say the same of real faces."""
    named = _named(data)
    with errors_told():
        _load_keras()
        from emotion_cam.recognition.classifier import ModelCard
        from emotion_cam.training import datasets
        from emotion_cam.training import export as exporting

        card = ModelCard.load(model)
        sets = [datasets.load(name, Path(path), "validation") for name, path in named]
        faces = [face for chosen in sets for face in chosen.extracted(card.size, card.margin)]
        if calibrate:
            temperature, difference = exporting.calibrate(model, sets)
            stdout.print(f"Divided the logits by the temperature {temperature:.3f}; evaluate --card measures it anew")
        else:
            difference = exporting.export(model, faces)
        stdout.print(f"Wrote {plain(str(model / 'model.tflite'))}: equal to model.keras within {difference:.1e}")
        stdout.print(f"on {len(faces)} faces of {', '.join(chosen.name for chosen in sets)}")


def explain(
    photo: Annotated[
        Path, typer.Argument(help="A picture with faces.", metavar="PHOTO", dir_okay=False, show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="What to write: .png or .jpg.", metavar="FILE", show_default=False)],
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A model folder. May be repeated.", metavar="FOLDER", show_default="the shipped ones"),
    ] = None,
) -> None:
    """Show what in each face of a photo speaks for its labels: activation map, Grad-CAM, guided backpropagation."""
    with errors_told():
        _load_keras()
        from emotion_cam.recognition.classifier import shipped_models
        from emotion_cam.explain import explain as write

        count = write(photo, out, model or list(shipped_models().values()))
        stdout.print(f"1 picture, {count} face" + ("" if count == 1 else "s"))
        stdout.print(f"Wrote {plain(str(out))}")
