"""Recipe files that really run: every kind of stage, resumed after a kill, and not run again when it is finished."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emotion_cam.card import read_card
from emotion_cam.errors import DatasetError, TrainingError
from emotion_cam.training import run_stages as module
from emotion_cam.training.journal import read_history, work_folder
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.recipe_files import format_recipe_file, read_recipe_file
from emotion_cam.training.run_stages import run_stages
from emotion_cam.training.stages import AverageStep, EvaluateStep, ExportStep, RecipeFile, Stage

DATA = ("fer2013=fer2013",)
FIRST = Recipe(task="emotion", data=DATA, epochs=1, batch_size=28, augmentation="none", seed=1)
SECOND = replace(FIRST, init="first", teacher=("first",), epochs=2, seed=2)
FINISHING = (ExportStep(DATA, calibrate=True), EvaluateStep(DATA), EvaluateStep(DATA, "validation", framing=True))
FILE = RecipeFile(
    (
        Stage("first", FIRST),
        Stage("second", SECOND),
        Stage("mean", AverageStep(("first", "second"), DATA), FINISHING),
    )
)


@pytest.fixture(scope="module")
def place(fer2013: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the file was run: stages in runs, the result in mean."""
    folder = tmp_path_factory.mktemp("stages")
    (folder / "mean").mkdir()
    (folder / "mean" / "notes.md").write_text("Averages help.\n")
    with pytest.raises(TrainingError, match=r"mean has a model of another recipe"):
        (folder / "mean" / "model.json").touch()
        run(FILE, folder, fer2013)
    (folder / "mean" / "model.json").unlink()
    assert run(FILE, folder, fer2013) == [folder / "mean"]
    return folder


def run(recipes: RecipeFile, place: Path, fer2013: Path, *, restart: bool = False) -> list[Path]:
    return run_stages(
        recipes, place / "mean", data_folder=fer2013.parent, stages_folder=place / "runs", restart=restart
    )


def times(place: Path) -> dict[Path, int]:
    """When each file was written."""
    return {file: file.stat().st_mtime_ns for file in sorted(place.rglob("*")) if file.is_file()}


@pytest.fixture
def refuses_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(recipe: Recipe, *arguments: object, **options: object) -> None:
        raise AssertionError(f"seed {recipe.seed} was trained")

    monkeypatch.setattr(module, "train", train)


def test_every_stage_is_run(place: Path, fer2013: Path) -> None:
    assert sorted(file.name for file in place.iterdir()) == ["mean", "runs"]
    assert sorted(file.name for file in (place / "runs").iterdir()) == ["first", "mean", "second"]
    second = read_card(place / "runs" / "second")
    assert second.training.command == (
        f"emotion-cam train --task emotion --data fer2013={fer2013} --epochs 2 --batch-size 28 --augmentation none "
        f"--teacher {place / 'runs' / 'first'} --seed 2 --init {place / 'runs' / 'first'} --out "
        f"{place / 'runs' / 'second'}"
    )
    assert second.before is not None
    assert second.before.training.settings["seed"] == 1
    mean = read_card(place / "mean")
    assert [part.training.settings["seed"] for part in mean.parts] == [1, 2]
    assert mean.training.command.startswith(f"emotion-cam average {place / 'runs' / 'first'} ")
    assert mean.training.temperature is not None
    assert [(figures.data, figures.framing is not None) for figures in mean.measured] == [
        ("fer2013 test", False),
        ("fer2013 validation", True),
    ]
    # The model that later stages may use is as it was before it was finished.
    assert read_card(place / "runs" / "mean").training.temperature is None
    assert (place / "mean" / "notes.md").read_text() == "Averages help.\n"


def test_each_folder_records_the_stages_that_it_came_from(place: Path) -> None:
    assert read_recipe_file(place / "mean" / "recipe.toml") == FILE
    for name in ("first", "second", "mean"):
        record = read_recipe_file(place / "runs" / name / "recipe.toml")
        assert record == FILE.record(FILE[name], finished=False)


@pytest.mark.usefixtures("refuses_to_train")
def test_what_is_finished_is_not_run_again(place: Path, fer2013: Path) -> None:
    before = times(place)
    (place / "runs" / "first" / "recipe.toml").touch()  # times do not matter
    run(FILE, place, fer2013)
    before[place / "runs" / "first" / "recipe.toml"] = times(place)[place / "runs" / "first" / "recipe.toml"]
    assert times(place) == before


@pytest.mark.usefixtures("refuses_to_train")
def test_only_what_is_missing_is_made(place: Path, fer2013: Path, tmp_path: Path) -> None:
    """Another finish of the same stages trains nothing; a finished result needs no stages at all."""
    other = RecipeFile((*FILE.stages[:2], replace(FILE["mean"], finishing=FINISHING[1:2])))
    (out,) = run_stages(other, tmp_path / "other", data_folder=fer2013.parent, stages_folder=place / "runs")
    assert read_card(out).training.temperature is None
    assert run_stages(other, out, data_folder=fer2013.parent, stages_folder=tmp_path / "empty") == [out]
    assert not (tmp_path / "empty").exists()


def test_a_changed_recipe_is_refused_and_run_again_on_request(place: Path, fer2013: Path, tmp_path: Path) -> None:
    changed = RecipeFile((Stage("first", FIRST), Stage("second", replace(FIRST, seed=3))))
    stages = tmp_path / "runs"
    out = tmp_path / "out"
    run_stages(changed, out, data_folder=fer2013.parent, stages_folder=stages)
    again = RecipeFile((Stage("second", replace(FIRST, seed=4)),))
    with pytest.raises(TrainingError, match=r"out has a model of another recipe \(“second”: `seed` 3, not 4\)"):
        run_stages(again, out, data_folder=fer2013.parent, stages_folder=stages)
    assert read_card(out).training.settings["seed"] == 3
    run_stages(again, out, data_folder=fer2013.parent, stages_folder=stages, restart=True)
    assert read_card(out).training.settings["seed"] == 4
    assert not stages.exists()  # nothing needs the first stage, and a result that is not finished goes to its place


def test_everything_is_checked_before_the_first_stage(fer2013: Path, tmp_path: Path) -> None:
    def refused(recipes: RecipeFile, data_folder: Path = fer2013.parent) -> None:
        run_stages(recipes, tmp_path / "out", data_folder=data_folder, stages_folder=tmp_path / "runs")

    with pytest.raises(TrainingError, match="no network “vgg”"):
        refused(RecipeFile((Stage("first", FIRST), Stage("second", replace(SECOND, network="vgg")))))
    with pytest.raises(DatasetError, match=r"nowhere/fer2013 does not exist; .*`data_folder`"):
        refused(FILE, tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no data set “mnist”"):
        refused(RecipeFile((Stage("first", FIRST, (EvaluateStep(("mnist=fer2013",)),)),)))
    with pytest.raises(TrainingError, match=r"out is where the stage “out” is written before .* `stages_folder`"):
        one = RecipeFile((Stage("out", FIRST, (EvaluateStep(DATA),)),))
        run_stages(one, tmp_path / "out", data_folder=fer2013.parent, stages_folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_killed_stage_is_resumed(fer2013: Path, tmp_path: Path) -> None:
    """With a kill that no program can catch, after the first epoch."""
    recipes = RecipeFile((Stage("only", replace(FIRST, epochs=50), (EvaluateStep(DATA),)),))
    file, runs = tmp_path / "recipe.toml", tmp_path / "runs"
    file.write_text(format_recipe_file(recipes))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "emotion_cam",
        "train",
        "--recipe",
        file,
        "--data-folder",
        fer2013.parent,
    ]
    command += ["--stages-folder", runs, "--out", tmp_path / "out"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    history = work_folder(runs / "only") / "history.csv"
    while not history.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(read_history(history))
    assert 1 <= done < 50
    # Shorter, so that the test ends soon: the state says then how long the run is.
    for toml in (file, history.with_name("recipe.toml")):
        toml.write_text(toml.read_text().replace("epochs = 50", f"epochs = {done + 2}"))
    resumed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"epoch {done + 1} of {done + 2}: accuracy" in resumed.stderr
    assert f"epoch {done} of" not in resumed.stderr
    assert resumed.stdout == f"Wrote {tmp_path / 'out'}\n"
    card = read_card(tmp_path / "out")
    assert (card.training.epochs_run, card.measured[-1].data) == (done + 2, "fer2013 test")
    assert not work_folder(runs / "only").exists()
