"""Recipe files in TOML. Light to import.

A recipe file is a list of stages. ``init``, ``teacher`` and ``models`` name earlier stages, or model folders:

    [[stages]]
    command = "train"
    name = "first"
    task = "emotion"
    data = ["fer2013=fer2013"]

    [[stages]]
    command = "train"
    name = "second"
    init = "first"
    task = "emotion"
    data = ["rafdb=rafdb"]
    epochs = 20

    [[stages]]
    command = "evaluate"
    data = ["rafdb=rafdb"]

A file with a single training run may have the options of its recipe alone, without a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from emotion_cam.errors import MissingExtraError, TrainingError
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.stages import COMMANDS, AverageStep, RecipeFile, Stage, Step, command_of

_S = TypeVar("_S", bound=Step)


def read_recipe_file(path: Path) -> RecipeFile:
    """Read and check a recipe file.

    Raises:
        TrainingError: the file is missing or is not a recipe file.
        MissingExtraError: Python 3.10 lacks the package that reads TOML.
    """
    try:
        return parse_recipe_file(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise TrainingError(f"{path} is not a recipe: {error}") from error


def parse_recipe_file(text: str) -> RecipeFile:
    """The stages of a recipe file's text.

    Raises:
        ValueError: it is not TOML, or not a recipe file.
    """
    table = _decoded(text)
    if "stages" not in table:
        return RecipeFile((Stage("", _step(Recipe, table, "")),))
    unknown = sorted(set(table) - {"stages"})
    if unknown:
        raise ValueError(f"`{unknown[0]}` is outside of a stage.")
    if not isinstance(table["stages"], list) or not table["stages"]:
        raise ValueError("`stages` must be a list of tables, written as [[stages]].")
    stages: list[Stage] = []
    for number, entry in enumerate(table["stages"], start=1):
        name, step = _parsed(entry, number)
        if isinstance(step, (Recipe, AverageStep)):
            stages.append(Stage(name, step))
        elif not stages:
            raise ValueError(f"Stage {number} has no model before it to {command_of(step)}.")
        else:
            stages[-1] = replace(stages[-1], finishing=(*stages[-1].finishing, step))
    return RecipeFile(tuple(stages))


def _parsed(entry: Any, number: int) -> tuple[str, Step]:
    """The name and the step that a table of a recipe file declares; the name is "" for a step that makes no model."""
    options = dict(entry) if isinstance(entry, dict) else {}
    command, name = options.pop("command", None), options.pop("name", "")
    if command not in COMMANDS:
        raise ValueError(f"Stage {number} needs a `command`: {', '.join(COMMANDS)}.")
    makes_model = COMMANDS[command] in (Recipe, AverageStep)
    if makes_model and not _is_name(name):
        raise ValueError(f"Stage {number} needs a `name` of letters, digits, - and _.")
    if name and not makes_model:
        raise ValueError(f"Stage {number} has a `name`, but {command} works on the model before it.")
    return name, _step(COMMANDS[command], options, f"“{name}”: " if name else f"Stage {number}: ")


def format_recipe_file(recipes: RecipeFile) -> str:
    """The text of a recipe file; options at their default are left out."""
    if len(recipes.stages) == 1 and not recipes.stages[0].name and not recipes.stages[0].finishing:
        return "".join(_lines(recipes.stages[0].making))
    tables = []
    for stage in recipes.stages:
        for step in stage.steps:
            name = f"name = {_value(stage.name)}\n" if step is stage.making else ""
            tables.append(f"[[stages]]\ncommand = {_value(command_of(step))}\n{name}{''.join(_lines(step))}")
    return "\n".join(tables)


def _step(kind: type[_S], options: Mapping[str, Any], where: str) -> _S:
    import msgspec

    known = [field.name for field in fields(kind)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"{where}there is no option `{unknown[0]}`.")
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        # msgspec says "Expected `int`, got `str` - at `$.epochs`"; what __post_init__ raises, it repeats.
        reason = str(error).replace("`$.", "`").removesuffix(" - at `$`")
        raise ValueError(f"{where}{reason if reason.endswith('.') else reason + '.'}") from None


def _decoded(text: str) -> dict[str, Any]:
    import msgspec

    try:
        table: Any = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"{error}.") from None
    except ImportError:
        raise MissingExtraError("A recipe file", "train") from None
    return dict(table)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and all(letter.isalnum() or letter in "-_" for letter in name)


def _lines(step: Step) -> Iterator[str]:
    """A line of TOML for each option that is not at its default."""
    for field in fields(step):
        value = getattr(step, field.name)
        if field.default is MISSING or value != field.default:
            yield f"{field.name} = {_value(value)}\n"


def _value(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):  # JSON's strings are TOML's, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
