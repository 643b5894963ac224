"""Print a Markdown table of models and their accuracies, from their cards.

    python tools/models_table.py models/emotion-fer2013 runs/xception
    python tools/models_table.py runs/papers/*

Each row is a model: its network, the network's parameters, for how many epochs the weights were trained, including the
runs of the models that they started from or are the mean of, and the accuracy on every data set in the card.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_cam.card import ModelCard, Origin, read_card

VARIANTS: dict[str, tuple[Any, str]] = {
    "residual": (True, "no shortcuts"),
    "separable": (True, "plain convolutions"),
    "middle_activation": (False, "ReLU in the middle"),
    "width": (1.0, "width {}"),
    "middle_blocks": (8, "{} middle blocks"),
}
"""By setting of the network its default, and the text for another value."""


def runs(origin: Origin) -> dict[str, int]:
    """The epochs of every run that shaped the weights, by the command of the run; without the runs of teachers."""
    found: dict[str, int] = {}
    if origin.training.epochs_run is not None:  # a mean of models was not trained itself
        found[origin.training.command] = origin.training.epochs_run
    for earlier in (origin.before, *origin.parts):
        found |= runs(earlier) if earlier else {}
    return found


def table(cards: Sequence[ModelCard]) -> str:
    """The table; a column for each data set that a card names."""
    accuracies = [{measured.data: measured.accuracy for measured in card.measured} for card in cards]
    data = list(dict.fromkeys(name for accuracy in accuracies for name in accuracy))
    lines = [
        "| network | input | parameters | epochs |" + "".join(f" {name} |" for name in data),
        "| --- | --- | --- | --- |" + " --- |" * len(data),
    ]
    for card, accuracy in zip(cards, accuracies, strict=True):
        settings = card.training.settings
        variant = [
            text.format(settings[name])
            for name, (default, text) in VARIANTS.items()
            if settings.get(name, default) != default
        ]
        cells = [
            ", ".join([f"`{card.network}`", *variant]),
            "×".join(map(str, card.size)),
            "" if card.parameters is None else f"{card.parameters:,}",
            str(sum(runs(card.origin).values())),
            *(f"{accuracy[name]:.4f}" if name in accuracy else "" for name in data),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    print(table([read_card(Path(folder)) for folder in sys.argv[1:]]))


if __name__ == "__main__":
    main()
