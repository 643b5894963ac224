"""Train a network with PyTorch by a recipe in TOML, each set with its own prior, and write a model folder.

    python -m emotion_cam.training.torch_run recipes/torch/emotion-5.toml --data-root data --out runs/emotion [--resume]

The network runs outside of Keras (see ``twin``). The state of a run lies in OUT.training and is saved whole after every
epoch; ``--resume`` continues from it to the same result, or with another number of epochs to an earlier or later end.
"""

from __future__ import annotations

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # its newer kernels have crashed
os.environ.setdefault("KERAS_BACKEND", "torch")

import argparse
import csv
import json
import math
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from emotion_cam.card import ModelCard, TrainingRecord, read_card
from emotion_cam.errors import TrainingError
from emotion_cam.training.augmentation import AUGMENTATIONS
from emotion_cam.training.backend import keras
from emotion_cam.training.batches import Batches
from emotion_cam.training.card import data_entries
from emotion_cam.training.datasets import DATASETS, FaceSet, Targets, load, without_copies
from emotion_cam.training.folder import finish
from emotion_cam.training.networks import NETWORKS
from emotion_cam.training.priors import offsets
from emotion_cam.training.residual import residual_network
from emotion_cam.training.soft import SoftBatches, ViewOptions
from emotion_cam.training.twin import Twin

FOLDERS = {"ferplus": "fer2013", "posed": "expressions"}
"""Where a data set lies below the data's root, if not in a folder of its own name."""

_NETWORKS: dict[str, Callable[..., keras.Model]] = {**NETWORKS, "residual": residual_network}

VALIDATION_BATCH = 256


@dataclass(frozen=True)
class TorchRecipe:
    """Everything that decides how a run turns out, as its TOML file says.

    Attributes:
        task: what the network tells.
        data: the names of the sets to train on.
        reference: the sets whose class frequencies the network scores by; none leaves every set's prior in.
        held_out: further sets whose validation and test pictures must not be trained on.
        watched: further sets to measure on after every epoch.
        chosen_by: the set by whose validation accuracy the epoch is chosen; "" takes the last.
        network: a name in _NETWORKS; ``options`` go to it.
        size, margin: of the network's input, see Recipe.
        epochs, batch_size, learning_rate, weight_decay: AdamW, a warm-up of one epoch and a cosine down to 0.
        average: over how many epochs weights and statistics are averaged exponentially, for validation and the result.
        augmentation: a name in AUGMENTATIONS.
        cutmix: the share of batches in which every face has a rectangle of another's (Yun et al. 2019).
        mixup: parameter of the Beta distribution by which faces of the other batches are mixed; 0 for none.
        votes, label_smoothing, balance: see Recipe.
        emphasis: by kind of group and group, by what those pictures' weights are multiplied.
        seed: of weights, order and augmentation.
        init: a model folder to start from; "" for random weights.
        steady: see Recipe.
        unlabelled: sets of which the pictures alone are learnt from, by what teachers said of them.
        soft: the folder of what teachers said, as ``soft.store`` writes it; "" for none.
        soft_share: the teachers' share of the loss on labeled pictures.
        temperature: by which the logits of teachers and network are divided for the teachers' share.
    """

    task: str
    data: tuple[str, ...]
    reference: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    chosen_by: str = ""
    network: str = "mini_xception"
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 48
    margin: float = 0.0
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    average: float = 1.0
    augmentation: str = "framing"
    cutmix: float = 0.0
    mixup: float = 0.0
    votes: float = 0.0
    label_smoothing: float = 0.0
    balance: float = 0.0
    emphasis: dict[str, dict[str, float]] = field(default_factory=dict)
    seed: int = 0
    init: str = ""
    steady: bool = False
    unlabelled: tuple[str, ...] = ()
    soft: str = ""
    soft_share: float = 0.7
    temperature: float = 1.0

    @classmethod
    def read(cls, file: Path) -> TorchRecipe:
        """Read a TOML file.

        Raises:
            TrainingError: it cannot be read, or has a key that no recipe has.
        """
        try:
            written: dict[str, Any] = msgspec.toml.decode(file.read_text(encoding="utf-8"))
            fields: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in written.items()}
            return cls(**fields)
        except (OSError, msgspec.DecodeError, TypeError) as error:
            raise TrainingError(f"{file} is no recipe: {error}.") from error

    def view_options(self) -> ViewOptions:
        """How the views look of which teachers say what they show."""
        return ViewOptions(self.size, self.margin, self.augmentation, self.seed)


@dataclass
class _State:
    """What a run has come to: the network, its average, the optimizer and the epochs done."""

    twin: Twin
    average: dict[str, torch.Tensor]
    optimizer: torch.optim.Optimizer
    history: list[dict[str, float]]

    def save(self, file: Path) -> None:
        new = file.with_suffix(".new")
        torch.save([self.twin.state_dict(), self.average, self.optimizer.state_dict(), self.history], new)
        new.replace(file)

    def load(self, file: Path) -> None:
        twin, self.average, optimizer, self.history = torch.load(file, weights_only=True)
        self.twin.load_state_dict(twin)
        self.optimizer.load_state_dict(optimizer)


def train(recipe: TorchRecipe, root: Path, out: Path, *, resume: bool = False, command: str = "") -> Path:
    """Train by a recipe on the data sets below ``root`` and write the model folder ``out``.

    Returns:
        ``out``, without model.tflite, which only TensorFlow can write: `emotion-cam export` does.

    Raises:
        TrainingError: a run lies there already and is not to be resumed, or the other way round, or it had another
            recipe.
        DatasetError: a data set cannot be read.
        ModelError: the model to start from is incomplete.
    """
    work = _work_folder(recipe, out, resume)
    train_sets, validation_sets = load_sets(recipe, root)
    keras.utils.set_random_seed(recipe.seed)
    model = _new_model(recipe, len(train_sets[0].labels))
    twin = Twin(model)
    optimizer = torch.optim.AdamW(_decaying(twin, recipe.weight_decay), lr=recipe.learning_rate)
    state = _State(twin, _copied(twin), optimizer, [])
    if resume:
        state.load(work / "state.pt")
    batches = _batches(recipe, train_sets, first_epoch=len(state.history))
    shifts = _shifts(recipe, train_sets)
    inputs = [(faces, _as_input(faces, recipe)) for faces in validation_sets]
    while len(state.history) < recipe.epochs:
        started = time.monotonic()
        row = _epoch(recipe, state, batches, shifts)
        row |= _validated(state, inputs) | {"learning_rate": rate(recipe, len(state.history) + 1)}
        state.history.append({"epoch": len(state.history) + 1, **row, "seconds": round(time.monotonic() - started, 1)})
        _keep_best(recipe, state, work)
        _write_history(state.history, work / "history.csv")
        state.save(work / "state.pt")
        print(" ".join(f"{key} {value:.4g}" for key, value in state.history[-1].items()), flush=True)
    twin.load_state_dict(torch.load(work / "best.pt", weights_only=True))
    twin.give_weights(model)
    return _write_model(recipe, model, work, out, command, train_sets, validation_sets)


def _work_folder(recipe: TorchRecipe, out: Path, resume: bool) -> Path:
    work = out.with_name(out.name + ".training")
    written, now = work / "recipe.json", json.loads(json.dumps(asdict(recipe)))
    if resume != (work / "state.pt").exists():
        raise TrainingError(f"There is {'no' if resume else 'a'} stopped run in {work}.")
    # A run that an older version started lacks the newer fields, which were then as they are by default.
    defaults = json.loads(json.dumps(asdict(TorchRecipe("", ()))))
    # The number of epochs may change: a run can be cut short, and the cosine then comes down sooner.
    if resume and defaults | json.loads(written.read_text()) | {"epochs": recipe.epochs} != now:
        raise TrainingError(f"The stopped run in {work} had another recipe; resume it as it was.")
    work.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(now, indent=2) + "\n")
    return work


def load_sets(recipe: TorchRecipe, root: Path) -> tuple[list[FaceSet], list[FaceSet]]:
    """Training sets without any held-out picture, and validation sets.

    The training sets are those with labels, then those without, whose targets are all 0. The validation sets are those
    trained on, then those only watched.
    """

    def read(name: str, split: str) -> FaceSet:
        return load(name, root / FOLDERS.get(name, name), split)

    train_sets = [read(name, "train") for name in recipe.data]
    validation_sets = [read(name, "validation") for name in (*recipe.data, *recipe.watched)]
    held_out = [*validation_sets, *(read(name, "validation") for name in recipe.held_out)]
    held_out += [read(name, "test") for name in (*recipe.data, *recipe.held_out) if "test" in DATASETS[name].splits]
    labels = train_sets[0].labels
    train_sets = [faces.mixed(recipe.votes) for faces in train_sets]
    train_sets += [_without_labels(read(name, "train"), labels) for name in recipe.unlabelled]
    return [without_copies(faces, held_out) for faces in train_sets], validation_sets


def _without_labels(faces: FaceSet, labels: tuple[str, ...]) -> FaceSet:
    targets = np.zeros((len(faces), len(labels)), np.float32)
    return replace(faces, labels=labels, targets=targets, votes=None, groups={})


def _new_model(recipe: TorchRecipe, num_classes: int) -> keras.Model:
    model = _NETWORKS[recipe.network]((recipe.size, recipe.size, 1), num_classes, **recipe.options)
    if recipe.init:
        before = keras.models.load_model(Path(recipe.init) / "model.keras", compile=False)
        model.set_weights(before.get_weights())
    return model


def _decaying(twin: Twin, weight_decay: float) -> list[dict[str, Any]]:
    """Convolutions' weights shrink; biases and batch normalization do not."""
    parameters = list(twin.parameters())
    return [
        {"params": [p for p in parameters if p.ndim == 4], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim != 4], "weight_decay": 0.0},
    ]


def _batches(recipe: TorchRecipe, sets: Sequence[FaceSet], first_epoch: int) -> Batches:
    emphasis = {(kind, name): factor for kind, by_name in recipe.emphasis.items() for name, factor in by_name.items()}
    common: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "balance": recipe.balance,
        "emphasis": emphasis,
        "first_epoch": first_epoch,
    }
    if recipe.soft:
        return SoftBatches(sets, recipe.view_options(), Path(recipe.soft), **common)
    return Batches(
        sets,
        (recipe.size, recipe.size),
        margin=recipe.margin,
        augmentation=AUGMENTATIONS[recipe.augmentation],
        seed=recipe.seed,
        **common,
    )


def _shifts(recipe: TorchRecipe, sets: Sequence[FaceSet]) -> list[Targets]:
    """What to add to the logits of every set's pictures: float32, (pictures, classes); 0 where nothing is known."""
    labeled = dict(zip(recipe.data, sets, strict=False))
    shifts = [np.zeros_like(faces.targets) for faces in sets]
    if recipe.reference:
        shifts[: len(labeled)] = offsets(list(labeled.values()), [labeled[name] for name in recipe.reference])
    return shifts


def _as_input(faces: FaceSet, recipe: TorchRecipe) -> torch.Tensor:
    extracted = np.stack(faces.extracted((recipe.size, recipe.size), recipe.margin))
    return torch.from_numpy(extracted)[:, None]


def _epoch(recipe: TorchRecipe, state: _State, batches: Batches, shifts: Sequence[Targets]) -> dict[str, float]:
    """One epoch; the mean loss and the accuracy on the augmented pictures."""
    state.twin.train()
    epoch, steps = len(state.history), len(batches)
    momentum = max(0.0, 1 - 1 / (recipe.average * steps)) if recipe.average else 0.0
    losses, right, count = [], 0, 0
    for number in range(steps):
        faces, targets, weights = map(torch.from_numpy, batches[number])
        shift = torch.from_numpy(np.stack([shifts[source][row] for source, row in batches.chosen(number)]))
        faces = faces.permute(0, 3, 1, 2)
        rng = np.random.default_rng([recipe.seed, epoch, number, 1])
        faces, targets, weights, shift = _mixed(recipe, (faces, targets, weights, shift), rng)
        for group in state.optimizer.param_groups:
            group["lr"] = rate(recipe, epoch + number / steps)
        targets = (1 - recipe.label_smoothing) * targets + recipe.label_smoothing / targets.shape[1]
        logits = state.twin(faces) + shift
        loss = _cross_entropy(targets, logits, weights)
        if isinstance(batches, SoftBatches):
            soft = torch.from_numpy(batches.soft(number))
            loss = (1 - recipe.soft_share) * loss + recipe.soft_share * _taught(
                soft, logits - shift, recipe.temperature
            )
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        _follow(state, momentum)
        losses.append(float(loss.detach()))
        right += int((logits.argmax(1) == targets.argmax(1)).sum())
        count += len(targets)
    batches.on_epoch_end()
    return {"loss": float(np.mean(losses)), "accuracy": right / count}


def _cross_entropy(targets: torch.Tensor, logits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean over the pictures of weight × cross entropy; where the targets are 0, that is 0."""
    return -((targets * torch.log_softmax(logits, 1)).sum(1) * weights).mean()


def _taught(soft: torch.Tensor, logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """The cross entropy with the teachers' scores, both at a temperature, on the scale of temperature 1.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    softer = torch.softmax(torch.log(soft.clamp_min(1e-6)) / temperature, 1)
    return -(temperature**2) * (softer * torch.log_softmax(logits / temperature, 1)).sum(1).mean()


def mean_teacher(folders: Sequence[Path]) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """The mean scores of several models, each of faces and of their mirror images: (faces, height, width) → scores."""
    twins = [Twin(keras.models.load_model(folder / "model.keras", compile=False)).eval() for folder in folders]

    def score(faces: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            sides = [torch.from_numpy(np.ascontiguousarray(side))[:, None] for side in (faces, faces[:, :, ::-1])]
            scores = [torch.softmax(twin(side), 1) for twin in twins for side in sides]
            return np.asarray(torch.stack(scores).mean(0).numpy())

    return score


def set_threads(count: int) -> None:
    """Let PyTorch use so many processor cores."""
    torch.set_num_threads(count)


def rate(recipe: TorchRecipe, epoch: float) -> float:
    """The learning rate at a time in epochs: linear up from a twentieth in the first, then half a cosine down to 0."""
    if epoch < 1:
        return recipe.learning_rate * (0.05 + 0.95 * epoch)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / max(1, recipe.epochs - 1)))


Mixable = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _mixed(recipe: TorchRecipe, batch: Mixable, rng: np.random.Generator) -> Mixable:
    """The batch of faces, targets, weights and shifts with CutMix, mixup or neither."""
    faces, *rest = batch
    order = torch.from_numpy(rng.permutation(len(faces)))
    if rng.random() < recipe.cutmix:
        share, (y, x, h, w) = _rectangle(faces.shape[2], faces.shape[3], rng)
        faces = faces.clone()
        faces[:, :, y : y + h, x : x + w] = faces[order][:, :, y : y + h, x : x + w]
    elif recipe.mixup:
        share = float(rng.beta(recipe.mixup, recipe.mixup))
        faces = share * faces + (1 - share) * faces[order]
    else:
        return batch
    targets, weights, shift = (share * tensor + (1 - share) * tensor[order] for tensor in rest)
    return faces, targets, weights, shift


def _rectangle(height: int, width: int, rng: np.random.Generator) -> tuple[float, tuple[int, int, int, int]]:
    """The share of a picture outside a random rectangle, uniform before rounding, and the rectangle (y, x, h, w)."""
    side = math.sqrt(rng.uniform(0, 0.6))
    h, w = max(1, round(side * height)), max(1, round(side * width))
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return 1 - h * w / (height * width), (y, x, h, w)


def _copied(twin: Twin) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in twin.state_dict().items()}


def _follow(state: _State, momentum: float) -> None:
    """Move the average towards the weights."""
    for name, tensor in state.twin.state_dict().items():
        if tensor.is_floating_point():
            state.average[name].lerp_(tensor, 1 - momentum)


def _validated(state: _State, inputs: Sequence[tuple[FaceSet, torch.Tensor]]) -> dict[str, float]:
    """Accuracy, balanced accuracy and loss of the averaged weights on every set."""
    kept = _copied(state.twin)
    state.twin.load_state_dict(state.average)
    figures: dict[str, float] = {}
    for faces, images in inputs:
        logits = logits_of(state.twin, images)
        name, truth = faces.name.split()[0], faces.targets.argmax(1)
        right = logits.argmax(1) == truth
        recalls = [right[truth == label].mean() for label in range(len(faces.labels)) if (truth == label).any()]
        log_scores = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        figures[f"{name}_accuracy"] = float(right.mean())
        figures[f"{name}_balanced"] = float(np.mean(recalls))
        figures[f"{name}_loss"] = -float((faces.targets * log_scores).sum(1).mean())
    state.twin.load_state_dict(kept)
    return figures


def logits_of(twin: Twin, images: torch.Tensor) -> npt.NDArray[np.float32]:
    """The logits of faces, uint8 (faces, 1, height, width), in inference: float32, (faces, classes)."""
    twin.eval()
    with torch.inference_mode():
        parts = [twin(images[i : i + VALIDATION_BATCH].float()) for i in range(0, len(images), VALIDATION_BATCH)]
    return np.asarray(torch.cat(parts).numpy())


def _keep_best(recipe: TorchRecipe, state: _State, work: Path) -> None:
    """Save the averaged weights, if they are the best by the recipe's measure, or the last where it has none."""
    figures = [row.get(f"{recipe.chosen_by}_accuracy", row["epoch"]) for row in state.history]
    if figures[-1] >= max(figures):
        torch.save(state.average, work / "best.pt")


def _write_history(history: Sequence[dict[str, float]], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, history[-1], restval="")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in history)


def _write_model(
    recipe: TorchRecipe,
    model: keras.Model,
    work: Path,
    out: Path,
    command: str,
    train_sets: Sequence[FaceSet],
    validation_sets: Sequence[FaceSet],
) -> Path:
    new = work / "model"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    model.save(new / "model.keras")
    shutil.copy(work / "history.csv", new / "history.csv")
    finish(new, out, _card(recipe, model, command, train_sets, validation_sets), [])
    return out


def _card(
    recipe: TorchRecipe,
    model: keras.Model,
    command: str,
    train_sets: Sequence[FaceSet],
    validation_sets: Sequence[FaceSet],
) -> ModelCard:
    settings = {key: value for key, value in asdict(recipe).items() if key not in ("task", "data", "steady")}
    return ModelCard(
        task=recipe.task,
        labels=train_sets[0].labels,
        size=(recipe.size, recipe.size),
        margin=recipe.margin,
        steady=recipe.steady,
        network=recipe.network,
        parameters=model.count_params(),
        data=data_entries(recipe.data, train_sets, validation_sets),
        training=TrainingRecord(
            command=command,
            settings=settings,
            keras=keras.__version__,
            backend=f"torch {torch.__version__.partition('+')[0]}",
        ),
        before=read_card(Path(recipe.init)).origin if recipe.init else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    set_threads(given.threads)
    shown = [argument for argument in sys.argv[1:] if argument != "--resume"]
    command = f"python -m emotion_cam.training.torch_run {shlex.join(shown)}"
    train(TorchRecipe.read(given.recipe), given.data_root, given.out, resume=given.resume, command=command)


if __name__ == "__main__":
    main()
