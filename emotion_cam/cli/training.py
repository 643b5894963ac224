"""The commands that make models: train, average, evaluate, export; and explain, which shows why a model decides so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from emotion_cam.cli import detector
from emotion_cam.cli.console import UsageError, progress_bar, stdout, usage_checked
from emotion_cam.training.detector import is_detector, is_detector_recipe
from emotion_cam.training.recipe import Recipe, parse_data
from emotion_cam.training.recipe_files import read_recipe_file
from emotion_cam.training.stages import AverageStep, EvaluateStep, ExportStep, command_line

if TYPE_CHECKING:
    from rich.progress import Progress

    from emotion_cam.training.datasets import FaceSet


def train(
    *,
    recipe: Annotated[Recipe, Parameter(name="*", group=Group("Recipe", sort_key=2))] = Recipe(),
    out: Path,
    recipe_file: Annotated[Path | None, Parameter(name="--recipe")] = None,
    data_folder: Path = Path(),
    stages_folder: Path = Path("runs"),
    resume: bool = False,
    restart: bool = False,
) -> None:
    """Train a model on data sets, or make a model as a recipe file says, stage by stage.

    Args:
        out: The model folder to write; for a recipe file with several results, the folder that gets them.
        recipe_file: A recipe file (TOML), instead of the options of a recipe. Finished stages are not run again, and a
            stopped stage is resumed.
        data_folder: The folder that relative paths of data sets start from.
        stages_folder: The folder for the models of a recipe file's stages.
        resume: Continue a training that was stopped.
        restart: Replace models of another recipe, and run their stages again, instead of stopping with an error.
    """
    if recipe_file is not None:
        typed = [f"`{field.name}`" for field in fields(recipe) if getattr(recipe, field.name) != field.default]
        if typed:
            raise UsageError(f"A recipe file has all options of its recipe; leave out {', '.join(typed)}.")
        if is_detector_recipe(recipe_file):
            _prepare()
            detector.train(recipe_file, out, data_folder, restart=restart)
        else:
            _run_recipe_file(recipe_file, out, data_folder, stages_folder, restart)
        return
    if restart:
        raise UsageError("`restart` is for recipe files.")
    _prepare()
    from emotion_cam.training import train as training

    with progress_bar("batches/s") as progress:
        training.train(recipe, out, data_folder=data_folder, resume=resume, callbacks=_epoch_progress(progress, recipe))
    _print_written(out)


def _run_recipe_file(file: Path, out: Path, data_folder: Path, stages_folder: Path, restart: bool) -> None:
    recipes = read_recipe_file(file)
    _prepare()
    from emotion_cam.training.run_stages import run_stages

    with progress_bar("batches/s") as progress:
        results = run_stages(
            recipes,
            out,
            data_folder=data_folder,
            stages_folder=stages_folder,
            restart=restart,
            callbacks=partial(_epoch_progress, progress),
        )
    for folder in results:
        _print_written(folder)


def _epoch_progress(progress: Progress, recipe: Recipe) -> list[Any]:
    from emotion_cam.training.progress import EpochProgress

    return [EpochProgress(progress, recipe.epochs)]


def _print_written(folder: Path) -> None:
    stdout.print(f"Wrote {folder}", markup=False)
    if not (folder / "model.tflite").exists():
        stdout.print("KERAS_BACKEND=tensorflow emotion-cam export writes its model.tflite, which the camera needs.")


def average(*models: Path, data: tuple[str, ...], out: Path) -> None:
    """Average the weights of models that started from the same model, and measure the result on validation splits.

    Args:
        models: Two model folders or more, of the same network.
        data: A data set on whose validation split to measure, as in fer2013=data/fer2013. May be repeated.
        out: The model folder to write.
    """
    with usage_checked():
        step = AverageStep(tuple(map(str, models)), data)
    _prepare()
    from emotion_cam.training.average import average as write_average

    write_average(models, out, _load(data, "validation"), command=command_line(step, out))
    stdout.print(f"Wrote {out}", markup=False)


def evaluate(
    model: Path,
    /,
    *,
    step: Annotated[EvaluateStep, Parameter(name="*")],
    runtime: str = "litert",
    json: Path | None = None,
    mirrored: bool = False,
    adapt: Path | None = None,
    card: bool = False,
) -> None:
    """Measure a model on data sets, with the classifier that the camera uses.

    Args:
        model: A model folder, or the detector's.
        runtime: litert or keras.
        json: A file to write the figures to as well.
        mirrored: Average each face's scores with those of its mirror image, as recognition does.
        adapt: A file of `emotion-cam adapt`, which adapts the model to one person.
        card: Record the figures in the model's card.
    """
    if (mirrored or adapt) and card:
        raise UsageError("A card has the figures of the network alone; leave out `mirrored`, `adapt` or `card`.")
    _prepare(keras=False)
    if is_detector(model):
        detector.evaluate(model, step, json=json, card=card)
        return
    import msgspec

    from emotion_cam.adaptation import choose_adaptations
    from emotion_cam.cli.evaluation import print_evaluation
    from emotion_cam.training.card import record
    from emotion_cam.training.evaluate import evaluate as measure
    from emotion_cam.training.evaluate import reframed
    from emotion_cam.training.tilt import CROPS, DEGREES

    (adaptation,) = choose_adaptations([adapt] if adapt else [], [model])
    measurements = []
    for faces in _load(step.data, step.split):
        times = 1 + step.framing * len(reframed(faces.box)) + step.roll * len(DEGREES) * len(CROPS)
        with progress_bar("pictures/s") as bar:
            advance = partial(bar.advance, bar.add_task(faces.name, total=times * len(faces)))
            figures = measure(
                model,
                faces,
                runtime=runtime,
                framing=step.framing,
                roll=step.roll,
                mirrored=mirrored,
                adaptation=adaptation,
                progress=advance,
            )
        print_evaluation(figures)
        measurements.append(figures.measurement)
        if card:
            record(model, figures)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(measurements)) + b"\n")


def export(model: Path, /, *, step: Annotated[ExportStep, Parameter(name="*")]) -> None:
    """Write a model's model.tflite from its model.keras, after a check that both give the same scores.

    Args:
        model: A model folder, or the detector's.
    """
    _prepare()
    if is_detector(model):
        detector.export(model, step)
        return
    from emotion_cam.card import read_card
    from emotion_cam.training import export as exporting

    card = read_card(model)
    sets = _load(step.data, "validation")
    faces = [face for chosen in sets for face in chosen.extracted(card.size, card.margin)]
    if step.calibrate:
        temperature, difference = exporting.calibrate(model, sets)
        stdout.print(f"Divided the logits by the temperature {temperature:.3f}; evaluate --card measures it again.")
    else:
        difference = exporting.export(model, faces)
    stdout.print(f"Wrote {model / 'model.tflite'}: equal to model.keras within {difference:.1e}", markup=False)
    stdout.print(f"on {len(faces)} faces of {', '.join(chosen.name for chosen in sets)}", markup=False)


def explain(photo: Path, /, *, out: Path, model: tuple[Path, ...] = ()) -> None:
    """Show which regions of each face in a photo support its labels: activation map, Grad-CAM, guided backpropagation.

    Args:
        photo: A picture with faces.
        out: What to write: .png or .jpg.
        model: A model folder; the shipped ones by default. May be repeated.
    """
    _prepare()
    from emotion_cam.card import shipped_models
    from emotion_cam.explain import explain as write_explanation

    count = write_explanation(photo, out, model or list(shipped_models().values()))
    stdout.print(f"1 picture, {count} face" + ("" if count == 1 else "s"))
    stdout.print(f"Wrote {out}", markup=False)


def _prepare(*, keras: bool = True) -> None:
    """Check that the extra is installed, and import Keras before what prints when TensorFlow starts."""
    from emotion_cam.training.environment import prepare

    prepare()
    if keras:
        import emotion_cam.training.backend  # noqa: F401


def _load(data: Sequence[str], split: str) -> list[FaceSet]:
    from emotion_cam.training.datasets import load

    return [load(name, Path(path), split) for name, path in parse_data(data)]
