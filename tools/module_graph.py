"""Draw which parts of the package import which, from the imports in its files.

    python tools/module_graph.py          docs/modules.svg and the table in docs/how-it-works.md
    python tools/module_graph.py --check  exit with 1 if they are out of date

A part is a folder or a module directly in ``emotion_cam``. A part stands above the parts that it imports, so every
arrow points down. An arrow is left out where a longer way leads to the same part. Imports for type checkers only do
not count.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "emotion_cam"
DRAWING, PAGE = ROOT / "docs" / "modules.svg", ROOT / "docs" / "how-it-works.md"
BEGIN, END = "<!-- parts: python tools/module_graph.py -->", "<!-- end of parts -->"

BASIS = ("types", "errors", "defaults", "version")
"""Imported nearly everywhere; a note in the drawing says so instead of arrows."""

BOX, HIGH, GAP, LEVEL, EDGE = 132, 34, 26, 92, 24
"""Width and height of a box, the gap between boxes, the distance of levels and the margin, in pixels."""

Graph = dict[str, set[str]]


def parts() -> Graph:
    """For each part the parts that it imports anywhere in its files."""
    files: dict[str, list[Path]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if not name.startswith("__"):
            files.setdefault(name, []).append(file)
    return {
        name: {other for file in found for other in _imported(file) if other in files and other != name}
        for name, found in files.items()
    }


def _imported(file: Path) -> set[str]:
    """The first name after ``emotion_cam.`` of everything that a file imports."""
    names = set()
    for node in _running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            package, _, rest = node.module.partition(".")
            if package == "emotion_cam":
                names |= {rest.partition(".")[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("emotion_cam.")}
    return names


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, without what stands under ``if TYPE_CHECKING``."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        children = iter(node.orelse)
    for child in children:
        yield from _running(child)


def levels(graph: Graph) -> list[list[str]]:
    """The parts from the top level to the lowest; each stands above all that it imports.

    Raises:
        ValueError: parts import one another in a circle.
    """
    height: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise ValueError(f"These parts import one another in a circle: {' → '.join([*path, name])}.")
        if name not in height:
            height[name] = 1 + max((visit(other, (*path, name)) for other in graph[name]), default=-1)
        return height[name]

    for name in graph:
        visit(name, ())
    return [sorted(name for name in graph if height[name] == level) for level in sorted(set(height.values()))[::-1]]


def shortest(graph: Graph) -> Graph:
    """The graph without the arrows for which a longer way leads to the same part."""

    @cache
    def reached(name: str) -> frozenset[str]:
        return frozenset(graph[name]).union(*(reached(other) for other in graph[name]))

    return {name: {o for o in used if not any(o in reached(via) for via in used - {o})} for name, used in graph.items()}


def drawing(graph: Graph) -> str:
    """The drawing as SVG, readable on a light and on a dark page."""
    upper = {name: used - set(BASIS) for name, used in graph.items() if name not in BASIS}
    rows, arrows = _layout(levels(upper), shortest(upper))
    widths = {name: BOX if name in upper else 0 for row in rows for name in row}
    width = max(sum(widths[name] + GAP for name in row) for row in rows) - GAP + 2 * EDGE
    middle: dict[str, float] = {}
    top: dict[str, int] = {}
    for level, row in enumerate(rows):
        x = (width - sum(widths[name] + GAP for name in row) + GAP) / 2
        for name in row:
            middle[name], top[name] = x + widths[name] / 2, EDGE + level * LEVEL
            x += widths[name] + GAP
    bottom = EDGE + len(rows) * LEVEL
    high = bottom + HIGH + EDGE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {high}" width="{width}" height="{high}"'
        ' font-family="sans-serif" font-size="14">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
        f'<rect width="{width}" height="{high}" rx="6" fill="#fff"/>',
    ]
    for arrow in arrows:
        path = f"M{middle[arrow[0]]:g} {top[arrow[0]] + HIGH}"
        for start, end in pairwise(arrow):
            bend = (LEVEL - HIGH) / 2
            path += f"C{middle[start]:g} {top[start] + HIGH + bend:g} {middle[end]:g} {top[end] - bend:g} "
            path += f"{middle[end]:g} {top[end]}" + ("" if end in upper else f"V{top[end] + HIGH}")
        lines.append(f'<path d="{path}" fill="none" stroke="#777" stroke-width="1.3" marker-end="url(#tip)"/>')
    for name in upper:
        color = "#dcebf7" if (PACKAGE / name).is_dir() else "#fdf3dc"
        lines += _box(middle[name] - BOX / 2, top[name], BOX, name, color)
    note = f"{', '.join(name for name in BASIS if name in graph)}: used by every part"
    lines += _box(EDGE, bottom, width - 2 * EDGE, note, "#e8f3e4")
    return "\n".join([*lines, "</svg>", ""])


def _layout(rows: list[list[str]], graph: Graph) -> tuple[list[list[str]], list[list[str]]]:
    """Rows with a place in each for every arrow that passes through it, and each arrow as the places on its way."""
    rows = [list(row) for row in rows]
    level = {name: number for number, row in enumerate(rows) for name in row}
    arrows = []
    for name, used in graph.items():
        for other in sorted(used):
            passed = [f"{name} {other} {number}" for number in range(level[name] + 1, level[other])]
            for number, slot in enumerate(passed, start=level[name] + 1):
                rows[number].append(slot)
            arrows.append([name, *passed, other])
    above: dict[str, set[str]] = {}
    for start, end in (step for arrow in arrows for step in pairwise(arrow)):
        above.setdefault(end, set()).add(start)
    place: dict[str, float] = {}
    for row in rows:  # each in the order of the mean of its neighbors above, so that few arrows cross
        row.sort(key=lambda name: fmean(place[user] for user in above[name]) if name in above else 0.5)
        place |= {name: (column + 0.5) / len(row) for column, name in enumerate(row)}
    return rows, arrows


def _box(x: float, y: float, width: float, text: str, color: str) -> list[str]:
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HIGH}" rx="5" fill="{color}" stroke="#555"/>',
        f'<text x="{x + width / 2:g}" y="{y + HIGH / 2 + 5:g}" text-anchor="middle" fill="#222">{escape(text)}</text>',
    ]


def table(graph: Graph) -> str:
    """A table of the parts from the top level down: the first line of each docstring, and what it imports."""
    lines = ["| part | purpose | imports |", "| --- | --- | --- |"]
    for row in levels(graph):
        for name in row:
            file = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
            doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            purpose = " ".join(doc.partition("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
            used = ", ".join(f"`{other}`" for other in sorted(graph[name]))
            lines.append(f"| `{name}{'/' if file.name == '__init__.py' else ''}` | {purpose} | {used} |")
    return "\n".join(lines)


def outputs() -> dict[Path, str]:
    """The files that this script writes, with their text."""
    graph = parts()
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return {DRAWING: drawing(graph), PAGE: f"{before}{BEGIN}\n{table(graph)}\n{END}{after}"}


def main() -> None:
    changed = {file: text for file, text in outputs().items() if not file.exists() or file.read_text("utf-8") != text}
    if "--check" in sys.argv and changed:
        sys.exit(f"Out of date: {', '.join(file.name for file in changed)}. Run: python tools/module_graph.py")
    for file, text in changed.items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
