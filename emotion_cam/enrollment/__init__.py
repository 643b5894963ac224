"""Checks a model on one person: films each label, measures the model on the pictures, and adapts it to the person.

Imports nothing heavy, so that ``--help`` stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EnrollSpec:
    """What to film of a person, and with what.

    Attributes:
        model: The model folder whose labels are asked for. By default the shipped model whose labels change while a
            face is in view.
        rounds: How often each label is asked for; 1 to 99.
        pictures: How many pictures are kept each time; 1 to 99.
        show: Show a window with the countdown; otherwise the terminal shows it.
        detector: What finds the face: haar, mini, yunet or blazeface. Use the one that you use live.
        detector_model: The model file of yunet (ONNX) or blazeface (TFLite).

    Raises:
        ValueError: a value is out of range.
    """

    model: Path | None = None
    rounds: int = 3
    pictures: int = 4
    show: bool = True
    detector: str = "haar"
    detector_model: Path | None = None

    def __post_init__(self) -> None:
        for name, count in (("rounds", self.rounds), ("pictures", self.pictures)):
            if not 1 <= count <= 99:
                raise ValueError(f"`{name}` must be between 1 and 99, not {count}.")
