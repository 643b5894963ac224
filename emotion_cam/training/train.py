"""Fit a network to data sets, and write a model folder that explains itself."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from inspect import signature
from pathlib import Path
from typing import Any

import keras

from emotion_cam.recognition.classifier import ModelCard
from emotion_cam.errors import TrainingError
from emotion_cam.training import plots
from emotion_cam.training.batches import AUGMENTATIONS, Batches
from emotion_cam.training.datasets import DATASETS, FaceSet, load, without_copies
from emotion_cam.training.folder import finish, origin
from emotion_cam.training.imagenet import IMAGENET, load_imagenet
from emotion_cam.training.networks import NETWORKS, SMALLEST
from emotion_cam.training.teachers import Teachers

SCHEDULES = ("cosine", "plateau")

OPTIMIZERS = {"adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}

NETWORK_OPTIONS = ("l2", "residual", "separable", "middle_activation", "width", "middle_blocks")
"""The fields of a recipe that go to the network; a network that does not know one takes it only at its default."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run turns out; kept in model.json under "training".

    Attributes:
        task: what the network tells ("emotion", "gender", …); the name under which people see it.
        data: (name, path) of every data set.
        network: a name in NETWORKS.
        residual, separable, middle_activation: variants of the networks for experiments, see mini_xception.
        width: by what to multiply every convolution's number of filters.
        middle_blocks: how many blocks Xception's middle flow has.
        size: side of the network's input, in pixels.
        margin: what to add to the detector's box on every side, as a share of its side.
        epochs: how long at most; with the cosine schedule the learning rate reaches 0 at their end.
        batch_size: faces a step.
        optimizer: "adamw" (Loshchilov and Hutter 2019) or "rmsprop".
        learning_rate: of the optimizer, after a warm-up of one epoch.
        schedule: "cosine", or "plateau": a third of the rate whenever validation loss stalls for 5 epochs.
        weight_decay: of the optimizer, apart from the gradient.
        l2: penalty on the convolutions' weights, as Mini-Xception's authors had it (0.01).
        label_smoothing: share of every target that is spread over all classes.
        votes: share of the human votes in the targets, where a data set has them (FER+).
        balance: weights classes by their inverse frequency to this power; 0 weights none, 1 evens them out.
        emphasis: (kind, group, factor) of groups of people whose pictures weigh more, as in ("race", "Black", 1.5).
        augmentation: a name in AUGMENTATIONS.
        mixup: parameter of the Beta distribution by which pairs of pictures are mixed (Zhang et al. 2018); 0 for none.
        teachers: model folders whose averaged scores the network learns beside the labels.
        teacher_share: share of the teachers' scores in the targets, if there are teachers.
        average: epochs over which weights are averaged, exponentially, for validation and for the model that is
            written (Polyak and Juditsky 1992; batch normalisation's statistics stay those of training); 0 for none.
        patience: epochs without a better validation accuracy after which to stop; 0 to go on to the end.
        seed: of the weights, the order and the augmentation.
        steady: whether what the network tells stays the same while a face is in view, as gender does.
        init: a model folder whose weights to start from, instead of random ones; or for Xception "imagenet", or a file
            of keras.applications.Xception's weights; "" for none.
        freeze: how many of the network's layers, from the input on, keep the weights they start with, and batch
            normalisation's statistics.
        mixed_precision: whether to compute in float16 what bears it, as GPUs do quicker; the model is in float32.
        devices: over how many devices Keras shares every batch out; at the end of an epoch, pictures that do not make
            up a whole number for each device are left out.
    """

    task: str
    data: tuple[tuple[str, str], ...]
    network: str = "mini_xception"
    residual: bool = True
    separable: bool = True
    middle_activation: bool = False
    width: float = 1.0
    middle_blocks: int = 8
    size: int = 48
    margin: float = 0.0
    epochs: int = 60
    batch_size: int = 64
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    weight_decay: float = 1e-4
    l2: float = 0.0
    label_smoothing: float = 0.0
    votes: float = 0.0
    balance: float = 0.0
    emphasis: tuple[tuple[str, str, float], ...] = ()
    augmentation: str = "gentle"
    mixup: float = 0.0
    teachers: tuple[str, ...] = ()
    teacher_share: float = 0.5
    average: float = 0.0
    patience: int = 0
    seed: int = 0
    steady: bool = False
    init: str = ""
    freeze: int = 0
    mixed_precision: bool = False
    devices: int = 1

    @property
    def before(self) -> Path | None:
        """The model folder to start from, if there is one."""
        return None if not self.init or self._from_imagenet else Path(self.init)

    @property
    def _from_imagenet(self) -> bool:
        return self.init == IMAGENET or Path(self.init).is_file()

    def network_options(self) -> dict[str, Any]:
        """What the network is to be told of NETWORK_OPTIONS.

        Raises:
            TrainingError: an option is set that the network does not have.
        """
        known = signature(NETWORKS[self.network]).parameters
        defaults = {field.name: field.default for field in fields(self)}
        for name in NETWORK_OPTIONS:
            if name not in known and getattr(self, name) != defaults[name]:
                raise TrainingError(f"{self.network} has no {name.replace('_', ' ')}; leave that option away.")
        return {name: getattr(self, name) for name in NETWORK_OPTIONS if name in known}

    def check(self) -> None:
        """Check what can be checked without the data.

        Raises:
            TrainingError: a name is not known, or a number makes no sense.
            ModelError: the model to start from, or a teacher, is no model folder.
        """
        for what, value, known in (
            ("network", self.network, NETWORKS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("augmentation", self.augmentation, AUGMENTATIONS),
        ):
            if value not in known:
                raise TrainingError(f"There is no {what} “{value}”; there are {', '.join(known)}.")
        self.network_options()
        if self.size < SMALLEST[self.network]:
            least = SMALLEST[self.network]
            raise TrainingError(f"{self.network} takes faces from {least}×{least} pixels up; give --size {least}.")
        if self.middle_activation and not self.separable:
            raise TrainingError("An activation in the middle needs separable convolutions; plain ones have no middle.")
        if self.width <= 0 or self.middle_blocks < 0 or self.freeze < 0:
            raise TrainingError("The width must be above 0; middle blocks and layers to freeze cannot be below 0.")
        if not self.data:
            raise TrainingError("There is nothing to train on; give a data set, as in --data fer2013=PATH.")
        if self.epochs < 1 or self.batch_size < 1:
            raise TrainingError("A run needs at least one epoch and one picture a batch.")
        if self.average < 0 or self.mixup < 0:
            raise TrainingError("Neither the epochs to average over nor mixup's parameter can be below 0.")
        if not 0 <= self.teacher_share <= 1:
            raise TrainingError("The teachers' share of the targets lies between 0 and 1.")
        if self._from_imagenet and self.network != "xception":
            raise TrainingError(f"ImageNet's weights are for xception; {self.network} cannot start from {self.init}.")
        for model in (*([self.before] if self.before else []), *map(Path, self.teachers)):
            ModelCard.load(model)
        _check_devices(self)


def _check_devices(recipe: Recipe) -> None:
    if recipe.mixed_precision and _device() == "tensorflow on a cpu":
        raise TrainingError("TensorFlow computes in float16 on a GPU alone; leave --mixed-precision away.")
    if recipe.devices == 1:
        return
    if keras.backend.backend() != "jax":
        raise TrainingError("Keras shares batches out over devices with JAX alone: set KERAS_BACKEND=jax.")
    there = len(keras.distribution.list_devices())
    if not 1 <= recipe.devices <= there:
        raise TrainingError(f"There cannot be {recipe.devices} devices: JAX sees {there} here.")
    if recipe.batch_size % recipe.devices:
        raise TrainingError(
            f"A batch of {recipe.batch_size} cannot be shared out evenly over {recipe.devices} devices; give another "
            "--batch-size."
        )


def _device() -> str:
    """What computes, as in "tensorflow on a cpu"."""
    return f"{keras.backend.backend()} on a {keras.distribution.list_devices()[0].partition(':')[0]}"


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    command: str = "",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Path:
    """Train a network and write the model folder ``out``: model.keras, .tflite and .json, README.md, history, plots.

    While the run goes on, its state lies in ``out`` + ".training" and is saved after every epoch; ``resume`` takes up
    a run that was stopped. What stands in ``out`` already is replaced only when the new model is complete.

    Returns:
        ``out``.

    Raises:
        TrainingError: the recipe makes no sense, or there is no such run to resume, or one is there already.
        DatasetError: a data set cannot be read, or the data sets' labels differ.
        ModelError: the model to start from, or a teacher, is missing or incomplete.
    """
    recipe.check()
    train_sets, validation_sets = _load_sets(recipe)
    _check_groups(recipe, train_sets)
    labels = train_sets[0].labels
    with _shared_out(recipe.devices):
        teachers = Teachers([Path(folder) for folder in recipe.teachers], labels)
        keras.utils.set_random_seed(recipe.seed)
        # Before anything is written, as this is what fails if weights to start from do not fit.
        model = None if resume else _new_model(recipe, len(labels))
        work = _work_folder(recipe, out, resume)
        _fit(recipe, model, work, train_sets, validation_sets, teachers, callbacks)
    return _write_model(recipe, work, out, command, train_sets, validation_sets)


@contextlib.contextmanager
def _shared_out(devices: int) -> Iterator[None]:
    """Inside, Keras shares every batch out over so many devices, each of which has all of the weights."""
    if devices == 1:
        yield
        return
    with keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:devices]).scope():
        yield


def _fit(
    recipe: Recipe,
    model: keras.Model | None,
    work: Path,
    train_sets: list[FaceSet],
    validation_sets: list[FaceSet],
    teachers: Teachers,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train the new model, or without one go on with the run in ``work``; best.keras and history.csv come of it."""
    done = _read_history(work / "history.csv")
    size = (recipe.size, recipe.size)
    batches = Batches(
        train_sets,
        size,
        margin=recipe.margin,
        batch_size=recipe.batch_size,
        multiple=recipe.devices,
        augmentation=AUGMENTATIONS[recipe.augmentation],
        balance=recipe.balance,
        emphasis={(kind, group): factor for kind, group, factor in recipe.emphasis},
        mixup=recipe.mixup,
        teacher=teachers if recipe.teachers else None,
        teacher_share=recipe.teacher_share,
        seed=recipe.seed,
        first_epoch=len(done),
    )
    validation = Batches(
        validation_sets,
        size,
        margin=recipe.margin,
        batch_size=256 - 256 % recipe.devices,
        multiple=recipe.devices,
    )
    if done:
        model = keras.models.load_model(work / "last.keras")
        if recipe.average:
            _take_averages_out(model)
    else:
        model = model or _new_model(recipe, len(train_sets[0].labels))
        _compile(model, recipe, steps=len(batches))
    if len(done) < recipe.epochs:
        model.fit(
            batches,
            validation_data=validation,
            epochs=recipe.epochs,
            initial_epoch=len(done),
            callbacks=[*_callbacks(recipe, work, done), *callbacks],
            shuffle=False,  # Batches has an order of its own, which a resumed run finds again
            verbose=0,
        )


def _work_folder(recipe: Recipe, out: Path, resume: bool) -> Path:
    work = out.with_name(out.name + ".training")
    written = work / "recipe.json"
    if resume:
        if not written.exists():
            raise TrainingError(f"There is no stopped run in {work}; start it without --resume.")
        # A run that an older version started lacks the newer fields, which were then as they are by default.
        before = _plain(Recipe(task="", data=())) | json.loads(written.read_text())
        now = _plain(recipe)
        changed = [key for key, value in now.items() if before[key] != value]
        if changed:
            raise TrainingError(f"The stopped run in {work} had another {', '.join(changed)}; resume it as it was.")
        return work
    if written.exists():
        raise TrainingError(f"A stopped run lies in {work}; go on with --resume, or delete that folder.")
    try:
        work.mkdir(parents=True, exist_ok=True)
        written.write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    except OSError as error:
        raise TrainingError(f"{work} cannot be written: {error.strerror}.") from error
    return work


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as it comes back from JSON."""
    written: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return written


def _load_sets(recipe: Recipe) -> tuple[list[FaceSet], list[FaceSet]]:
    """Training and validation sets; training pictures that stand in a validation or test set too are left out."""
    train_sets, validation_sets, held_out = [], [], []
    for name, path in recipe.data:
        train_sets.append(load(name, Path(path), "train"))
        validation_sets.append(load(name, Path(path), "validation"))
        held_out += [validation_sets[-1], load(name, Path(path), "test")]
    labels = {faces.labels for faces in train_sets}
    if len(labels) > 1:
        told = " and ".join(", ".join(names) for names in sorted(labels))
        raise TrainingError(f"The data sets have different labels: {told}.")
    return [without_copies(faces, held_out).mixed(recipe.votes) for faces in train_sets], validation_sets


def _check_groups(recipe: Recipe, sets: Sequence[FaceSet]) -> None:
    for kind, group, _ in recipe.emphasis:
        known = sorted({str(name) for faces in sets for name in faces.groups.get(kind, ()) if name})
        if group not in known:
            told = f"there are {', '.join(known)}" if known else f"the data do not say of what {kind} people are"
            raise TrainingError(f"There is no {kind} “{group}” to emphasise; {told}.")


def _network(recipe: Recipe, num_classes: int, policy: str = "float32") -> keras.Model:
    """The recipe's network with random weights, to be computed by a Keras dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return NETWORKS[recipe.network]((recipe.size, recipe.size, 1), num_classes, **recipe.network_options())
    finally:
        keras.config.set_dtype_policy(before)


def _new_model(recipe: Recipe, num_classes: int) -> keras.Model:
    """The network with the weights to start from, its first layers frozen."""
    model = _network(recipe, num_classes, "mixed_float16" if recipe.mixed_precision else "float32")
    if recipe.before:
        try:
            model.set_weights(keras.models.load_model(recipe.before / "model.keras", compile=False).get_weights())
        except ValueError as error:
            raise TrainingError(f"{recipe.init} has no weights that fit this network and these classes.") from error
    elif recipe.init:
        load_imagenet(model, recipe.init)
    for layer in model.layers[: recipe.freeze]:
        layer.trainable = False
    if not model.trainable_weights:
        raise TrainingError(
            f"With {recipe.freeze} layers frozen there is nothing to train: {recipe.network} has {len(model.layers)}."
        )
    return model


def _compile(model: keras.Model, recipe: Recipe, steps: int) -> None:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=recipe.learning_rate / 20,
            decay_steps=max(1, (recipe.epochs - 1) * steps),
            warmup_target=recipe.learning_rate,
            warmup_steps=steps,
        )
    model.compile(
        optimizer=OPTIMIZERS[recipe.optimizer](rate, weight_decay=recipe.weight_decay, **_averaging(recipe, steps)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's compiled depthwise convolutions are slower
    )


def _averaging(recipe: Recipe, steps: int) -> dict[str, Any]:
    """What the optimizer must know to average weights over so many epochs of so many steps."""
    if not recipe.average:
        return {}
    return {"use_ema": True, "ema_momentum": max(0.0, 1 - 1 / (recipe.average * steps))}


def _take_averages_out(model: keras.Model) -> None:
    """Put the weights to be trained back in the place of the averages, with which a model is saved."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()  # swaps the two


def _callbacks(recipe: Recipe, work: Path, done: list[dict[str, float]]) -> list[keras.callbacks.Callback]:
    best = max((epoch["val_accuracy"] for epoch in done), default=None)
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            work / "best.keras", monitor="val_accuracy", save_best_only=True, initial_value_threshold=best
        ),
        _Journal(work),
    ]
    if recipe.schedule == "plateau":
        callbacks.insert(0, keras.callbacks.ReduceLROnPlateau(factor=1 / 3, patience=5, min_lr=1e-6))
    if recipe.average:
        # First, so that what follows saves the averages; validation sees them in any case.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.patience:
        callbacks.append(keras.callbacks.EarlyStopping("val_accuracy", patience=recipe.patience))
    return callbacks


class _Journal(keras.callbacks.Callback):  # type: ignore[misc]
    """After every epoch saves the model with its optimizer, and then writes the epoch down.

    In this order, and with the file replaced whole, a kill at any moment loses at most the epoch that is running.
    """

    def __init__(self, work: Path) -> None:
        super().__init__()
        self._work = work

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        new = self._work / "next.keras"
        self.model.save(new)
        new.replace(self._work / "last.keras")
        row = {"epoch": epoch + 1, **{key: f"{float(value):.6g}" for key, value in sorted((logs or {}).items())}}
        history = self._work / "history.csv"
        is_first = not history.exists()
        with history.open("a", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, row)
            if is_first:
                writer.writeheader()
            writer.writerow(row)


def _read_history(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def _write_model(
    recipe: Recipe, work: Path, out: Path, command: str, train_sets: list[FaceSet], validation_sets: list[FaceSet]
) -> Path:
    """Make the model folder beside the run's state, and put it in place whole."""
    new = work / "model"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    # Made anew, in float32 and with no layer frozen, however it was trained.
    model = _network(recipe, len(train_sets[0].labels))
    model.set_weights(keras.models.load_model(work / "best.keras", compile=False).get_weights())
    model.save(new / "model.keras")
    shutil.copy(work / "history.csv", new / "history.csv")
    if recipe.before:
        _copy_earlier_histories(recipe.before, new)
    history = _read_history(new / "history.csv")
    best = max(history, key=lambda epoch: epoch["val_accuracy"])
    plots.curves(history, new / "curves.png")
    finish(
        new,
        out,
        {
            "format": 1,
            "task": recipe.task,
            "labels": list(train_sets[0].labels),
            "size": [recipe.size, recipe.size],
            "margin": recipe.margin,
            "steady": recipe.steady,
            "network": recipe.network,
            "parameters": model.count_params(),
            "data": [
                {
                    "name": name,
                    "reference": DATASETS[name].reference,
                    "terms": DATASETS[name].terms,
                    "train": len(train),
                    "validation": len(validation),
                }
                for (name, _), train, validation in zip(recipe.data, train_sets, validation_sets, strict=True)
            ],
            "training": {
                "command": command,
                **{key: value for key, value in asdict(recipe).items() if key not in ("task", "data", "steady")},
                "best_epoch": int(best["epoch"]),
                "epochs_run": len(history),
                "keras": keras.__version__,
                "backend": keras.backend.backend(),
            },
            **({"before": origin(ModelCard.load(recipe.before))} if recipe.before else {}),
            "teachers": [origin(ModelCard.load(Path(folder))) for folder in recipe.teachers],
            "measured": [],
        },
        validation_sets,
    )
    shutil.rmtree(work)
    return out


def _copy_earlier_histories(init: Path, new: Path) -> None:
    """Keep what was written of the runs that a run went on from: history-before-1.csv is of the first of them."""
    earlier = sorted(init.glob("history-before-*.csv"))
    for file in [*earlier, *init.glob("part-*.csv")]:
        shutil.copy(file, new)
    if (init / "history.csv").exists():  # a mean of models has those of its parts alone
        shutil.copy(init / "history.csv", new / f"history-before-{len(earlier) + 1}.csv")
