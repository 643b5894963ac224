"""The card of a model: model.json for programs, and README.md for people, written from it so that they agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from emotion_cam.training import plots
from emotion_cam.training.calibration import BINS
from emotion_cam.training.evaluate import SHIFT, Report

NOTES = "notes.md"
"""What people wrote of a model by hand; the card takes it in, and a new model in the same place keeps it."""


def write(folder: Path, card: dict[str, Any]) -> None:
    """Write model.json and README.md of a model folder; ``card`` is what model.json will hold."""
    _replace(folder / "model.json", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    _replace(folder / "README.md", _readme(folder, card))


def record(folder: Path, report: Report) -> None:
    """Put what was measured into the card, in the place of an earlier figure on the same data, and plot it."""
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    measured = [entry for entry in card.get("measured", []) if entry["data"] != report.data]
    card["measured"] = [*measured, report.as_dict()]
    plots.confusion(report, folder / _plot_name("confusion", report.data))
    plots.reliability(report, folder / _plot_name("reliability", report.data))
    write(folder, card)


def record_temperature(folder: Path, temperature: float, min_confidence: float, data: Sequence[str]) -> None:
    """Put into the card that the logits were divided by a temperature, and which threshold was chosen then.

    Calibration has to be measured anew: what was measured of it before leaves the card.
    """
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    training = card.setdefault("training", {})
    training["temperature"] = round(training.get("temperature", 1.0) * temperature, 4)
    training["temperature_data"] = ", ".join(data)
    card["min_confidence"] = min_confidence
    for measured in card.get("measured", []):
        measured.pop("calibration", None)
        measured.pop("sure", None)
        (folder / _plot_name("reliability", measured["data"])).unlink(missing_ok=True)
    write(folder, card)


def _plot_name(kind: str, data: str) -> str:
    return f"{kind}-{data.replace(' ', '-')}.png"


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _readme(folder: Path, card: dict[str, Any]) -> str:
    height, width = card["size"]
    parts = [
        f"# {card['task'].capitalize()}: {card['network']}",
        "Written by `emotion-cam train` and `emotion-cam evaluate --card` from model.json; do not edit by hand.",
        f"Says of a face one of: {', '.join(card['labels'])}. {card['parameters']:,} parameters; the input is the "
        f"detector's box with a margin of {card['margin']:g} of its side, grey, {width}×{height} pixels.",
        f"Where its top score is below {card['min_confidence']:g}, as on one in ten validation pictures, it says "
        "“unsure”; `--min-confidence` sets another threshold."
        if card.get("min_confidence")
        else "",
        "## Measured",
        "Every row is what `emotion-cam evaluate` prints for the file shipped here, through the classifier that the "
        "camera uses. Validation chose the weights; test was used for nothing but this table."
        if card["measured"]
        else "Nothing yet.",
        _table(
            ("data", "pictures", "accuracy", "balanced accuracy", "calibration error", "runtime"),
            (
                (
                    m["data"],
                    m["pictures"],
                    f"{m['accuracy']:.4f}",
                    f"{m['balanced_accuracy']:.4f}",
                    f"{m['calibration']['error']:.4f}" if "calibration" in m else "not measured",
                    m["runtime"],
                )
                for m in card["measured"]
            ),
        ),
        "“Calibration error” is the expected distance between the top score and the share that is right, over "
        f"{BINS} bins (Guo et al. 2017)."
        if card["measured"]
        else "",
    ]
    for m in card["measured"]:
        parts += [
            f"### {m['data']}",
            _table(
                ("class", "precision", "recall", "F1", "pictures"),
                (
                    (row["label"], *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), row["pictures"])
                    for row in m["per_class"]
                ),
            ),
            f"![confusion matrix]({_plot_name('confusion', m['data'])})",
            f"![reliability diagram]({_plot_name('reliability', m['data'])})" if "calibration" in m else "",
            "It is sure of {coverage:.1%} of the pictures, and right on {accuracy:.1%} of these.".format_map(m["sure"])
            if "sure" in m
            else "",
            *_groups(m),
            *_framing(m),
        ]
    notes = folder / NOTES
    parts += [
        *(["## What was tried", notes.read_text(encoding="utf-8").strip()] if notes.exists() else []),
        *_origin(card, "##"),
        "## What it must not be used for",
        "It names what a face *shows*, as the people who labelled the data would have said; that is not what a person "
        "feels, means or is. Perceived gender is a guess at how strangers would label a face in two classes; it says "
        "nothing of anybody's identity. Do not use it to decide about people: not for hiring, teaching, policing, "
        "insurance, health, or access to anything. Error rates differ between groups of people. Some uses are "
        "forbidden by law, such as emotion recognition at work and in schools in the European Union.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _groups(measured: dict[str, Any]) -> list[str]:
    """Tables of how a model does on groups of people, if that was measured."""
    labels = [row["label"] for row in measured["per_class"]]
    parts = []
    for kind, figures in measured.get("groups", {}).items():
        parts += [
            f"By {kind}; the worst group is {figures['worst']}, {figures['worst_below_mean']:.4f} below the mean of "
            f"the groups' balanced accuracies, {figures['mean']:.4f}:",
            _table(
                (kind, "pictures", "accuracy", "balanced accuracy", *error_names(labels)),
                (
                    (
                        row["group"],
                        row["pictures"],
                        *(f"{row[key]:.3f}" for key in ("accuracy", "balanced_accuracy")),
                        *("–" if recall is None else f"{1 - recall:.3f}" for recall in row["recall"].values()),
                    )
                    for row in figures["groups"]
                ),
            ),
        ]
    return parts


def error_names(labels: Sequence[str]) -> list[str]:
    """Names for the share of each class that is missed; of two classes, a missed one is called the other."""
    if len(labels) == 2:
        return [f"{label} called {other}" for label, other in zip(labels, reversed(labels), strict=True)]
    return [f"{label} missed" for label in labels]


def _framing(measured: dict[str, Any]) -> list[str]:
    """A table of what other boxes cost, if that was measured."""
    if "framing" not in measured:
        return []
    framing = measured["framing"]
    return [
        f"With the box shifted by {SHIFT:.0%} of its side, or scaled, balanced accuracy falls by "
        f"{framing['mean_loss']:.4f} in the mean and by {framing['worst_loss']:.4f} at worst. "
        "What the box takes in beyond the end of a picture is the picture's edge, repeated:",
        _table(
            ("box", "balanced accuracy", "loss"),
            (
                ("as it is", f"{measured['balanced_accuracy']:.4f}", ""),
                *((row["box"], f"{row['balanced_accuracy']:.4f}", f"{row['loss']:.4f}") for row in framing["changes"]),
            ),
        ),
    ]


def _origin(card: dict[str, Any], heading: str, told: set[str] | None = None) -> list[str]:
    """The data and the training of a model, and of those it started from, is the mean of or learnt of.

    ``told`` are the commands of the runs that were told of already, which need no telling again.
    """
    told = set() if told is None else told
    settings = {key: value for key, value in card["training"].items() if value not in ("", [])}
    command = settings.pop("command", "")
    if command in told:
        return ["It was told of above, with its command:", f"```\n{command}\n```"]
    told |= {command} - {""}
    parts = [
        f"{heading} Data",
        _table(
            ("name", "training pictures", "validation pictures", "source", "terms"),
            ((d["name"], d["train"], d["validation"], d["reference"], d["terms"]) for d in card["data"]),
        ),
    ]
    if heading == "##":
        parts.append(
            "Training pictures that are identical to a validation or test picture were left out. The pictures are not "
            "part of this project."
        )
    parts += [
        f"{heading} Training",
        f"```\n{command}\n```" if command else "",
        _table(("setting", "value"), settings.items()),
    ]
    if heading == "##":
        parts += _histories(card)
    for number, part in enumerate(card.get("parts", []), start=1):
        parts.append(f"{heading} Part {number} of {len(card['parts'])}")
        parts.append("The weights are the mean of several models', of which this one came to be as follows.")
        parts += _origin(part, heading + "#", told)
    if "before" in card:
        parts += [f"{heading} Before that", "It started from the weights of a model that came to be as follows."]
        parts += _origin(card["before"], heading + "#", told)
    for number, teacher in enumerate(card.get("teachers", []), start=1):
        parts += [f"{heading} Teacher {number}", "It learnt the scores of a model that came to be as follows."]
        parts += _origin(teacher, heading + "#", told)
    return parts


def _histories(card: dict[str, Any]) -> list[str]:
    """Where every epoch is written down."""
    if "parts" in card:
        return ["part-1-history.csv and so on hold every epoch of the models that it is the mean of."]
    return [
        "history.csv holds every epoch; history-before-1.csv and so on, where they are there, those of earlier runs.",
        "![curves](curves.png)",
    ]


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table, or nothing where there are no rows."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    names = list(header)
    return "\n".join(["| " + " | ".join(names) + " |", "|" + " --- |" * len(names), *lines]) if lines else ""
