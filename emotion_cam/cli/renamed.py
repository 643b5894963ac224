"""Options of version 0.1.0 that have a new name. They work for one more release, and say how they are called now."""

from __future__ import annotations

from collections.abc import Sequence

_RENAMED = {"--emotion-model": "--model", "--gender-model": "--model"}
"""An old option that takes a value, and its new name."""

_REPLACED = {
    "--no-emotion": ("--without", "emotion"),
    "--no-gender": ("--without", "gender"),
    "--emotion": (),
    "--gender": (),
}
"""An old option that takes no value, and what stands in its place."""


def with_new_names(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments with new names in the place of old ones, and a message for each old one."""
    new: list[str] = []
    messages: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in _RENAMED:
            new.append(f"{_RENAMED[name]}{equals}{value}")
            messages.append(f"{name} is now called {_RENAMED[name]}.")
        elif argument in _REPLACED:
            new += _REPLACED[argument]
            advice = f"now written {' '.join(_REPLACED[argument])}" if _REPLACED[argument] else "no longer needed"
            messages.append(f"{argument} is {advice}.")
        else:
            new.append(argument)
    return new, messages
