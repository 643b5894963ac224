"""Fuzzes the parsers that are ours alone, guided by coverage: atheris looks for inputs that reach new lines.

    pip install atheris
    python -m tests.fuzz.guided card -max_total_time=60      # or tables, groups, sizes, addresses, recipes

Stops at the first input for which a parser raises anything but its own error, and keeps that input as a file crash-….
Options after the parser's name are those of libFuzzer. atheris runs on Linux and macOS.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["emotion_cam"]):
    from emotion_cam.card import read_card
    from emotion_cam.errors import EmotionCamError
    from emotion_cam.recognition.spec import parse_groups
    from emotion_cam.sources.address import public_address, refuse_broken_address
    from emotion_cam.sources.spec import parse_size
    from emotion_cam.tables import COLUMNS, read_table
    from emotion_cam.training.recipe_files import parse_recipe_file

FOLDER = Path(tempfile.mkdtemp())


def card(data: bytes) -> None:
    (FOLDER / "model.json").write_bytes(data)
    read_card(FOLDER)


def tables(data: bytes) -> None:
    header = ",".join(COLUMNS).encode() + b"\n"
    for name, content in (("a.jsonl", data), ("a.csv", header + data)):
        (FOLDER / name).write_bytes(content)
        with contextlib.suppress(EmotionCamError):
            list(read_table(FOLDER / name))


def groups(data: bytes) -> None:
    parse_groups(data.decode(errors="replace").split("\n"))


def sizes(data: bytes) -> None:
    parse_size(data.decode(errors="replace"))


def addresses(data: bytes) -> None:
    text = data.decode(errors="replace")
    public_address(f"http://{text}")
    refuse_broken_address(text)


def recipes(data: bytes) -> None:
    parse_recipe_file(data.decode(errors="replace"))


PARSERS: dict[str, Callable[[bytes], None]] = {
    parser.__name__: parser for parser in (card, tables, groups, sizes, addresses, recipes)
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in PARSERS:
        sys.exit(f"Which parser? {', '.join(PARSERS)}")
    parser = PARSERS[sys.argv.pop(1)]

    def parse(data: bytes) -> None:
        # A ValueError is a wrong option; it counts only where the parser reads files.
        with contextlib.suppress(EmotionCamError, *(() if parser in (card, tables) else (ValueError,))):
            parser(data)

    atheris.Setup(sys.argv, parse)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
