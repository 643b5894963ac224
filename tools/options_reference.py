"""Write docs/options.md from the command line itself.

    python tools/options_reference.py          write the page
    python tools/options_reference.py --check  exit with 1 if it is out of date

Names, defaults and meanings are those of ``--help``: both are made from the fields of the specs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App, Group
from cyclopts.help import HelpEntry, create_parameter_help_panel
from rich.console import Console

from emotion_cam.cli import app

PAGE = Path(__file__).parent.parent / "docs" / "options.md"

START = """# Options

<!-- Made by python tools/options_reference.py. Do not edit. -->

This page lists what `emotion-cam --help` and `emotion-cam COMMAND --help` show.

## emotion-cam

```sh
emotion-cam --camera 0
emotion-cam --video clip.mp4 --out annotated.mp4 --out faces.csv
emotion-cam --image photo.jpg --out annotated.png
```
"""


def reference() -> str:
    """The text of the page."""
    parts = [START, *_options(app)]
    for name in sorted(name for name in app if not name.startswith("-")):
        purpose = " ".join(app[name].help.partition("\n\n")[0].split())
        parts += [f"\n## emotion-cam {name}\n\n{purpose}\n", *_options(app[name])]
    return "".join(parts)


def _options(command: App) -> Iterator[str]:
    """A table for each group of options of a command, under a heading if there are several."""
    arguments = command.assemble_argument_collection(parse_docstring=True)
    groups = sorted((group for group in arguments.groups if group.show), key=_place)
    for group in groups:
        entries = create_parameter_help_panel(group, arguments.filter_by(group=group), "plaintext").entries
        if len(groups) > 1:
            yield f"\n### {group.name}\n"
        first = "argument" if group.name == "Arguments" else "option"
        yield f"\n| {first} | meaning | default |\n| --- | --- | --- |\n"
        yield from (f"| {_names(entry)} | {_text(entry.description)} | {_default(entry)} |\n" for entry in entries)


def _place(group: Group) -> tuple[int, int]:
    """Arguments first, then groups with a number in its order, then all others."""
    numbered = isinstance(group.sort_key, int)
    return (0 if group.name == "Arguments" else 1 if numbered else 2), group.sort_key if numbered else 0


def _names(entry: HelpEntry) -> str:
    """The names of an option, the first with its kind of value; an argument without a name has a label."""
    names = [name for name in (*entry.shorts, *entry.names) if not name.startswith("--empty-")]
    if not names:
        return f"`{entry.positional_label}`"
    if entry.metavar:
        names[0] += f" {entry.metavar}"
    return "<br>".join(f"`{name}`" for name in names)


def _text(description: object) -> str:
    """A description as one line of Markdown."""
    console = Console(width=10_000, color_system=None)
    with console.capture() as capture:
        console.print(description, end="")
    return " ".join(capture.get().split()).replace("|", "\\|").replace("<", "&lt;")


def _default(entry: HelpEntry) -> str:
    """The default as people read it; what is off or empty is not shown."""
    if entry.required:
        return "required"
    shown = {"None": "", "()": "", '""': "", "False": "", "True": "on"}
    text = str(entry.default)
    return shown.get(text, f"`{text}`")


def main() -> None:
    text = reference()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return
    if "--check" in sys.argv:
        sys.exit("docs/options.md is out of date. Run: python tools/options_reference.py")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
