"""Train the detector, epoch by epoch, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.detector.batches import Views, batches
from emotion_cam.training.detector.losses import Taught
from emotion_cam.training.detector.network import mini_face
from emotion_cam.training.detector.scenes import SceneSet, load, load_cutouts
from emotion_cam.training.detector.views import Focus, ViewOptions

ops = keras.ops
Weights = list[npt.NDArray[np.float32]]

AVERAGE_EVERY = 8
"""Steps between two contributions to the averaged weights."""


@dataclass(frozen=True)
class DetectorRecipe:
    """Everything that decides how a run turns out; kept in model.json under "training".

    Attributes:
        data: (name, path) of every data set of whole pictures, names as in SCENES.
        cutouts: tables of faces to be pasted into rooms, see ``load_cutouts``.
        widths, units, neck: of the network, see ``mini_face``.
        sizes: (side, views a batch, share of the batches) of the views.
        views: how they vary.
        epochs: how many.
        steps: batches an epoch.
        learning_rate: AdamW's (Loshchilov and Hutter 2019), after a warm-up of ``warm_up`` steps.
        decay: over which share of the run, at its end, the learning rate falls to 0, by a cosine.
        weight_decay: AdamW's, of convolutions alone.
        average: steps over which weights are averaged, exponentially, for the model that is written.
        clip: the largest norm of the gradient.
        seed: of the weights and of the views.
        init: a .keras file whose weights to start from; "" for random ones.
        hard: a JSON file of places that an earlier network took for faces, as ``mine`` writes it; "" for none.
        hard_light: in which shares of the light that network looked for faces.
    """

    data: tuple[tuple[str, str], ...]
    cutouts: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 24, 40, 64, 64)
    units: tuple[int, ...] = (1, 3, 3, 2)
    neck: int = 48
    sizes: tuple[tuple[int, int, float], ...] = ((160, 32, 0.75), (96, 64, 0.25))
    views: ViewOptions = field(default_factory=ViewOptions)
    epochs: int = 60
    steps: int = 150
    learning_rate: float = 3e-3
    warm_up: int = 300
    decay: float = 1.0
    weight_decay: float = 0.02
    average: int = 400
    clip: float = 5.0
    seed: int = 0
    init: str = ""
    hard: str = ""
    hard_light: tuple[float, ...] = (1.0,)


def load_scenes(recipe: DetectorRecipe, split: str) -> list[SceneSet]:
    """The recipe's data sets of whole pictures.

    Raises:
        DatasetError: there is no data set of that name, or one cannot be read.
    """
    return [load(name, Path(path), split) for name, path in recipe.data]


def train(
    recipe: DetectorRecipe,
    work: Path,
    *,
    resume: bool = False,
    measure: Callable[[keras.Model], dict[str, float]] | None = None,
    measure_every: int = 5,
    log: Callable[[str], None] = print,
) -> keras.Model:
    """Train a detector; after every epoch its state is saved in ``work``, from where ``resume`` goes on.

    ``work`` holds recipe.json, state.npz and history.csv, and with ``measure`` nothing more: choose among epochs by
    their history is not needed, as the averaged weights of the last one are the result.

    Args:
        recipe: what to do.
        work: a folder of this run's own.
        resume: go on with the run in ``work``.
        measure: called with the averaged network after every ``measure_every`` epochs; goes into the history.
        log: gets the figures of every epoch.

    Returns:
        The network with its averaged weights.

    Raises:
        TrainingError: there is no such run to resume, it had another recipe, or one is there already.
        DatasetError: a data set cannot be read.
    """
    _open_work(recipe, work, resume)
    keras.utils.set_random_seed(recipe.seed)
    cutouts = [file for table in recipe.cutouts for file in load_cutouts(Path(table))]
    views = Views(load_scenes(recipe, "train"), recipe.views, cutouts, _hard(recipe))
    network = mini_face(recipe.widths, recipe.units, recipe.neck)
    if recipe.init:
        network.set_weights(keras.models.load_model(recipe.init, compile=False).get_weights())
    taught, optimizer = _compiled(recipe, network)
    averaged, done = [weights.copy() for weights in network.get_weights()], 0
    if (work / "state.npz").exists():
        averaged, done = _restored(work / "state.npz", network, optimizer)
    smooth = mini_face(recipe.widths, recipe.units, recipe.neck)
    for epoch in range(done, recipe.epochs):
        start = time.monotonic()
        losses = _epoch(recipe, taught, views, averaged, epoch)
        smooth.set_weights(averaged)
        row = {"epoch": epoch + 1, **losses}
        if measure and ((epoch + 1) % measure_every == 0 or epoch + 1 == recipe.epochs):
            row |= measure(smooth)
        row["seconds"] = time.monotonic() - start
        _save(work / "state.npz", network, optimizer, averaged, epoch + 1)
        _write_down(work / "history.jsonl", row)
        log(" ".join(f"{key} {value:.4g}" for key, value in row.items()))
    smooth.set_weights(averaged)
    return smooth


class _Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Warms up in a line, stays, and falls to nothing by a cosine."""

    def __init__(self, recipe: DetectorRecipe) -> None:
        self._recipe = recipe

    def __call__(self, step: Any) -> Any:
        recipe, step = self._recipe, ops.cast(step, "float32")
        steps = recipe.epochs * recipe.steps
        late = ops.clip((step - (1 - recipe.decay) * steps) / max(1.0, recipe.decay * steps), 0.0, 1.0)
        warm = ops.minimum(1.0, (step + 1) / max(1, recipe.warm_up))
        return recipe.learning_rate * warm * (1 + ops.cos(math.pi * late)) / 2

    def get_config(self) -> dict[str, Any]:
        return {"recipe": self._recipe}


def _compiled(recipe: DetectorRecipe, network: keras.Model) -> tuple[Taught, keras.optimizers.Optimizer]:
    optimizer = keras.optimizers.AdamW(
        _Rate(recipe), weight_decay=recipe.weight_decay, beta_2=0.99, global_clipnorm=recipe.clip
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(network.trainable_variables)
    taught = Taught(network)
    # TensorFlow's compiled depthwise convolutions are many times slower on a CPU.
    taught.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    return taught, optimizer


def _epoch(recipe: DetectorRecipe, taught: Taught, views: Views, averaged: Weights, epoch: int) -> dict[str, float]:
    """Train for an epoch; ``averaged`` is brought up to date in place. Gives the mean losses."""
    taught.reset_metrics()
    losses: dict[str, Any] = {}
    for step, (pictures, targets) in enumerate(batches(views, recipe.sizes, recipe.steps, recipe.seed, epoch)):
        losses = taught.train_on_batch(pictures, targets, return_dict=True)
        if step % AVERAGE_EVERY == AVERAGE_EVERY - 1:
            # Young averages follow quickly, or the random weights of the start would stay in them.
            steps = epoch * recipe.steps + step + 1
            share = AVERAGE_EVERY / min(recipe.average, max(AVERAGE_EVERY, steps / 4))
            for mean, now in zip(averaged, taught.network.get_weights(), strict=True):
                np.add(mean, share * (now - mean), out=mean)
    result = {name: float(value) for name, value in losses.items()}
    if not all(math.isfinite(value) for value in result.values()):
        raise TrainingError(f"The loss is no number any more after epoch {epoch + 1}; lower the learning rate.")
    return result


def _open_work(recipe: DetectorRecipe, work: Path, resume: bool) -> None:
    written, now = work / "recipe.json", json.loads(json.dumps(asdict(recipe)))
    if resume:
        if not written.exists():
            raise TrainingError(f"There is no stopped run in {work}; start it without --resume.")
        before = json.loads(written.read_text(encoding="utf-8"))
        changed = [key for key, value in now.items() if before.get(key) != value]
        if changed:
            raise TrainingError(f"The stopped run in {work} had another {', '.join(changed)}; resume it as it was.")
        return
    if written.exists():
        raise TrainingError(f"A stopped run lies in {work}; go on with --resume, or delete that folder.")
    work.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


def _hard(recipe: DetectorRecipe) -> Sequence[Focus]:
    return [Focus(*row) for row in json.loads(Path(recipe.hard).read_text(encoding="utf-8"))] if recipe.hard else ()


def _save(
    file: Path, network: keras.Model, optimizer: keras.optimizers.Optimizer, averaged: Weights, done: int
) -> None:
    """Write the run's state; the file is replaced whole, so that a kill loses at most the epoch that is running."""
    state = {f"weights{i}": weights for i, weights in enumerate(network.get_weights())}
    state |= {f"averaged{i}": weights for i, weights in enumerate(averaged)}
    state |= {f"optimizer{i}": np.asarray(variable) for i, variable in enumerate(optimizer.variables)}
    new = file.with_name("next.npz")
    np.savez(new, done=np.array(done), **state)
    new.replace(file)


def _restored(file: Path, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> tuple[Weights, int]:
    """Put a saved state back; gives the averaged weights and how many epochs are done."""
    with np.load(file) as state:
        count = len(network.get_weights())
        network.set_weights([state[f"weights{i}"] for i in range(count)])
        for i, variable in enumerate(optimizer.variables):
            variable.assign(state[f"optimizer{i}"])
        return [state[f"averaged{i}"] for i in range(count)], int(state["done"])


def _write_down(file: Path, row: dict[str, float]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({key: float(f"{value:.6g}") for key, value in row.items()}) + "\n")
