"""Run a recipe file, stage by stage. What is finished is not run again, and what was stopped is resumed.

Whether a stage is finished is decided by the recipe that its model folder records, never by time stamps.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from emotion_cam.card import CARD, read_card
from emotion_cam.errors import DatasetError, TrainingError
from emotion_cam.training import card, datasets
from emotion_cam.training.average import average
from emotion_cam.training.backend import keras
from emotion_cam.training.datasets import FaceSet
from emotion_cam.training.evaluate import evaluate
from emotion_cam.training.export import calibrate, export
from emotion_cam.training.folder import put_in_place
from emotion_cam.training.journal import work_folder
from emotion_cam.training.recipe import Recipe, parse_data
from emotion_cam.training.recipe_files import format_recipe_file, read_recipe_file
from emotion_cam.training.stages import RECIPE, AverageStep, EvaluateStep, ExportStep, RecipeFile, Stage, command_line
from emotion_cam.training.train import check, train

log = logging.getLogger(__name__)


def run_stages(
    recipes: RecipeFile,
    out: Path,
    *,
    data_folder: Path = Path(),
    stages_folder: Path = Path("runs"),
    restart: bool = False,
    callbacks: Callable[[Recipe], Sequence[keras.callbacks.Callback]] = lambda recipe: (),
) -> list[Path]:
    """Make the models of a recipe file.

    Every stage's model is written to ``stages_folder``, where other recipe files with an equal stage use it too.
    Finished copies of the results are written to ``out``.

    Args:
        recipes: the recipe file.
        out: the model folder of the result; the folder of several results, which have the names of their stages there.
        data_folder: the folder that relative paths of data sets start from.
        stages_folder: the folder of the stages' models.
        restart: replace models of another recipe, and run their stages again; they are an error otherwise.
        callbacks: gives callbacks of Keras for each training run.

    Returns:
        The folders of the results.

    Raises:
        TrainingError: a recipe makes no sense, or a folder has a model or a stopped run of another recipe.
        DatasetError, ModelError: as ``train``, ``average``, ``export`` and ``evaluate``.
    """
    run = _Run(recipes, out, data_folder, stages_folder, restart, callbacks)
    run.check()
    for stage in recipes.results:
        run.finish(stage)
    return [run.result_folder(stage) for stage in recipes.results]


class _Run:
    """One run of a recipe file. Its arguments are those of ``run_stages``."""

    def __init__(
        self,
        recipes: RecipeFile,
        out: Path,
        data_folder: Path,
        stages_folder: Path,
        restart: bool,
        callbacks: Callable[[Recipe], Sequence[keras.callbacks.Callback]],
    ) -> None:
        self._recipes, self._out = recipes, out
        self._data_folder, self._stages_folder = data_folder, stages_folder
        self._restart, self._callbacks = restart, callbacks

    def result_folder(self, stage: Stage) -> Path:
        """Where the finished model of a stage is."""
        return self._out if len(self._recipes.results) == 1 else self._out / stage.name

    def _model_folder(self, stage: Stage) -> Path:
        """Where the stage's own model is; a result that needs no finishing is written to its place at once."""
        is_result = not stage.finishing and stage in self._recipes.results
        return self.result_folder(stage) if is_result else self._stages_folder / stage.name

    def check(self) -> None:
        """Find what would stop the run, before hours of training.

        Raises:
            TrainingError, ModelError: as ``run_stages``.
        """
        for stage in self._recipes.stages:
            if isinstance(stage.making, Recipe):
                # Models of stages need not exist yet.
                teachers = tuple(name for name in stage.making.teacher if name not in self._recipes)
                init = "" if stage.making.init in self._recipes else stage.making.init
                check(replace(stage.making, init=init, teacher=teachers))
                self._check_data(stage.making.held_out)
            for step in stage.steps:
                self._check_data(step.data)
        for stage in self._recipes.results:
            self._check_folders(stage)

    def _check_data(self, entries: Sequence[str]) -> None:
        for name, path in parse_data(entries):
            if name not in datasets.DATASETS:
                raise DatasetError(f"There is no data set “{name}”; there are {', '.join(datasets.DATASETS)}.")
            if not (self._data_folder / path).exists():
                raise DatasetError(
                    f"{self._data_folder / path} does not exist; the recipe expects {name} there. "
                    "`data_folder` names another folder of data sets."
                )

    def _check_folders(self, stage: Stage) -> None:
        """Check that no folder that a result needs has a model or a stopped run of another recipe."""
        if stage.finishing and self._model_folder(stage).absolute() == self.result_folder(stage).absolute():
            raise TrainingError(
                f"{self.result_folder(stage)} is where the stage “{stage.name}” is written before it is finished; "
                "change `out` or `stages_folder`."
            )
        if self._is_done(self.result_folder(stage), self._recipes.record(stage, finished=True)):
            return
        waiting = [stage]
        while waiting:
            needed = waiting.pop()
            record = self._recipes.record(needed, finished=False)
            if not self._is_done(self._model_folder(needed), record):
                self._is_stopped(self._model_folder(needed), record)
                waiting += [self._recipes[name] for name in needed.models if name in self._recipes]

    def finish(self, stage: Stage) -> None:
        """Make the finished model of a stage, and what it is made from, unless it is there."""
        folder = self.result_folder(stage)
        record = self._recipes.record(stage, finished=True)
        if self._is_done(folder, record):
            log.info("%s is finished", folder)
            return
        made = self._make(stage)
        if made == folder:
            return
        with _replaced_whole(folder) as new:
            shutil.copytree(made, new)
            (new / RECIPE).write_text(format_recipe_file(record), encoding="utf-8")
            if (folder / card.NOTES).exists():
                shutil.copy(folder / card.NOTES, new / card.NOTES)
            for step in stage.finishing:
                log.info("%s", command_line(step, folder, self._data_folder))
                if isinstance(step, ExportStep):
                    self._export(step, new)
                else:
                    self._evaluate(step, new)
        log.info("Wrote %s", folder)

    def _make(self, stage: Stage) -> Path:
        """The folder of a stage's own model, which is made if it is not there."""
        folder = self._model_folder(stage)
        record = self._recipes.record(stage, finished=False)
        if self._is_done(folder, record):
            log.info("%s is finished", folder)
            return folder
        models = {name: str(self._make(self._recipes[name])) for name in stage.models if name in self._recipes}
        if isinstance(stage.making, AverageStep):
            step = replace(stage.making, models=tuple(models.get(name, name) for name in stage.making.models))
            self._average(step, folder, record)
        else:
            recipe = replace(
                stage.making,
                init=models.get(stage.making.init, stage.making.init),
                teacher=tuple(models.get(name, name) for name in stage.making.teacher),
            )
            self._train(recipe, folder, record)
        log.info("Wrote %s", folder)
        return folder

    def _train(self, recipe: Recipe, folder: Path, record: RecipeFile) -> None:
        resume = self._is_stopped(folder, record)
        if not resume:
            shutil.rmtree(work_folder(folder), ignore_errors=True)
        log.info("%s%s", command_line(recipe, folder, self._data_folder), " (resumed)" if resume else "")
        train(
            recipe,
            folder,
            data_folder=self._data_folder,
            resume=resume,
            record=record,
            callbacks=self._callbacks(recipe),
        )

    def _average(self, step: AverageStep, folder: Path, record: RecipeFile) -> None:
        command = command_line(step, folder, self._data_folder)
        log.info("%s", command)
        with _replaced_whole(folder) as new:
            average(list(map(Path, step.models)), new, self._validation_sets(step), command=command)
            (new / RECIPE).write_text(format_recipe_file(record), encoding="utf-8")
            card.write(new, read_card(new))  # the pages link to the recipe

    def _export(self, step: ExportStep, folder: Path) -> None:
        sets = self._validation_sets(step)
        if step.calibrate:
            temperature, _ = calibrate(folder, sets)
            log.info("divided the logits by the temperature %.3f", temperature)
        else:
            model = read_card(folder)
            export(folder, [face for faces in sets for face in faces.extracted(model.size, model.margin)])

    def _evaluate(self, step: EvaluateStep, folder: Path) -> None:
        for name, path in parse_data(step.data):
            faces = datasets.load(name, self._data_folder / path, step.split)
            figures = evaluate(folder, faces, framing=step.framing, roll=step.roll)
            card.record(folder, figures)
            log.info(
                "%s: accuracy %.4f, balanced accuracy %.4f", figures.data, figures.accuracy, figures.balanced_accuracy
            )

    def _validation_sets(self, step: AverageStep | ExportStep) -> list[FaceSet]:
        return [datasets.load(name, self._data_folder / path, "validation") for name, path in parse_data(step.data)]

    def _is_done(self, folder: Path, record: RecipeFile) -> bool:
        """Whether a folder has the model of these stages.

        Raises:
            TrainingError: it has another model, and a restart is not wanted.
        """
        if not folder.exists():
            return False
        return (folder / CARD).exists() and self._is_of(folder, record, "a model")

    def _is_stopped(self, folder: Path, record: RecipeFile) -> bool:
        """Whether a folder has a stopped run of these stages beside it.

        Raises:
            TrainingError: that is a run of another recipe, and a restart is not wanted.
        """
        state = work_folder(folder)
        return state.exists() and self._is_of(state, record, "a stopped run")

    def _is_of(self, folder: Path, record: RecipeFile, what: str) -> bool:
        if not (folder / RECIPE).exists():
            reasons = [f"it has no {RECIPE}"]
        else:
            reasons = list(read_recipe_file(folder / RECIPE).differences(record))
        if reasons and not self._restart:
            raise TrainingError(
                f"{folder} has {what} of another recipe ({'; '.join(reasons)}). `restart` replaces it; otherwise move "
                "it away or name another folder."
            )
        return not reasons


@contextlib.contextmanager
def _replaced_whole(folder: Path) -> Iterator[Path]:
    """Where to write a new folder, which takes the place of an older one when the block ends without an error."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    yield new
    put_in_place(new, folder)
