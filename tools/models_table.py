"""Print a Markdown table of what models are and what was measured of them, from their cards.

    python tools/models_table.py models/emotion-fer2013 runs/xception
    python tools/models_table.py runs/papers/*

A row for each model folder: the network, its parameters, for how many epochs it was trained, those of the models it
started from or is the mean of included, and its accuracy on every data set that `emotion-cam train` and
`emotion-cam evaluate --card` measured it on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotion_cam.recognition.classifier import ModelCard

VARIANTS: dict[str, tuple[Any, str]] = {
    "residual": (True, "no shortcuts"),
    "separable": (True, "plain convolutions"),
    "middle_activation": (False, "ReLU in the middle"),
    "width": (1.0, "width {}"),
    "middle_blocks": (8, "{} middle blocks"),
}
"""By a setting of training its default, and how another value is told."""


def runs(fact: Mapping[str, Any]) -> dict[str, int]:
    """The epochs of every run that a model's weights went through, by the run's command; not those of its teachers."""
    training = fact["training"]
    found: dict[str, int] = {}
    if "epochs_run" in training:  # a mean of models was not trained itself
        found[training["command"]] = training["epochs_run"]
    for earlier in (fact.get("before"), *fact.get("parts", [])):
        found |= runs(earlier) if earlier else {}
    return found


def table(cards: list[ModelCard]) -> str:
    facts = [card.written for card in cards]
    accuracies = [{figure["data"]: figure["accuracy"] for figure in fact["measured"]} for fact in facts]
    data = list(dict.fromkeys(name for accuracy in accuracies for name in accuracy))
    lines = [
        "| network | input | parameters | epochs |" + "".join(f" {name} |" for name in data),
        "| --- | --- | --- | --- |" + " --- |" * len(data),
    ]
    for fact, accuracy in zip(facts, accuracies, strict=True):
        training = fact["training"]
        variant = [
            told.format(training[setting])
            for setting, (default, told) in VARIANTS.items()
            if training.get(setting, default) != default
        ]
        cells = [
            ", ".join([f"`{fact['network']}`", *variant]),
            "×".join(map(str, fact["size"])),
            f"{fact['parameters']:,}",
            str(sum(runs(fact).values())),
            *(f"{accuracy[name]:.4f}" if name in accuracy else "" for name in data),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    print(table([ModelCard.load(Path(folder)) for folder in sys.argv[1:]]))


if __name__ == "__main__":
    main()
