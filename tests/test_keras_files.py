"""Files of newer versions of Keras name arguments that older versions lack; `make lowest` reads the shipped ones."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from emotion_cam.keras_files import read_newer_files


class Part:
    """A part of an older Keras, which knows one argument."""

    def __init__(self, seed: int, **others: object) -> None:
        if others:
            raise TypeError(f"unexpected {[*others]}")
        self.seed = seed

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Part:
        return cls(**config)


def test_an_unused_argument_of_a_newer_version_is_left_out_and_a_used_one_is_not() -> None:
    scaling: Any
    normalization: Any
    scaling, normalization = type("Scaling", (Part,), {}), type("Normalization", (Part,), {})
    keras = ModuleType("keras")
    keras.initializers = SimpleNamespace(VarianceScaling=scaling)  # type: ignore[attr-defined]
    keras.layers = SimpleNamespace(BatchNormalization=normalization)  # type: ignore[attr-defined]
    read_newer_files(keras)
    read_newer_files(keras)
    assert scaling.from_config({"seed": 3, "input_axes": None, "output_axes": None}).seed == 3
    assert normalization.from_config({"seed": 4, "renorm": False, "renorm_momentum": 0.99}).seed == 4
    for config in ({"seed": 3, "input_axes": [0]}, {"seed": 3, "unknown": None}):
        with pytest.raises(TypeError, match="unexpected"):
            scaling.from_config(config)
