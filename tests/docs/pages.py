"""The pages for people, and the examples on them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def examples(language: str) -> list[tuple[str, str]]:
    """Every code block in a language: the page and the line where it begins, as in "docs/python.md:3", and its text."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            found.append((f"{page.relative_to(ROOT).as_posix()}:{line}", block[1]))
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Every emotion-cam command in the shell examples: its place, and its arguments."""
    found = []
    for place, block in examples("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition(" | ")[0], comments=True)
            if "emotion-cam" in words:
                found.append((place, words[words.index("emotion-cam") + 1 :]))
    return found
