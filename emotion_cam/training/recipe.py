"""A recipe: everything that decides the result of a training run.

It is declared here once. The command line, the recipe files and the cards of models take names, defaults and help from
``Recipe``. Light to import: it needs neither Keras nor NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion_cam.errors import TrainingError

IMAGENET = "imagenet"
"""The value of ``init`` for the weights that keras.applications downloads."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a training run.

    Attributes:
        task: What the model predicts, as people will read it, as in emotion or gender.
        data: A data set and its folder, as in fer2013=data/fer2013. The names are fer2013, ferplus, rafdb, expressions,
            posed, fairface, utkface, gender, and folder for your own pictures, one folder for each label. May be
            repeated.
        held_out: A further data set and its folder, whose validation and test pictures are left out of training. May be
            repeated.
        prior: A data set of `data` in whose label frequencies the model scores; the others' pictures count as if they
            had these frequencies, too (Menon et al. 2021). May be repeated; none for pictures as they come.
        network: The architecture: mini_xception, xception, or residual, which is larger and meant for teachers.
        residual: Keep the shortcuts around the blocks.
        separable: Use depthwise separable convolutions in the blocks; plain 3×3 convolutions otherwise.
        middle_activation: Put a ReLU between the depthwise and the pointwise part of each separable convolution.
        width: Factor for the number of filters of every convolution.
        middle_blocks: Number of blocks in Xception's middle flow.
        inside: Side in pixels to which mini_xception enlarges the face inside the network; 0 for as it is.
        size: Side of the network's input in pixels; mini_xception takes 48 or more, xception 71 or more.
        margin: What to add to the detector's box on every side, as a share of its side.
        epochs: Number of epochs at most; the cosine schedule ends at a learning rate of 0 after them.
        batch_size: Number of faces in a batch.
        loss: What training minimizes: crossentropy.
        optimizer: adamw (Loshchilov and Hutter 2019) or rmsprop.
        learning_rate: Learning rate after a warm-up of one epoch.
        schedule: cosine, or plateau: a third of the rate whenever the validation loss has not fallen for 5 epochs.
        weight_decay: Decoupled weight decay of the optimizer.
        l2: Penalty on the weights of convolutions; 0.01 in the code of Mini-Xception's authors.
        label_smoothing: Share of every target that is spread evenly over all labels.
        votes: Share of the human votes in the targets, where a data set has votes, as FER2013 with FER+.
        balance: Weight labels by their inverse frequency to this power; 0 for equal weights, 1 for full balance.
        emphasis: A group of people whose pictures weigh more, as in race=Black:1.5. May be repeated.
        augmentation: How much training pictures vary: none, gentle, framing, webcam, shear or strong.
        cutmix: Share of the batches in which each picture gets a rectangle of another (Yun et al. 2019).
        mixup: Mix pairs of pictures in shares drawn from Beta(mixup, mixup) (Zhang et al. 2018); 0 for none.
        teacher: A model folder whose scores are learned beside the labels (Hinton et al. 2015). May be repeated; the
            scores of several are averaged.
        teacher_share: Share of the teachers' scores in the targets.
        average: Average the weights exponentially over about this many epochs, for validation and for the written
            model (Polyak and Juditsky 1992); 0 for none.
        patience: Stop after this many epochs without a better validation accuracy; 0 for never.
        seed: Seed of the weights, the order of the pictures and the augmentation.
        steady: Whether the prediction stays the same while a face is in view, as gender does.
        init: A model folder to start from, instead of random weights; for xception also “imagenet”, which downloads
            weights, or a file of weights of keras.applications.Xception.
        freeze: Number of layers, from the input on, whose weights and statistics stay as they are.
        mixed_precision: Compute in float16 where possible, which is faster on GPUs; the model is float32.
        devices: Number of GPUs that share every batch; needs KERAS_BACKEND=jax. Pictures at the end of an epoch that
            cannot be shared evenly are left out.

    Raises:
        ValueError: a value is out of range, or `data`, `held_out`, `prior` or `emphasis` is written wrongly.
    """

    task: str = ""
    data: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    prior: tuple[str, ...] = ()
    network: str = "mini_xception"
    residual: bool = True
    separable: bool = True
    middle_activation: bool = False
    width: float = 1.0
    middle_blocks: int = 8
    inside: int = 0
    size: int = 48
    margin: float = 0.0
    epochs: int = 60
    batch_size: int = 64
    loss: str = "crossentropy"
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    weight_decay: float = 1e-4
    l2: float = 0.0
    label_smoothing: float = 0.0
    votes: float = 0.0
    balance: float = 0.0
    emphasis: tuple[str, ...] = ()
    augmentation: str = "gentle"
    cutmix: float = 0.0
    mixup: float = 0.0
    teacher: tuple[str, ...] = ()
    teacher_share: float = 0.5
    average: float = 0.0
    patience: int = 0
    seed: int = 0
    steady: bool = False
    init: str = ""
    freeze: int = 0
    mixed_precision: bool = False
    devices: int = 1

    def __post_init__(self) -> None:
        names = [name for name, _ in parse_data(self.data)]
        parse_data(self.held_out)
        parse_emphasis(self.emphasis)
        for name in self.prior:
            if name not in names:
                raise ValueError(f"`prior` must name a data set of `data`, not “{name}”.")
        if not self.width > 0:
            raise ValueError(f"`width` must be above 0, not {self.width:g}.")
        for name in ("size", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, not {getattr(self, name)}.")
        for name in (
            "middle_blocks",
            "inside",
            "freeze",
            "patience",
            "average",
            "mixup",
            "margin",
            "weight_decay",
            "l2",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be at least 0, not {getattr(self, name):g}.")
        for name in ("teacher_share", "votes", "label_smoothing", "cutmix"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be between 0 and 1, not {getattr(self, name):g}.")

    @property
    def init_folder(self) -> Path | None:
        """The model folder to start from, or None where weights are random or ImageNet's."""
        return None if not self.init or self.init_is_imagenet else Path(self.init)

    @property
    def init_is_imagenet(self) -> bool:
        return self.init == IMAGENET or Path(self.init).is_file()

    def check(self) -> None:
        """Check what can be checked without Keras and without the data.

        Raises:
            TrainingError: something is missing, or options contradict each other.
        """
        if not self.task:
            raise TrainingError("A model needs a `task`, as in emotion.")
        if not self.data:
            raise TrainingError("There is nothing to train on; `data` names a data set, as in fer2013=data/fer2013.")
        if self.middle_activation and not self.separable:
            raise TrainingError("`middle_activation` needs `separable` convolutions; plain ones have no middle.")
        if self.init_is_imagenet and self.network != "xception":
            raise TrainingError(f"ImageNet's weights fit xception only; {self.network} cannot start from {self.init}.")
        if self.devices > 1 and self.batch_size % self.devices:
            raise TrainingError(
                f"A batch of {self.batch_size} cannot be shared evenly by {self.devices} devices; change `batch_size`."
            )


def parse_data(entries: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The name and the path of each data set, from entries such as fer2013=data/fer2013.

    Raises:
        ValueError: an entry is written wrongly.
    """
    pairs = []
    for entry in entries:
        name, _, path = entry.partition("=")
        if not (name and path):
            raise ValueError(f"`data` must be written as in fer2013=data/fer2013, not “{entry}”.")
        pairs.append((name, path))
    return tuple(pairs)


def parse_emphasis(entries: Sequence[str]) -> dict[tuple[str, str], float]:
    """The weight of each group of people by (kind, group), from entries such as race=Black:1.5.

    Raises:
        ValueError: an entry is written wrongly.
    """
    groups = {}
    for entry in entries:
        found = re.fullmatch(r"(\w+)=(.+):(\d+(?:\.\d+)?)", entry)
        if not found:
            raise ValueError(f"`emphasis` must be written as in race=Black:1.5, not “{entry}”.")
        groups[found[1], found[2]] = float(found[3])
    return groups
