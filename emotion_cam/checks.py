"""Checks arguments where a caller's values come in: a wrong one is refused by its name, with what was given and wanted.

Imports nothing heavy; ``pictures`` checks pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any, SupportsFloat, TypeAlias

AnyPath: TypeAlias = "str | PathLike[str]"


def check_number(value: Any, name: str, meaning: str, is_allowed: Callable[[float], bool]) -> None:
    """Check that an argument is a number in a range.

    Args:
        value: the argument.
        name: its name.
        meaning: what it is, as the message says: "is a time in seconds: it must be at least 0".
        is_allowed: whether a number is in the range; it must be false for NaN.

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range.
    """
    if not isinstance(value, SupportsFloat) or hasattr(value, "__len__"):
        raise TypeError(f"`{name}` {meaning}, not {described(value)}.")
    if not is_allowed(float(value)):
        raise ValueError(f"`{name}` {meaning}, not {value}.")


def check_count(value: Any, name: str) -> None:
    """Check that an argument is a whole number from 1.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is below 1.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"`{name}` must be a whole number, not {described(value)}.")
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1, not {value}.")


def as_path(value: Any, name: str) -> Path:
    """An argument as a path. Raises TypeError if it is neither a text nor a path."""
    if not isinstance(value, (str, PathLike)):
        raise TypeError(f"`{name}` must be a path, not {described(value)}.")
    return Path(value)


def as_paths(value: Any, name: str) -> list[Path]:
    """An argument as a list of paths; a single path is one of them, None is none.

    Raises:
        TypeError: it is not that.
    """
    if value is None:
        return []
    if isinstance(value, (str, PathLike)):
        return [Path(value)]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise TypeError(f"`{name}` must be a path or a list of paths, not {described(value)}.")
    return [as_path(each, name) for each in value]


def as_names(value: Any, name: str) -> tuple[str, ...]:
    """An argument as names; a single text is one of them.

    Raises:
        TypeError: it is not that.
    """
    given = () if not isinstance(value, Iterable) else (value,) if isinstance(value, str) else tuple(value)
    if not isinstance(value, Iterable) or not all(isinstance(each, str) for each in given):
        raise TypeError(f"`{name}` must be a text or a list of texts, not {described(value)}.")
    return given


def described(value: Any) -> str:
    """An argument in a message: the dtype and shape of an array, a text, or the type of anything else."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} of shape {value.shape}"
    if value is None:
        return "None"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    return f"a value of type {type(value).__name__}"


def reason_of(error: Exception) -> str:
    """What msgspec says is wrong, for the middle of a sentence.

    >>> reason_of(ValueError("Expected `int`, got `str` - at `$.size[0]`"))
    'expected “int”, got “str” at “size[0]”'
    """
    reason = re.sub(r" - at `(key in )?\$(\[\.\.\.\])?`", "", str(error))  # in free settings, without a name
    reason = re.sub("`([^`]+)`", r"“\1”", reason).replace(" - at “$.", " at “")  # backticks are for parameters
    return reason if reason.startswith("JSON") else reason[:1].lower() + reason[1:]
