"""Lets Keras read model files of newer versions, such as the shipped ones: Python 3.10 has nothing newer than 3.12."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

_NEWER = {"input_axes": None, "output_axes": None, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99}
"""Arguments that older versions lack, with their defaults; files name them even where they are not used."""


@cache
def read_newer_files(keras: Any) -> None:
    """Leave those arguments out where they have their defaults, if this version of Keras lacks them.

    Args:
        keras: the module.
    """
    for kind in (keras.initializers.VarianceScaling, keras.layers.BatchNormalization):
        lacks = _NEWER.keys() - inspect.signature(kind.__init__).parameters.keys()
        kind.from_config = classmethod(_without(lacks, kind.from_config.__func__))


def _without(names: set[str], from_config: Any) -> Any:
    def known(cls: Any, config: dict[str, Any]) -> Any:
        return from_config(cls, {key: config[key] for key in config if key not in names or config[key] != _NEWER[key]})

    return known
