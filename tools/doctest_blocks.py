"""Shows the examples in docstrings as code on the site: a griffe extension, which zensical.toml names."""

from __future__ import annotations

import re
from typing import Any

import griffe  # type: ignore[import-not-found, unused-ignore]

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
"""An example as doctest reads it: up to the next empty line."""


class DoctestBlocks(griffe.Extension):  # type: ignore[misc, unused-ignore]
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
