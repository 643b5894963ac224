"""A model is a folder, and its card is the folder's model.json: what the model is, where it comes from, how accurate.

This module needs msgspec and the standard library only.

>>> from emotion_cam.card import read_card, shipped_models
>>> card = read_card(shipped_models()["emotion"])
>>> card.labels
('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
>>> card.size
(48, 48)
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from emotion_cam.checks import AnyPath, as_names, as_paths, reason_of
from emotion_cam.errors import ModelError

FORMAT = 1
"""The version of model.json that this module writes, and the newest that it reads.

It grows when a field changes its meaning. A field that is only added leaves it as it is: older versions ignore fields
that they do not know.
"""

CARD = "model.json"
"""The name of the card in a model folder."""

_PLACES = (Path(__file__).parent / "models", Path(__file__).parent.parent / "models")
"""Where the shipped models are: inside an installed package, or beside it in a checkout."""

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
"""A share of a whole, such as an accuracy, a recall or a softmax score."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**15)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Side: TypeAlias = Annotated[int, Meta(ge=1, le=1024)]
"""A side of a network's input in pixels."""

MARGINS = (-0.4, 1.0)
"""The least and the largest margin: with less, nothing is left of a small face; with more, a large face's crop takes
gigabytes."""

_MOST_BYTES = 16_000_000
"""The largest model.json that is read; a shipped one has a thousandth of it."""


class DataEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A data set that a model was trained on.

    Attributes:
        name: its name in DATASETS, as in "fer2013".
        reference: the publication that describes it.
        terms: the terms under which its owners give it away.
        train: number of training pictures, without copies of validation and test pictures.
        validation: number of validation pictures.
    """

    name: Name
    reference: str = ""
    terms: str = ""
    train: Count | None = None
    validation: Count | None = None


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model was trained. In model.json the settings stand beside the other fields, not in an object of their own.

    Attributes:
        command: the command that trained it.
        settings: every setting of the recipe, by name.
        best_epoch: the epoch whose weights were kept, from 1.
        epochs_run: the number of epochs that were run.
        keras: the version of Keras.
        backend: what Keras ran on, as in "tensorflow".
        temperature: what the logits were divided by to calibrate the scores; None if they were not calibrated.
        temperature_data: the data on which the temperature was fitted.
    """

    command: str = ""
    settings: dict[str, Any] = {}
    best_epoch: Count | None = None
    epochs_run: Count | None = None
    keras: str = ""
    backend: str = ""
    temperature: Annotated[float, Meta(gt=0)] | None = None
    temperature_data: str = ""


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the weights of a model come from; recursive.

    Attributes:
        data: the data sets of the last training run.
        training: the last training run.
        before: the origin of the model whose weights that run started from.
        parts: the origins of the models whose weights were averaged.
        teachers: the origins of the models whose scores were learned beside the labels.
    """

    data: tuple[DataEntry, ...] = ()
    training: TrainingRecord = TrainingRecord()
    before: Origin | None = None
    parts: tuple[Origin, ...] = ()
    teachers: tuple[Origin, ...] = ()


BINS = 15
"""The number of bins of equal width in a reliability diagram, as Guo et al. 2017 use."""

SHIFT = 0.08
"""How far a face's box is shifted to measure framing, as a share of its side."""

SCALES = (0.85, 1.15)
"""The factors by which a face's box is scaled to measure framing."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures whose top score lies in (lower, upper].

    Attributes:
        lower, upper: the limits of the bin.
        pictures: how many there are.
        confidence: their mean top score.
        accuracy: the share whose most likely label is the true one.
    """

    lower: Share
    upper: Share
    pictures: Count
    confidence: Share
    accuracy: Share


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How far scores and accuracy lie apart (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Attributes:
        error: the expected calibration error.
        bins: the points of the reliability diagram, over BINS bins; those without pictures are left out.
    """

    error: Share
    bins: tuple[Bin, ...]


class ClassFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Precision, recall, F1 and number of pictures of one class."""

    label: str
    precision: Share
    recall: Share
    f1: Share
    pictures: Count


class Sure(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures whose top score reaches the threshold below which the model calls itself unsure.

    Attributes:
        min_confidence: the threshold.
        coverage: the share of pictures that reach it.
        accuracy: the share of these whose most likely label is the true one.
    """

    min_confidence: Share
    coverage: Share
    accuracy: Share


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one group of people.

    Attributes:
        group: its name, as in "Black" or "20-29".
        pictures: how many show people of the group.
        accuracy, balanced_accuracy: as in Measurement, on these pictures.
        recall: by label the recall of the class; None where the group has no picture of it.
    """

    group: str
    pictures: Count
    accuracy: Share
    balanced_accuracy: Share
    recall: dict[str, Share | None]


class GroupComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of one kind, such as race or age.

    Attributes:
        groups: the figures of each.
        mean: the mean of their balanced accuracies; every group counts the same.
        worst: the name of the group with the lowest.
        worst_below_mean: how far that one lies below the mean.
    """

    groups: tuple[GroupFigures, ...]
    mean: Share
    worst: str
    worst_below_mean: Share


class FramingChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the balanced accuracy when the face's box is shifted or scaled.

    Attributes:
        box: what was done to the box, as in "left" or "× 1.15".
        balanced_accuracy: with the changed box.
        loss: how much less that is than with the detector's box; negative where it is more.
    """

    box: str
    balanced_accuracy: Share
    loss: float


class Framing(msgspec.Struct, frozen=True, kw_only=True):
    """How much balanced accuracy is lost when the face's box is shifted by SHIFT or scaled by SCALES.

    Attributes:
        changes: the figures for each change of the box.
        mean_loss, worst_loss: over all changes.
    """

    changes: tuple[FramingChange, ...]
    mean_loss: float
    worst_loss: float


class TiltFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is left when every picture is turned, half of them to each side.

    Attributes:
        degrees: by how much.
        crop: what was done with the crop, as in "as it is" or "turned by the true roll".
        balanced_accuracy: as in Measurement.
        same_label: the share of the pictures with the label that the model gives the upright picture.
    """

    degrees: float
    crop: str
    balanced_accuracy: Share
    same_label: Share


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured on one split of a data set, rounded to four places.

    Attributes:
        data: data set and split, as in "fer2013 test".
        runtime: what ran the network, "litert" or "keras".
        pictures: how many there were.
        accuracy: the share of pictures whose most likely label is the true one.
        balanced_accuracy: the mean recall of the classes; every class counts the same.
        calibration: scores against accuracy; None if it was not measured, or before the last calibration.
        per_class: the figures of each class, in the order of the labels.
        confusion: numbers of pictures, (true class, predicted class).
        sure: coverage and accuracy above the threshold; None if the model has no threshold.
        groups: by kind of group ("race", "age") the comparison of its groups.
        framing: the effect of other boxes; None if it was not measured.
        tilt: the effect of tilted heads; empty if it was not measured.
    """

    data: Name
    runtime: str = ""
    pictures: Count
    accuracy: Share
    balanced_accuracy: Share
    calibration: Calibration | None = None
    per_class: tuple[ClassFigures, ...] = ()
    confusion: tuple[tuple[Count, ...], ...] = ()
    sure: Sure | None = None
    groups: dict[str, GroupComparison] = {}
    framing: Framing | None = None
    tilt: tuple[TiltFigures, ...] = ()


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that model.json says.

    Attributes:
        task: what the model predicts, as users see it: "emotion", "gender" or any third.
        labels: its classes, in the order of its scores; 2 to 1000, all different.
        size: (height, width) of its input in pixels, each 1 to 1024.
        margin: what is added to the detector's box on every side, as a share of the box's side, in MARGINS.
        min_confidence: the top score below which the model calls itself unsure.
        steady: whether the label stays the same while a face is in view, as with gender.
        upright_from: the roll of a face in degrees from which on its crop is turned upright; None for never.
        network: the name of the architecture; "" if unknown.
        parameters: the number of weights; None if unknown.
        data, training, before, parts, teachers: as in Origin.
        measured: what was measured, one entry for each data set and split.
    """

    task: Name
    labels: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=1000)]
    size: tuple[Side, Side]
    margin: Annotated[float, Meta(ge=MARGINS[0], le=MARGINS[1])]
    min_confidence: Share = 0.0
    steady: bool = False
    upright_from: Annotated[float, Meta(ge=0, le=180)] | None = None
    network: str = ""
    parameters: Count | None = None
    data: tuple[DataEntry, ...] = ()
    training: TrainingRecord = TrainingRecord()
    before: Origin | None = None
    parts: tuple[Origin, ...] = ()
    teachers: tuple[Origin, ...] = ()
    measured: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("Expected different “labels”")
        for name, texts in (("task", (self.task,)), ("labels", self.labels)):
            if not all(text.isprintable() for text in texts):
                raise ValueError(f"Expected text without control characters at “{name}”")

    @property
    def origin(self) -> Origin:
        """Where the weights come from."""
        return Origin(
            data=self.data, training=self.training, before=self.before, parts=self.parts, teachers=self.teachers
        )


def read_card(folder: Path) -> ModelCard:
    """Read and check the model.json of a model folder.

    Raises:
        ModelError: the folder or its model.json is missing, not valid, or of a newer format.
    """
    file = folder / CARD
    try:
        return _read(file)
    except FileNotFoundError:
        reason = f"it has no {CARD}" if folder.is_dir() else "there is no such folder"
        raise ModelError(f"{folder} is not a model: {reason}.") from None
    except NotADirectoryError:
        raise ModelError(f"{folder} is not a model: it is not a folder.") from None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ModelError(f"{file} is not a model card: it is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} is not valid JSON: {reason_of(error)}.") from error


def _read(file: Path) -> ModelCard:
    status = file.stat()
    # A pipe would be waited for, and a device has no end.
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or status.st_size > _MOST_BYTES:
        raise ModelError(f"{file} is not a model card: it is no file, or too large.")
    written = msgspec.json.decode(file.read_bytes())
    _check_format(file, written)
    return _convert(file, _each_training(written, _nested))


def write_card(folder: Path, card: ModelCard) -> None:
    """Write the model.json of a model folder, whole or not at all.

    Raises:
        ModelError: the card is not valid.
        OSError: the file cannot be written.
    """
    file = folder / CARD
    written = msgspec.to_builtins(card)
    _convert(file, written)
    # An optional part that is missing or empty is left out; `min_confidence` and `steady` are always written.
    kept = {name: value for name, value in written.items() if value not in ("", None, (), [], {})}
    text = json.dumps({"format": FORMAT} | _each_training(kept, _flat), indent=2, ensure_ascii=False) + "\n"
    new = file.with_name(file.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def shipped_models() -> dict[str, Path]:
    """The folders of the models that come with the program, by task. Each is named like its task.

    Raises:
        ModelError: the installation has no models.
    """
    found = next((files for place in _PLACES if (files := sorted(place.glob(f"*/{CARD}")))), None)
    if found is None:
        raise ModelError(f"The shipped models are missing: there are none in {_PLACES[0]}; install emotion-cam again.")
    return {file.parent.name: file.parent for file in found if read_card(file.parent).task == file.parent.name}


def choose_models(models: AnyPath | Sequence[AnyPath] = (), without: str | Collection[str] = ()) -> list[Path]:
    """The models that a run uses: one for each task.

    Args:
        models: model folders, or one; each takes the place of the shipped model of the same task, or follows the
            shipped ones.
        without: tasks to leave out, or one.

    Returns:
        Their folders.

    Raises:
        ModelError: a folder is not a model, two are for the same task, or there is no model for a task to leave out.
        TypeError: ``models`` are no paths, or ``without`` no texts.
    """
    given: dict[str, Path] = {}
    left_out = as_names(without, "without")
    for folder in as_paths(models, "models"):
        task = read_card(folder).task
        if task in given:
            raise ModelError(f"{given[task]} and {folder} are both for {task}; give one of them.")
        given[task] = folder
    chosen = shipped_models() | given
    for task in left_out:
        if task not in chosen:
            raise ModelError(f"`without` names the task “{task}”, but the models are for {' and '.join(chosen)}.")
    return [folder for task, folder in chosen.items() if task not in left_out]


def _check_format(file: Path, written: Any) -> None:
    number = written.get("format", FORMAT) if isinstance(written, dict) else FORMAT
    if type(number) is not int or number < 1:
        raise ModelError(f"{file} is not a model card: expected “int” >= 1 at “format”.")
    if number > FORMAT:
        raise ModelError(
            f"{file} has format {number}, but this version reads formats up to {FORMAT}; update emotion-cam."
        )


def _convert(file: Path, written: Any) -> ModelCard:
    try:
        return msgspec.convert(written, ModelCard)
    except msgspec.ValidationError as error:
        raise ModelError(f"{file} is not a model card: {reason_of(error)}.") from error


_RECORDED = tuple(name for name in TrainingRecord.__struct_fields__ if name != "settings")


def _nested(training: dict[str, Any]) -> dict[str, Any]:
    """A training record with its settings in an object of their own."""
    settings = {name: value for name, value in training.items() if name not in _RECORDED}
    return {name: training[name] for name in _RECORDED if name in training} | {"settings": settings}


def _flat(training: dict[str, Any]) -> dict[str, Any]:
    """A training record with its settings beside the other fields, after the command."""
    command: dict[str, Any] = {"command": training["command"]} if "command" in training else {}
    others = {name: value for name, value in training.items() if name not in ("command", "settings")}
    return {**command, **training.get("settings", {}), **others}


def _each_training(written: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """What model.json says, with every training record in it changed. What is not as expected stays as it is."""
    if not isinstance(written, dict):
        return written
    written = dict(written)
    if isinstance(written.get("training"), dict):
        written["training"] = change(written["training"])
    if "before" in written:
        written["before"] = _each_training(written["before"], change)
    for name in ("parts", "teachers"):
        if isinstance(written.get(name), (list, tuple)):
            written[name] = [_each_training(origin, change) for origin in written[name]]
    return written
