"""Draw the networks for docs/architectures.md, from the Keras models themselves.

    python tools/draw_networks.py          docs/mini_xception.svg and docs/xception.svg
    python tools/draw_networks.py out png  the same as PNG in the folder out

A box is a block of layers whose names begin alike; a line around it is its shortcut. Below each box are the height,
width and channels of its output. Needs the extra “train”.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from emotion_cam.training.networks import mini_xception, xception

WIDTH, LINE, GAP = 3.4, 0.26, 0.62
"""The width of a box, the height of a line of text, and the gap between two boxes, in inches."""

LINES = "#555555"
COLORS = {"entry": "#dcebf7", "middle": "#fdebd0", "exit": "#e3f2de"}

Blocks = list[tuple[str, list[Any]]]


def blocks(model: Any) -> Blocks:
    """The layers of each block, under its name."""
    # The layers of a block are not always next to each other: its shortcut can come before the end of the block before.
    names = list(dict.fromkeys(layer.name.partition("_")[0] for layer in model.layers))
    found = {name: [layer for layer in model.layers if layer.name.partition("_")[0] == name] for name in names}
    top = [layer for name in ("class", "logits", "scores") for layer in found.pop(name)]
    start = [layer for name in ("face", "scale") for layer in found.pop(name)]
    return [("input", start), *found.items(), ("top", top)]


def lines(layers: list[Any]) -> list[str]:
    """The steps of a block, a line for each; batch normalization, after every convolution, is left out."""
    steps = []
    for layer in layers:
        kind = type(layer).__name__
        if "shortcut" in layer.name or kind in ("Add", "BatchNormalization"):
            continue
        if kind in ("Conv2D", "SeparableConv2D"):
            size = f"{layer.kernel_size[0]}×{layer.kernel_size[1]}"
            stride = ", stride 2" if layer.strides[0] == 2 else ""
            name = "Convolution" if kind == "Conv2D" else "Separable"
            steps.append(f"{name} {size}, {layer.filters}{stride}")
        elif kind == "MaxPooling2D":
            steps.append("Max pooling 3×3, stride 2")
        else:
            steps.append(
                {
                    "InputLayer": "Face, gray or color, 0 to 255",
                    "Rescaling": "Scaling to −1 … 1",
                    "ReLU": "ReLU",
                    "GlobalAveragePooling2D": "Global average pooling",
                    "Softmax": "Softmax",
                }[kind]
            )
    return steps


def repeated(column: Blocks) -> list[tuple[str, list[Any], int]]:
    """The blocks, each with the number of times it is repeated."""
    runs = [list(run) for _, run in groupby(column, key=lambda block: lines(block[1]))]
    return [(run[0][0] if len(run) == 1 else f"{run[0][0]}\nto {run[-1][0]}", run[-1][1], len(run)) for run in runs]


def shortcut(layers: list[Any]) -> str | None:
    """The step of the shortcut around a block, or None without a shortcut."""
    if not any(type(layer).__name__ == "Add" for layer in layers):
        return None
    convolution = next((layer for layer in layers if layer.name.endswith("_shortcut")), None)
    return "unchanged" if convolution is None else f"1×1, {convolution.filters},\nstride 2"


def draw_column(axes: Axes, x: float, column: Blocks, title: str, color: str) -> float:
    """Draw blocks one below the other from the top, and return where they end."""
    axes.text(x, 0, title, ha="center", va="bottom", weight="bold", size=12)
    y = -0.2  # where the input of the next block starts
    for name, layers, times in repeated(column):
        text, around = lines(layers), shortcut(layers)
        top = y if layers[0].name == "face" else y - GAP
        bottom = top - LINE * len(text) - 0.16
        if top < y:
            _arrow(axes, x, y, top)
        box = FancyBboxPatch((x - WIDTH / 2, bottom), WIDTH, top - bottom, boxstyle="round,pad=0,rounding_size=0.08")
        box.set(facecolor=color, edgecolor=LINES)
        axes.add_patch(box)
        for i, line in enumerate(text):
            axes.text(x, top - 0.08 - LINE * (i + 0.5), line, ha="center", va="center", size=9.5)
        axes.text(x - WIDTH / 2 - 0.08, (top + bottom) / 2, name, ha="right", va="center", size=8.5, color=LINES)
        if times > 1:
            axes.text(x + WIDTH / 2 - 0.1, top - 0.1, f"× {times}", ha="right", va="top", size=12, weight="bold")
        y = bottom
        if around is not None:
            fork, right = top + GAP * 0.4, x + WIDTH / 2 + 0.25
            y = bottom - 0.45
            axes.plot([x, x], [bottom, y], color=LINES, lw=1)
            axes.plot([x, right, right, x], [fork, fork, y, y], color=LINES, lw=1)
            axes.add_patch(Circle((x, y), 0.13, facecolor="white", edgecolor=LINES, zorder=3))
            axes.text(x, y - 0.01, "+", ha="center", va="center_baseline", size=11, zorder=4)
            axes.text(right + 0.1, (top + bottom) / 2, around, ha="left", va="center", size=8.5)
            y -= 0.13
        shape = "×".join(str(side) for side in layers[-1].output.shape[1:])
        axes.text(x + 0.12, y - GAP * 0.3, shape, ha="left", va="center", size=8.5)
    _arrow(axes, x, y, y - GAP)
    return y - GAP


def _arrow(axes: Axes, x: float, start: float, end: float) -> None:
    axes.annotate(
        "", (x, end), (x, start), arrowprops={"arrowstyle": "-|>", "color": LINES, "shrinkA": 0, "shrinkB": 0}
    )


def draw(columns: list[tuple[str, str, Blocks]], path: Path) -> None:
    """Draw columns of blocks side by side; a column is a title, a color and its blocks."""
    pitch = WIDTH + 2.6
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    depths = [draw_column(axes, pitch * i, column, title, color) for i, (title, color, column) in enumerate(columns)]
    left, right, top, bottom = -WIDTH / 2 - 1.3, pitch * (len(columns) - 1) + WIDTH / 2 + 1.4, 0.4, min(depths) - 0.1
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    figure.set_size_inches((right - left) * 0.75, (top - bottom) * 0.75)
    figure.savefig(path, dpi=100, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    folder, suffix = Path("docs"), "svg"
    if len(sys.argv) == 3:
        folder, suffix = Path(sys.argv[1]), sys.argv[2]
    elif len(sys.argv) != 1:
        sys.exit(__doc__)
    mpl.rcParams["svg.hashsalt"] = "emotion-cam"  # the same drawing gives the same file
    folder.mkdir(parents=True, exist_ok=True)
    small = blocks(mini_xception((48, 48, 1), 7))
    draw([("", COLORS["entry"], small[:5]), ("", COLORS["entry"], small[5:])], folder / f"mini_xception.{suffix}")
    large = blocks(xception())
    flows = [
        ("Entry flow", "entry", large[:6]),
        ("Middle flow", "middle", large[6:14]),
        ("Exit flow", "exit", large[14:]),
    ]
    draw([(title, COLORS[flow], column) for title, flow, column in flows], folder / f"xception.{suffix}")


if __name__ == "__main__":
    main()
