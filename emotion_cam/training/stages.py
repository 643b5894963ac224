"""The stages by which models come to be, as recipe files declare them. Light to import; ``run_stages`` runs them.

A ``train`` or ``average`` stage makes a model and has a name. ``export`` and ``evaluate`` stages finish a copy of the
model before them, which is then a result. ``recipe_files`` reads and writes the files.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from emotion_cam.training.recipe import Recipe, parse_data

RECIPE = "recipe.toml"
"""The recipe file in a model folder: the stages that the model came from."""


@dataclass(frozen=True)
class AverageStep:
    """The mean of the weights of several models.

    Attributes:
        models: Two model folders or more, of the same network; in a recipe file also names of earlier stages.
        data: A data set on whose validation split to measure the mean, as in fer2013=data/fer2013. May be repeated.
    """

    models: tuple[str, ...]
    data: tuple[str, ...]

    def __post_init__(self) -> None:
        parse_data(self.data)


@dataclass(frozen=True)
class ExportStep:
    """The network in LiteRT's format, compared with the Keras model on real faces.

    Attributes:
        data: A data set on whose validation split to compare the two, as in fer2013=data/fer2013. May be repeated.
        calibrate: First divide the logits by the temperature that fits these faces best.
    """

    data: tuple[str, ...]
    calibrate: bool = False

    def __post_init__(self) -> None:
        parse_data(self.data)


@dataclass(frozen=True)
class EvaluateStep:
    """Figures of a model on one split of data sets.

    Attributes:
        data: A data set and its folder, as in fer2013=data/fer2013; the names are those of training. May be repeated.
        split: train, validation or test.
        framing: Also measure how much accuracy is lost when the face's box is shifted or scaled.
        roll: Also measure how much accuracy is lost when heads are tilted, and what turning their crops upright gives
            back.
    """

    data: tuple[str, ...]
    split: str = "test"
    framing: bool = False
    roll: bool = False

    def __post_init__(self) -> None:
        parse_data(self.data)


Step: TypeAlias = Recipe | AverageStep | ExportStep | EvaluateStep

COMMANDS: dict[str, type[Step]] = {
    "train": Recipe,
    "average": AverageStep,
    "export": ExportStep,
    "evaluate": EvaluateStep,
}
"""What a stage can be; each has the options of the command of the same name."""


@dataclass(frozen=True)
class Stage:
    """One model of a recipe file.

    Attributes:
        name: the name of the model, by which later stages refer to it; "" in a file with one recipe alone.
        making: how its weights come to be.
        finishing: what is done with a copy of the model, in this order.
    """

    name: str
    making: Recipe | AverageStep
    finishing: tuple[ExportStep | EvaluateStep, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.making, *self.finishing)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that this one is made from: names of stages, or model folders."""
        if isinstance(self.making, AverageStep):
            return self.making.models
        return tuple(name for name in (self.making.init, *self.making.teacher) if name)


@dataclass(frozen=True)
class RecipeFile:
    """The stages by which one model or several come to be, in the order in which they run."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        names: list[str] = []
        for stage in self.stages:
            if stage.name in names:
                raise ValueError(f"`stages` has the name “{stage.name}” twice.")
            names.append(stage.name)
            later = {other.name for other in self.stages} - set(names[:-1])
            too_early = [name for name in stage.models if name in later]
            if too_early:
                raise ValueError(f"`stages`: “{stage.name}” needs “{too_early[0]}”, which does not come before it.")

    def __getitem__(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def __contains__(self, name: object) -> bool:
        return any(stage.name == name for stage in self.stages)

    @property
    def results(self) -> tuple[Stage, ...]:
        """The stages whose models are finished; without any, the last stage."""
        return tuple(stage for stage in self.stages if stage.finishing) or self.stages[-1:]

    def record(self, stage: Stage, *, finished: bool) -> RecipeFile:
        """The stages that one model came from, in their order, as its folder keeps them.

        Args:
            stage: the stage of the model.
            finished: whether the model was finished as the stage says; the models that it came from are not.
        """
        needed: set[str] = set()
        waiting = [stage.name]
        while waiting:
            name = waiting.pop()
            if name in self and name not in needed:
                needed.add(name)
                waiting += self[name].models
        return RecipeFile(
            tuple(
                other if finished and other.name == stage.name else replace(other, finishing=())
                for other in self.stages
                if other.name in needed
            )
        )

    def differences(self, other: RecipeFile) -> Iterator[str]:
        """How this file differs from another one, as in "second: epochs 20, not 30"; names of stages count too."""
        for stage in self.stages:
            if stage.name not in other:
                yield f"it has a stage “{stage.name}”" if stage.name else "it has no stages"
                continue
            for mine, theirs in zip(stage.steps, other[stage.name].steps, strict=False):
                yield from _differences(stage.name, mine, theirs)
            if len(stage.finishing) != len(other[stage.name].finishing):
                yield f"“{stage.name}” is finished by other stages"
        for stage in other.stages:
            if stage.name not in self:
                yield f"it has no stage “{stage.name}”" if stage.name else "it has stages"


def command_line(step: Step, out: Path, data_folder: Path = Path()) -> str:
    """The command that has the same effect as a step whose models are folders.

    Args:
        step: the step.
        out: the model folder that it writes or finishes.
        data_folder: the folder that relative paths of data sets start from.
    """
    words = ["emotion-cam", command_of(step)]
    if isinstance(step, AverageStep):
        words += step.models
    elif not isinstance(step, Recipe):
        words.append(str(out))
    for field in fields(step):
        value = getattr(step, field.name)
        if field.name == "models" or value == field.default:
            continue
        if field.name in ("data", "held_out"):
            value = tuple(f"{name}={data_folder / path}" for name, path in parse_data(value))
        words += _words(f"--{field.name.replace('_', '-')}", value)
    if isinstance(step, (Recipe, AverageStep)):
        words += ["--out", str(out)]
    elif isinstance(step, EvaluateStep):
        words.append("--card")
    return shlex.join(words)


def _words(option: str, value: Any) -> list[str]:
    """An option as it is typed."""
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    return [word for one in (value if isinstance(value, tuple) else (value,)) for word in (option, _text(one))]


def command_of(step: Step) -> str:
    """The command that does a step, as in "train"."""
    return next(name for name, kind in COMMANDS.items() if isinstance(step, kind))


def _differences(name: str, mine: Step, theirs: Step) -> Iterator[str]:
    where = f"“{name}”: " if name else ""
    if type(mine) is not type(theirs):
        yield f"{where}{command_of(mine)}, not {command_of(theirs)}"
        return
    for field in fields(mine):
        one, other = getattr(mine, field.name), getattr(theirs, field.name)
        if one != other:
            yield f"{where}`{field.name}` {_shown(one)}, not {_shown(other)}"


def _shown(value: Any) -> str:
    return (", ".join(map(_text, value)) if isinstance(value, tuple) else _text(value)) or "none"


def _text(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
