"""Recipe files: reading, writing and comparing them, and the files in recipes/. Needs no Keras."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from emotion_cam.card import Origin, TrainingRecord, read_card
from emotion_cam.errors import TrainingError
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.recipe_files import format_recipe_file, parse_recipe_file, read_recipe_file
from emotion_cam.training.stages import (
    AverageStep,
    EvaluateStep,
    ExportStep,
    RecipeFile,
    Stage,
    command_line,
)

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))

FIRST = Recipe(task="emotion", data=("fer2013=fer2013",), emphasis=("race=Black:1.5",), balance=1.0, residual=False)
SECOND = Recipe(task="emotion", data=("rafdb=rafdb",), init="first", teacher=("first", "models/large"), seed=2)
FILE = RecipeFile(
    (
        Stage("first", FIRST),
        Stage("second", SECOND, (EvaluateStep(("rafdb=rafdb",), "validation"),)),
        Stage("mean", AverageStep(("first", "second"), ("rafdb=rafdb",)), (ExportStep(("rafdb=rafdb",), True),)),
    )
)


def test_what_is_written_is_read_again() -> None:
    text = format_recipe_file(FILE)
    assert parse_recipe_file(text) == FILE
    assert 'emphasis = ["race=Black:1.5"]\n' in text
    assert "epochs" not in text  # options at their default are left out
    assert text.count("[[stages]]\n") == 5


@pytest.mark.parametrize("task", ['"quoted"', "back\\slash", "two\nlines", "süß 🙂", "\x7f\x01", "'"])
@pytest.mark.parametrize("rate", [1e-05, 0.1 + 0.2, 3, 1e22])
def test_any_text_and_number_survives(task: str, rate: float) -> None:
    alone = RecipeFile((Stage("", Recipe(task=task, learning_rate=rate)),))
    assert parse_recipe_file(format_recipe_file(alone)) == alone


def test_a_single_recipe_needs_no_list_of_stages() -> None:
    assert parse_recipe_file('task = "mask"\ndata = ["folder=masks"]\nbalance = 1\n') == RecipeFile(
        (Stage("", Recipe(task="mask", data=("folder=masks",), balance=1.0)),)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs =", "Invalid value"),
        ("speed = 1", "there is no option `speed`"),
        ('epochs = "many"', "Expected `int`, got `str` - at `epochs`"),
        ("epochs = 0", "`epochs` must be at least 1, not 0"),
        ("stages = 1", "must be a list of tables"),
        ('task = "x"\n[[stages]]\ncommand = "train"', "`task` is outside of a stage"),
        ('[[stages]]\ncommand = "cook"', "Stage 1 needs a `command`: train, average, export, evaluate"),
        ('[[stages]]\ncommand = "train"', "Stage 1 needs a `name`"),
        ('[[stages]]\ncommand = "train"\nname = "../x"', "Stage 1 needs a `name`"),
        ('[[stages]]\ncommand = "export"\ndata = ["a=b"]', "Stage 1 has no model before it to export"),
        ('[[stages]]\ncommand = "train"\nname = "a"\nspeed = 1', "“a”: there is no option `speed`"),
        ('[[stages]]\ncommand = "train"\nname = "a"\ninit = "a"', "“a” needs “a”, which does not come before it"),
        (format_recipe_file(FILE).replace('name = "second"', 'name = "first"'), "has the name “first” twice"),
        (
            format_recipe_file(FILE).replace('command = "export"', 'command = "export"\nname = "x"'),
            "export works on the model",
        ),
    ],
)
def test_a_file_that_is_not_a_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(TrainingError, match=r"recipe\.toml is not a recipe: ") as raised:
        read_recipe_file(tmp_path / "recipe.toml")
    assert message in str(raised.value)
    assert str(raised.value).endswith(".")
    with pytest.raises(TrainingError, match="cannot be read: No such file"):
        read_recipe_file(tmp_path / "nowhere.toml")


def test_results_are_what_is_finished_or_else_the_last() -> None:
    assert [stage.name for stage in FILE.results] == ["second", "mean"]
    assert [stage.name for stage in RecipeFile(FILE.stages[:1]).results] == ["first"]


def test_a_model_records_the_stages_that_it_came_from() -> None:
    record = FILE.record(FILE["second"], finished=True)
    assert [(stage.name, len(stage.finishing)) for stage in record.stages] == [("first", 0), ("second", 1)]
    raw = FILE.record(FILE["mean"], finished=False)
    assert [(stage.name, len(stage.finishing)) for stage in raw.stages] == [("first", 0), ("second", 0), ("mean", 0)]


def test_differences_name_stage_and_option() -> None:
    def changed(old: str, new: str) -> list[str]:
        return list(parse_recipe_file(format_recipe_file(FILE).replace(old, new)).differences(FILE))

    assert changed("x", "x") == []
    assert changed("seed = 2", "seed = 3\nepochs = 5") == ["“second”: `epochs` 5, not 60", "“second”: `seed` 3, not 2"]
    assert changed("balance = 1.0", "balance = 0.5") == ["“first”: `balance` 0.5, not 1"]
    assert changed("calibrate = true", "calibrate = false") == ["“mean”: `calibrate` False, not True"]
    assert changed('"mean"', '"average"') == ["it has a stage “average”", "it has no stage “mean”"]
    fewer = RecipeFile((*FILE.stages[:2], Stage("mean", FILE["mean"].making)))
    assert list(fewer.differences(FILE)) == ["“mean” is finished by other stages"]


def test_commands_are_those_that_people_type() -> None:
    out, data = Path("runs/x"), Path("data")
    assert command_line(FIRST, out, data) == (
        "emotion-cam train --task emotion --data fer2013=data/fer2013 --no-residual --balance 1 "
        "--emphasis race=Black:1.5 --out runs/x"
    )
    mean, (export,) = FILE["mean"].making, FILE["mean"].finishing
    apart = replace(FIRST, held_out=("rafdb=rafdb",))
    assert "--held-out rafdb=data/rafdb" in command_line(apart, out, data)
    assert command_line(mean, out, data) == "emotion-cam average first second --data rafdb=data/rafdb --out runs/x"
    assert command_line(export, out, data) == "emotion-cam export runs/x --data rafdb=data/rafdb --calibrate"
    assert command_line(FILE["second"].finishing[0], out) == (
        "emotion-cam evaluate runs/x --data rafdb=rafdb --split validation --card"
    )


def test_reading_a_recipe_loads_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from emotion_cam.training.recipe_files import read_recipe_file; "
        f"read_recipe_file(Path({str(RECIPES[0])!r})); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"keras", "numpy", "cv2", "tensorflow"} & set(loaded)


# --- the files in recipes/ ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_the_projects_recipes_are_read_and_finish_their_models(file: Path) -> None:
    recipes = read_recipe_file(file)
    for stage in recipes.stages:
        if isinstance(stage.making, Recipe):
            stage.making.check()
    for stage in recipes.results:
        assert any(isinstance(step, EvaluateStep) for step in stage.finishing)


def test_equal_stages_of_two_files_are_shared() -> None:
    """The teacher of emotion-fer2013 is emotion-xception before it is calibrated."""
    one, other = (read_recipe_file(ROOT / "recipes" / f"emotion-{name}.toml") for name in ("xception", "fer2013"))
    assert one.record(one["xception-2"], finished=False) == other.record(other["xception-2"], finished=False)


def settings(record: TrainingRecord) -> dict[str, Any]:
    """What a card says of a training run, by the names that recipes have today, without folders."""
    known = {name: value for name, value in record.settings.items() if name not in ("init", "teachers", "teacher")}
    known["emphasis"] = tuple(
        entry if isinstance(entry, str) else "{}={}:{:g}".format(*entry) for entry in known.get("emphasis", ())
    )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}


def compare(stage: Stage, recipes: RecipeFile, origin: Origin) -> None:
    """Check that a stage, and all that it came from, is what a card records of a model."""
    names = tuple(name for name in stage.models if name in recipes)
    if isinstance(stage.making, AverageStep):
        origins = origin.parts
    else:
        defaults = {field.name: field.default for field in fields(Recipe)}
        # What a card of an older version does not mention had the value that is the default now.
        expected = {name: getattr(stage.making, name) for name in defaults}
        for name, value in (defaults | settings(origin.training)).items():
            if name not in ("task", "data", "steady", "init", "teacher"):
                assert expected[name] == value, f"{stage.name}: {name}"
        assert [entry.name for entry in origin.data] == [entry.partition("=")[0] for entry in stage.making.data]
        origins = (*([origin.before] if origin.before else []), *origin.teachers)
    assert len(names) == len(origins)
    for name, earlier in zip(names, origins, strict=True):
        compare(recipes[name], recipes, earlier)


@pytest.mark.parametrize("name", ["emotion", "emotion-fer2013", "emotion-xception", "gender"])
def test_the_recipes_are_those_that_the_shipped_models_record(name: str) -> None:
    recipes, card = read_recipe_file(ROOT / "recipes" / f"{name}.toml"), read_card(ROOT / "models" / name)
    (result,) = recipes.results
    compare(result, recipes, card.origin)
    assert not isinstance(result.making, Recipe) or result.making.steady == card.steady
    export, *evaluations = result.finishing
    assert isinstance(export, ExportStep)
    assert export.calibrate
    assert card.training.temperature_data == ", ".join(f"{entry.partition('=')[0]} validation" for entry in export.data)
    measured = [
        (f"{entry.partition('=')[0]} {step.split}", step.framing)
        for step in evaluations
        if isinstance(step, EvaluateStep)
        for entry in step.data
    ]
    assert measured == [(figures.data, figures.framing is not None) for figures in card.measured]
