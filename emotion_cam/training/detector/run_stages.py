"""Train a detector by a recipe file: stages that go on from each other, and the model folder that comes of them.

``emotion-cam train`` does it with such a file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from emotion_cam.detect.haar import HaarDetector
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.detector import card
from emotion_cam.training.detector.calibrate import scale_sides, side_ratio
from emotion_cam.training.detector.export import export
from emotion_cam.training.detector.measure import in_less_light
from emotion_cam.training.detector.mining import mine
from emotion_cam.training.detector.scenes import Scene
from emotion_cam.training.detector.train import DetectorRecipe, load_scenes, train


@dataclass(frozen=True)
class DetectorStage:
    """A stage of a recipe file.

    Attributes:
        name: of letters, digits and dashes; later stages go by it.
        recipe: what to do; paths of data are from the data folder on, ``init`` and ``hard`` are names of earlier
            stages: whose weights to start from, and whose mistakes to learn from.
    """

    name: str
    recipe: DetectorRecipe


def read_recipe(file: Path) -> list[DetectorStage]:
    """The stages of a TOML file: tables ``[[stages]]`` with ``command``, ``name`` and the fields of DetectorRecipe.

    Raises:
        TrainingError: the file is missing, or something in it is wrong.
    """
    try:
        tables = msgspec.toml.decode(file.read_text(encoding="utf-8"))["stages"]
        stages = []
        for table in tables:
            options = {key: value for key, value in table.items() if key not in ("command", "name")}
            unknown = set(options) - {field.name for field in fields(DetectorRecipe)}
            if unknown:
                raise ValueError(f"there is no option `{min(unknown)}`")
            stages.append(DetectorStage(table["name"], msgspec.convert(options, DetectorRecipe)))
    except OSError as error:
        raise TrainingError(f"{file} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{file} is not a recipe of a detector: {error}.") from error
    for number, stage in enumerate(stages):
        earlier = {before.name for before in stages[:number]}
        for needed in (stage.recipe.init, stage.recipe.hard):
            if needed and needed not in earlier:
                raise TrainingError(f"{file}: “{stage.name}” needs “{needed}”, which is no stage before it.")
    return stages


def work_folder(out: Path) -> Path:
    """Where the state of a run that makes a folder is kept, stage by stage."""
    return out.with_name(f"{out.name}.training")


def make(recipe_file: Path, out: Path, data: Path, *, resume: bool = False) -> float:
    """Make a detector as a recipe file says.

    Args:
        recipe_file: see ``read_recipe``.
        out: the folder to write.
        data: the folder of the data sets.
        resume: go on with a run that was stopped.

    Returns:
        The largest difference between the two runtimes' answers.

    Raises:
        TrainingError, DatasetError: the recipe is wrong, or as ``train``.
    """
    stages, work = read_recipe(recipe_file), work_folder(out)
    trained = run(stages, data, work, resume=resume)
    recipe = _with_paths(stages[-1].recipe, data, work)
    scenes = [scene for scenes in load_scenes(recipe, "train") for scene in scenes.scenes]
    return write_folder(stages, trained, out, scenes)


def run(stages: Sequence[DetectorStage], data: Path, work: Path, *, resume: bool = False) -> Path:
    """Run the stages, less those that are done.

    Args:
        stages: in their order.
        data: the folder of the data sets.
        work: where the state of every stage lies, in a folder by its name.
        resume: go on with a run that was stopped.

    Returns:
        The last stage's folder: model.keras and history.jsonl.

    Raises:
        TrainingError, DatasetError: as ``train``.
    """
    folder = work
    for stage in stages:
        folder = work / stage.name
        if resume and (folder / "model.keras").exists():
            continue
        recipe = _with_paths(stage.recipe, data, work)
        if recipe.hard and not Path(recipe.hard).exists():
            _mine(recipe, Path(recipe.hard))
        network = train(recipe, folder, resume=resume and (folder / "recipe.json").exists())
        new = folder / "new.keras"
        network.save(new)
        new.replace(folder / "model.keras")
    return folder


def _with_paths(recipe: DetectorRecipe, data: Path, work: Path) -> DetectorRecipe:
    return replace(
        recipe,
        data=tuple((name, str(data / path)) for name, path in recipe.data),
        cutouts=tuple(str(data / path) for path in recipe.cutouts),
        init=str(work / recipe.init / "model.keras") if recipe.init else "",
        hard=str(work / recipe.hard / "hard.json") if recipe.hard else "",
    )


def _in_light(scenes: Sequence[Scene], share: float) -> Sequence[Scene]:
    """Scenes in so much of their light."""
    if share == 1:
        return scenes
    return [replace(scene, image=in_less_light(scene.image, share)) for scene in scenes]


def _mine(recipe: DetectorRecipe, file: Path) -> None:
    """Write what an earlier stage's network takes for faces in the training pictures."""
    trained = file.with_name("model.tflite")
    export(keras.models.load_model(file.with_name("model.keras"), compile=False), trained)
    scenes = [scene for scenes in load_scenes(recipe, "train") for scene in scenes.scenes]
    find = MiniFaceDetector(trained, proposal=0.3).proposals
    places: list[Any] = [place for light in recipe.hard_light for place in mine(find, _in_light(scenes, light))]
    new = file.with_name("hard.json.new")
    new.write_text(json.dumps(places), encoding="utf-8")
    new.replace(file)


def write_folder(stages: Sequence[DetectorStage], trained: Path, out: Path, scenes: Sequence[Scene]) -> float:
    """Write a detector's folder: model.keras, model.tflite, history.csv and the card, with nothing measured yet.

    Args:
        stages: by which it was trained.
        trained: the last stage's folder.
        out: where to write.
        scenes: training pictures, on which the squares' sides are brought to the cascade's.

    Returns:
        The largest difference between the two runtimes' answers.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write_history([trained.parent / stage.name for stage in stages], out / "history.csv")
    network = keras.models.load_model(trained / "model.keras", compile=False)
    export(network, trained / "model.tflite")
    factor = side_ratio(MiniFaceDetector(trained / "model.tflite"), HaarDetector(), scenes)
    scale_sides(network, factor)
    network.save(out / "model.keras")
    difference = export(network, out / "model.tflite")
    settings = [{"name": stage.name, **asdict(stage.recipe)} for stage in stages]
    made = {"parameters": network.count_params(), "sides": round(factor, 4), "keras": keras.__version__}
    card.write(out, {"format": 1, **made, "stages": settings})
    return difference


def _write_history(folders: Sequence[Path], file: Path) -> None:
    """The losses of all epochs of all stages as one table."""
    rows = [
        {"stage": folder.name, **json.loads(line)}
        for folder in folders
        for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
