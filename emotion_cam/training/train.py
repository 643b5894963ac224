"""Train a network on data sets, and write a model folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from emotion_cam.card import ModelCard, TrainingRecord, read_card
from emotion_cam.errors import TrainingError
from emotion_cam.training import backend, plots
from emotion_cam.training.augmentation import AUGMENTATIONS
from emotion_cam.training.backend import keras
from emotion_cam.training.batches import Batches
from emotion_cam.training.card import data_entries
from emotion_cam.training.datasets import DATASETS, FaceSet, Targets, load, without_copies
from emotion_cam.training.folder import finish
from emotion_cam.training.imagenet import load_imagenet
from emotion_cam.training.journal import HISTORY, Journal, copy_earlier_histories, read_history
from emotion_cam.training.networks import NETWORKS, network_options
from emotion_cam.training.optimization import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    compile_model,
    optimization_callbacks,
    restore_trained_weights,
)
from emotion_cam.training.priors import offsets
from emotion_cam.training.recipe import Recipe, parse_data, parse_emphasis
from emotion_cam.training.recipe_files import format_recipe_file
from emotion_cam.training.stages import RECIPE, RecipeFile, Stage, command_line
from emotion_cam.training.teachers import Teachers

VALIDATION_BATCH = 256


def train(
    recipe: Recipe,
    out: Path,
    *,
    data_folder: Path = Path(),
    resume: bool = False,
    record: RecipeFile | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Path:
    """Train a network and write the model folder ``out``: model.keras and model.tflite, card, recipe, history, plots.

    While the run goes on, its state is in ``out`` + ".training" and is saved after every epoch. An older model in
    ``out`` is replaced only when the new one is complete.

    Args:
        recipe: what to train.
        out: the model folder to write.
        data_folder: the folder that relative paths in ``recipe.data`` start from.
        resume: continue a stopped run.
        record: the recipe file that the model folder keeps; by default one with this recipe alone.
        callbacks: of Keras, called after the run's own.

    Returns:
        ``out``.

    Raises:
        TrainingError: the recipe makes no sense, or there is no run to resume, or a stopped one is in the way.
        DatasetError: a data set cannot be read, or the labels of the data sets differ.
        ModelError: the model to start from, or a teacher, is missing or incomplete.
    """
    check(recipe)
    record = record or RecipeFile((Stage("", recipe),))
    data = _load_data(recipe, data_folder)
    with _shared_by(recipe.devices):
        teachers = Teachers([Path(folder) for folder in recipe.teacher], data.labels) if recipe.teacher else None
        keras.utils.set_random_seed(recipe.seed)
        # Made before anything is written, because this is what fails if the weights to start from do not fit.
        model = None if resume else new_model(recipe, len(data.labels))
        journal = (Journal.resume if resume else Journal.start)(out, record)
        _fit(recipe, model, journal, data, teachers, callbacks)
    return _write_model(recipe, journal, out, data, record, command_line(recipe, out, data_folder))


def check(recipe: Recipe) -> None:
    """Check everything about a recipe that can be checked without the data.

    Raises:
        TrainingError: a name is unknown, options contradict each other, or the backend cannot run it.
        ModelError: the model to start from, or a teacher, is not a model folder.
    """
    recipe.check()
    for field, known in (
        ("network", NETWORKS),
        ("loss", LOSSES),
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("augmentation", AUGMENTATIONS),
    ):
        value = getattr(recipe, field)
        if value not in known:
            raise TrainingError(f"There is no {field} “{value}”; choose `{field}` from {', '.join(known)}.")
    network_options(recipe)
    smallest = NETWORKS[recipe.network].smallest
    if recipe.size < smallest:
        raise TrainingError(f"{recipe.network} needs faces of {smallest}×{smallest} pixels or more: `size` {smallest}.")
    if _with_torch():
        _check_for_torch(recipe)
    for folder in (*([recipe.init_folder] if recipe.init_folder else []), *map(Path, recipe.teacher)):
        read_card(folder)
    if recipe.mixed_precision and backend.device() == "tensorflow on a cpu":
        raise TrainingError("TensorFlow computes in float16 on GPUs only; leave out `mixed_precision`.")
    if recipe.devices != 1:
        _check_devices(recipe.devices)


def _check_devices(devices: int) -> None:
    if keras.backend.backend() != "jax":
        raise TrainingError("`devices` needs JAX, the only backend that shares batches: set KERAS_BACKEND=jax.")
    available = len(keras.distribution.list_devices())
    if not 1 <= devices <= available:
        raise TrainingError(f"`devices` cannot be {devices}: JAX finds {available} here.")


def _with_torch() -> bool:
    return bool(keras.backend.backend() == "torch")


def _check_for_torch(recipe: Recipe) -> None:
    for name in ("optimizer", "schedule", "l2", "freeze", "middle_activation", "mixed_precision"):
        if getattr(recipe, name) != getattr(Recipe, name):
            raise TrainingError(f"With PyTorch there is no `{name}`; leave that option out, or use another backend.")


@contextlib.contextmanager
def _shared_by(devices: int) -> Iterator[None]:
    """Inside, that many devices share every batch; each has all weights."""
    if devices == 1:
        yield
        return
    with keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:devices]).scope():
        yield


@dataclass(frozen=True)
class _Data:
    """The pictures of a run, in the order of the recipe's data sets; shifts as in ``Batches``."""

    train: list[FaceSet]
    validation: list[FaceSet]
    shifts: list[Targets] | None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.train[0].labels


def _load_data(recipe: Recipe, data_folder: Path) -> _Data:
    """The training and validation sets. Training pictures that are in a validation or test set too are left out."""
    train_sets, validation_sets, held_out = [], [], []
    for name, path in parse_data(recipe.data):
        train_sets.append(load(name, data_folder / path, "train"))
        validation_sets.append(load(name, data_folder / path, "validation"))
        held_out += [validation_sets[-1]]
        if "test" in DATASETS[name].splits:
            held_out += [load(name, data_folder / path, "test")]
    for name, path in parse_data(recipe.held_out):
        splits = [split for split in ("validation", "test") if split in DATASETS[name].splits]
        held_out += [load(name, data_folder / path, split) for split in splits]
    labels = {faces.labels for faces in train_sets}
    if len(labels) > 1:
        listed = " and ".join(", ".join(names) for names in sorted(labels))
        raise TrainingError(f"The data sets have different labels: {listed}.")
    for kind, group in parse_emphasis(recipe.emphasis):
        _check_group(kind, group, train_sets)
    train_sets = [without_copies(faces, held_out).mixed(recipe.votes) for faces in train_sets]
    return _Data(train_sets, validation_sets, _shifts(recipe, train_sets))


def _shifts(recipe: Recipe, train_sets: Sequence[FaceSet]) -> list[Targets] | None:
    if not recipe.prior:
        return None
    names = [name for name, _ in parse_data(recipe.data)]
    return offsets(train_sets, [faces for name, faces in zip(names, train_sets, strict=True) if name in recipe.prior])


def _check_group(kind: str, group: str, sets: Sequence[FaceSet]) -> None:
    known = sorted({str(name) for faces in sets for name in faces.groups.get(kind, ()) if name})
    if group not in known:
        reason = f"there are {', '.join(known)}" if known else f"the data do not give people's {kind}"
        raise TrainingError(f"There is no {kind} “{group}” for `emphasis`; {reason}.")


def new_model(recipe: Recipe, num_classes: int) -> keras.Model:
    """The recipe's network with the weights that training starts from; its first layers are frozen.

    Raises:
        TrainingError: the weights to start from do not fit, or every layer is frozen.
    """
    model = _network(recipe, num_classes, "mixed_float16" if recipe.mixed_precision else "float32")
    if recipe.init_folder:
        try:
            model.set_weights(keras.models.load_model(recipe.init_folder / "model.keras", compile=False).get_weights())
        except ValueError as error:
            raise TrainingError(f"{recipe.init} has no weights that fit this network and these labels.") from error
    elif recipe.init:
        load_imagenet(model, recipe.init)
    for layer in model.layers[: recipe.freeze]:
        layer.trainable = False
    if not model.trainable_weights:
        raise TrainingError(
            f"With `freeze` {recipe.freeze} there is nothing to train: {recipe.network} has {len(model.layers)} layers."
        )
    return model


def _network(recipe: Recipe, num_classes: int, policy: str = "float32") -> keras.Model:
    """The recipe's network with random weights, computed by a dtype policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return NETWORKS[recipe.network]((recipe.size, recipe.size, 1), num_classes, **network_options(recipe))
    finally:
        keras.config.set_dtype_policy(before)


def _fit(
    recipe: Recipe,
    model: keras.Model | None,
    journal: Journal,
    data: _Data,
    teachers: Teachers | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train the new model, or without one continue the run of the journal, which gets the result."""
    epochs_run = len(journal.history())
    size = (recipe.size, recipe.size)
    batches = Batches(
        data.train,
        size,
        margin=recipe.margin,
        batch_size=recipe.batch_size,
        multiple=recipe.devices,
        augmentation=AUGMENTATIONS[recipe.augmentation],
        balance=recipe.balance,
        emphasis=parse_emphasis(recipe.emphasis),
        shifts=data.shifts,
        cutmix=recipe.cutmix,
        mixup=recipe.mixup,
        teacher=teachers,
        teacher_share=recipe.teacher_share,
        seed=recipe.seed,
        first_epoch=epochs_run,
    )
    validation = Batches(
        data.validation,
        size,
        margin=recipe.margin,
        batch_size=VALIDATION_BATCH - VALIDATION_BATCH % recipe.devices,
        multiple=recipe.devices,
    )
    callbacks = [*journal.callbacks(recipe.epochs), *callbacks]
    if recipe.patience:
        callbacks.append(keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=recipe.patience))
    if epochs_run:
        model = keras.models.load_model(journal.last)
    elif model is None:
        model = new_model(recipe, len(data.labels))
    if epochs_run >= recipe.epochs:
        return
    if _with_torch():
        from emotion_cam.training.torch_fit import fit

        fit(model, recipe, batches, validation, journal.folder, epochs_run, callbacks)
    else:
        _fit_with_keras(model, recipe, batches, validation, epochs_run, callbacks)


def _fit_with_keras(
    model: keras.Model,
    recipe: Recipe,
    batches: Batches,
    validation: Batches,
    epochs_run: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    if not epochs_run:
        compile_model(model, recipe, steps=len(batches))
    elif recipe.average:
        restore_trained_weights(model)
    model.fit(
        batches,
        validation_data=validation,
        epochs=recipe.epochs,
        initial_epoch=epochs_run,
        callbacks=[*optimization_callbacks(recipe), *callbacks],
        shuffle=False,  # Batches has its own order, the same when a run is resumed
        verbose=0,
    )


def _write_model(recipe: Recipe, journal: Journal, out: Path, data: _Data, record: RecipeFile, command: str) -> Path:
    """Make the model folder beside the run's state, and put it in its place whole."""
    new = journal.folder / "model"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    # A new network, so that it is in float32 and no layer is frozen, however it was trained.
    model = _network(recipe, len(data.labels))
    model.set_weights(keras.models.load_model(journal.best, compile=False).get_weights())
    model.save(new / "model.keras")
    (new / RECIPE).write_text(format_recipe_file(record), encoding="utf-8")
    shutil.copy(journal.folder / HISTORY, new / HISTORY)
    if recipe.init_folder:
        copy_earlier_histories(recipe.init_folder, new)
    history = read_history(new / HISTORY)
    plots.curves(history, new / "curves.png")
    finish(new, out, _card(recipe, data, history, model.count_params(), command), data.validation)
    journal.remove()
    return out


def _card(recipe: Recipe, data: _Data, history: Sequence[dict[str, float]], parameters: int, command: str) -> ModelCard:
    best = max(history, key=lambda epoch: epoch["val_accuracy"])
    names = [name for name, _ in parse_data(recipe.data)]
    return ModelCard(
        task=recipe.task,
        labels=data.labels,
        size=(recipe.size, recipe.size),
        margin=recipe.margin,
        steady=recipe.steady,
        network=recipe.network,
        parameters=parameters,
        data=data_entries(names, data.train, data.validation),
        training=TrainingRecord(
            command=command,
            settings={name: value for name, value in asdict(recipe).items() if name not in ("task", "data", "steady")},
            best_epoch=int(best["epoch"]),
            epochs_run=len(history),
            keras=keras.__version__,
            backend=keras.backend.backend(),
        ),
        before=read_card(recipe.init_folder).origin if recipe.init_folder else None,
        teachers=tuple(read_card(Path(folder)).origin for folder in recipe.teacher),
    )
