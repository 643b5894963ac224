"""The pages of a model folder for people, made from its card.

README.md fits one screen: what the model is for and not for, its figures, the terms of its data. details.md has the
figures of every class and group, training.md the data, commands and settings of every run. README.md links to these,
and to notes.md, which people write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from emotion_cam.card import BINS, SHIFT, DataEntry, Measurement, ModelCard, Origin
from emotion_cam.training.stages import RECIPE

README = "README.md"
DETAILS = "details.md"
TRAINING = "training.md"
NOTES = "notes.md"

SOURCE = "set"
"""The kind of group, as in FaceSet.groups, that says where pictures come from, and nothing about people."""

MADE = "<!-- Made from model.json. Do not edit; write in notes.md. -->"

USES = {
    "emotion": (
        "naming the expression that a face *shows*, in the words of the people who labeled the data.",
        "what a person feels, means or is. Some uses are forbidden by law, such as emotion recognition at work and in "
        "schools in the European Union.",
    ),
    "gender": (
        "guessing how strangers would label a face in two classes.",
        "statements about anybody's identity.",
    ),
}
"""By task what a model may be used for, and what not. Tasks that are not listed here have the text of OTHER_USES."""

OTHER_USES = (
    "naming what a face *shows*, in the words of the people who labeled the data.",
    "what a person feels, means or is.",
)

NEVER = (
    "Do not use it to decide about people: not for hiring, teaching, policing, insurance, health, or access to "
    "anything. Error rates differ between groups of people."
)


def write(folder: Path, card: ModelCard) -> None:
    """Write README.md, details.md and training.md of a model folder, each whole or not at all.

    Raises:
        OSError: a file cannot be written.
    """
    files = [file.name for file in folder.iterdir()]
    for name, text in (
        (README, readme(card, files)),
        (DETAILS, details(card)),
        (TRAINING, training(card, files)),
    ):
        new = folder / (name + ".new")
        new.write_text(text, encoding="utf-8")
        new.replace(folder / name)


def plot_name(kind: str, data: str) -> str:
    """The file name of a plot: ``kind`` is "confusion" or "reliability", ``data`` as in "fer2013 test"."""
    return f"{kind}-{data.replace(' ', '-')}.png"


def readme(card: ModelCard, files: Collection[str] = ()) -> str:
    """The text of README.md; ``files`` are the names of the other files in the folder, to which it links."""
    good, bad = USES.get(card.task, OTHER_USES)
    data = list({entry.name: entry for entry in _all_data(card.origin)}.values())
    return _page(
        _title(card),
        MADE,
        f"Predicts one label for a face: {', '.join(card.labels)}.",
        _input(card),
        "## Use",
        f"- **For** {good}\n- **Not for** {bad}\n- {NEVER}",
        "## Accuracy",
        *_accuracy(card),
        "## Terms",
        "The pictures are not part of this project. These data sets shaped the weights, in this run or an earlier one:"
        if data
        else "The card names no data.",
        "\n".join(f"- **{entry.name}**: {entry.terms or 'terms unknown'}" for entry in data),
        "## More",
        "\n".join(
            [
                f"- [{DETAILS}]({DETAILS}): every class and group of people, the effect of other boxes, plots",
                f"- [{TRAINING}]({TRAINING}): the data, commands and settings of every run",
                *([f"- [{RECIPE}]({RECIPE}): the recipe, stage by stage"] if RECIPE in files else []),
                *([f"- [{NOTES}]({NOTES}): what was tried, and its effect"] if NOTES in files else []),
                "- [model.json](model.json): all of this for programs",
            ]
        ),
    )


def details(card: ModelCard) -> str:
    """The text of details.md: for each measurement its classes, groups and framing."""
    return _page(
        f"{_title(card)}, in detail",
        MADE,
        f"[README.md]({README}) has the summary." if card.measured else "Nothing has been measured yet.",
        *(part for measured in card.measured for part in _measurement(measured)),
    )


def training(card: ModelCard, files: Collection[str] = ()) -> str:
    """The text of training.md: every run that shaped the weights; ``files`` as for ``readme``."""
    histories = sorted(name for name in files if "history" in name and name.endswith(".csv"))
    return _page(
        f"{_title(card)}, training",
        MADE,
        "Training pictures that are identical to a validation or test picture were left out.",
        *_origin(card.origin, "##", set()),
        "## Every epoch" if histories else "",
        "\n".join(f"- [{name}]({name})" for name in histories),
        "![learning curves](curves.png)" if "curves.png" in files else "",
    )


def missed_names(labels: Sequence[str]) -> list[str]:
    """Column titles for the share of each class that is missed; with two classes a missed one is called the other."""
    if len(labels) == 2:
        return [f"{label} called {other}" for label, other in zip(labels, reversed(labels), strict=True)]
    return [f"{label} missed" for label in labels]


def _title(card: ModelCard) -> str:
    return f"# {card.task.capitalize()}: {card.network}" if card.network else f"# {card.task.capitalize()}"


def _input(card: ModelCard) -> str:
    height, width = card.size
    box = f"the detector's box with a margin of {card.margin:g} of its side" if card.margin else "the detector's box"
    parts = [f"Input: {box}, gray, {width}×{height} pixels."]
    if card.parameters is not None:
        parts.append(f"Parameters: {card.parameters:,}.")
    if card.min_confidence:
        parts.append(f"It calls itself unsure if the top score is below {card.min_confidence:g}.")
    if card.steady:
        parts.append("The label is steady: it stays the same while a face is in view.")
    return " ".join(parts)


def _accuracy(card: ModelCard) -> Iterator[str]:
    if not card.measured:
        yield "Nothing has been measured yet."
        return
    columns = ["data", "pictures", "accuracy", "balanced accuracy", "calibration error"]
    if has_sure := any(measured.sure for measured in card.measured):
        columns += ["sure of", "accuracy when sure"]
    rows = []
    for measured in card.measured:
        row = [
            measured.data,
            measured.pictures,
            f"{measured.accuracy:.4f}",
            f"{measured.balanced_accuracy:.4f}",
            f"{measured.calibration.error:.4f}" if measured.calibration else "not measured",
        ]
        if has_sure:
            sure = measured.sure
            row += [f"{sure.coverage:.1%}", f"{sure.accuracy:.1%}"] if sure else ["", ""]
        rows.append(row)
    yield _table(columns, rows)
    kinds = dict.fromkeys(kind for measured in card.measured for kind in measured.groups if kind != SOURCE)
    yield "\n".join(_worst_group(kind, card.measured) for kind in kinds)
    runtimes = " and ".join(sorted({measured.runtime for measured in card.measured} - {""}))
    run_by = f", run by {runtimes}" if runtimes else ""
    yield (
        f"Measured by `emotion-cam evaluate` on the network in this folder{run_by}. "
        "The weights were chosen on validation; test was used for this table only. Balanced accuracy is the mean "
        f"recall of the classes; calibration error is the mean distance between score and accuracy over {BINS} bins "
        "(Guo et al. 2017)."
    )


def _worst_group(kind: str, measured: Sequence[Measurement]) -> str:
    """Of one kind of group the one that lies furthest below its mean, over all data."""
    data, groups = max(
        ((entry.data, entry.groups[kind]) for entry in measured if kind in entry.groups),
        key=lambda pair: pair[1].worst_below_mean,
    )
    return (
        f"- By {kind}, the worst group is {groups.worst} on {data}: its balanced accuracy is "
        f"{groups.worst_below_mean:.4f} below the groups' mean of {groups.mean:.4f}."
    )


def _measurement(measured: Measurement) -> Iterator[str]:
    yield f"## {measured.data}"
    runtime = f", run by {measured.runtime}" if measured.runtime else ""
    yield (
        f"{measured.pictures:,} pictures{runtime}: accuracy {measured.accuracy:.4f}, balanced accuracy "
        f"{measured.balanced_accuracy:.4f}."
    )
    yield _table(
        ("class", "precision", "recall", "F1", "pictures"),
        (
            (row.label, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", row.pictures)
            for row in measured.per_class
        ),
    )
    yield f"![confusion matrix]({plot_name('confusion', measured.data)})"
    if measured.calibration:
        yield f"![reliability diagram]({plot_name('reliability', measured.data)})"
    if sure := measured.sure:
        yield (
            f"{sure.coverage:.1%} of the pictures have a top score of at least {sure.min_confidence:g}; of these, "
            f"{sure.accuracy:.1%} are right."
        )
    yield from _groups(measured)
    yield from _framing(measured)
    yield from _tilt(measured)


def _groups(measured: Measurement) -> Iterator[str]:
    names = missed_names([row.label for row in measured.per_class])
    for kind, comparison in measured.groups.items():
        yield (
            f"By {kind}. The worst group is {comparison.worst}, {comparison.worst_below_mean:.4f} below the mean of "
            f"the groups' balanced accuracies, {comparison.mean:.4f}:"
        )
        yield _table(
            (kind, "pictures", "accuracy", "balanced accuracy", *names),
            (
                (
                    row.group,
                    row.pictures,
                    f"{row.accuracy:.3f}",
                    f"{row.balanced_accuracy:.3f}",
                    *("–" if recall is None else f"{1 - recall:.3f}" for recall in row.recall.values()),
                )
                for row in comparison.groups
            ),
        )


def _framing(measured: Measurement) -> Iterator[str]:
    if not (framing := measured.framing):
        return
    yield (
        f"If the box is shifted by {SHIFT:.0%} of its side, or scaled, balanced accuracy falls by "
        f"{framing.mean_loss:.4f} on average and by {framing.worst_loss:.4f} at worst. Where the box reaches beyond "
        "the picture, the pixels of the edge are repeated:"
    )
    yield _table(
        ("box", "balanced accuracy", "loss"),
        (
            ("detector's", f"{measured.balanced_accuracy:.4f}", ""),
            *((row.box, f"{row.balanced_accuracy:.4f}", f"{row.loss:.4f}") for row in framing.changes),
        ),
    )


def _tilt(measured: Measurement) -> Iterator[str]:
    if not measured.tilt:
        return
    yield (
        "If every picture is turned, half of them to each side, with and without turning the crop back. The detector "
        "is “mini”. A picture's corners are filled with the pixels of its edge:"
    )
    yield _table(
        ("tilt", "crop", "balanced accuracy", "same label as upright"),
        (
            (f"{row.degrees:g}°", row.crop, f"{row.balanced_accuracy:.4f}", f"{row.same_label:.3f}")
            for row in measured.tilt
        ),
    )


def _all_data(origin: Origin) -> Iterator[DataEntry]:
    """The data sets of a model and of all models that it comes from."""
    yield from origin.data
    for earlier in (origin.before, *origin.parts, *origin.teachers):
        if earlier is not None:
            yield from _all_data(earlier)


def _setting(value: Any) -> str:
    """A setting as text; JSON and TOML have lists in place of tuples."""
    if not isinstance(value, (list, tuple)):
        return str(value)
    return ", ".join(one if isinstance(one, str) else " ".join(map(str, one)) for one in value)


def _origin(origin: Origin, heading: str, described: set[str]) -> Iterator[str]:
    """The data and the training of a model, and of the models that it comes from.

    ``described`` are the commands of the runs that were described above; they grow.
    """
    training = origin.training
    if training.command in described:
        yield "This run is described above. Its command:"
        yield f"```\n{training.command}\n```"
        return
    described |= {training.command} - {""}
    if origin.data:
        yield f"{heading} Data"
        yield _table(
            ("name", "training pictures", "validation pictures", "source", "terms"),
            ((d.name, _known(d.train), _known(d.validation), d.reference, d.terms) for d in origin.data),
        )
    settings = training.settings | {
        name: getattr(training, name) for name in training.__struct_fields__ if name not in ("command", "settings")
    }
    yield f"{heading} Training"
    yield f"```\n{training.command}\n```" if training.command else ""
    yield _table(
        ("setting", "value"),
        ((name, _setting(value)) for name, value in settings.items() if value not in ("", None, [], ())),
    )
    for number, part in enumerate(origin.parts, start=1):
        yield f"{heading} Part {number} of {len(origin.parts)}"
        yield "The weights are the mean of the weights of several models. This is one of them."
        yield from _origin(part, heading + "#", described)
    if origin.before is not None:
        yield f"{heading} Before that"
        yield "The run started from the weights of this model:"
        yield from _origin(origin.before, heading + "#", described)
    for number, teacher in enumerate(origin.teachers, start=1):
        yield f"{heading} Teacher {number}"
        yield "The run learned the scores of this model beside the labels:"
        yield from _origin(teacher, heading + "#", described)


def _known(number: int | None) -> str:
    return "" if number is None else str(number)


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table, or nothing where there are no rows."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    names = list(header)
    return "\n".join(["| " + " | ".join(names) + " |", "|" + " --- |" * len(names), *lines]) if lines else ""
