"""The charts of a report, drawn with matplotlib: the same for a page and for a picture."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from emotion_cam.report.digest import Course, Row, Stretch

INK, PALE = "#222222", "#6b6b6b"

MARGIN = 0.1
"""What is left free at the sides, in inches."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # which comes with matplotlib, so that every machine draws the same
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.hashsalt": "emotion-cam",  # the same charts get the same bytes
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in here, and it looks like a report."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # that a letter is missing shows
        yield


def draw_course(axes: Axes, course: Course) -> None:
    """The scores over time, one on top of the other up to 1; the ground shows where the face was not in view."""
    tops = np.cumsum(course.scores, axis=1)
    bottoms = np.hstack((np.zeros((len(tops), 1)), tops[:, :-1]))
    for top, bottom, colour in zip(tops.T, bottoms.T, course.colours, strict=True):
        axes.stairs(top, course.edges, baseline=bottom, fill=True, color=colour, linewidth=0.3)
    axes.set(xlim=(course.edges[0], course.edges[-1]), ylim=(0, 1), yticks=(0, 0.5, 1), ylabel="score")
    _tell_time(axes)


def draw_lanes(axes: Axes, names: Sequence[str], lanes: Sequence[Sequence[Stretch]], end: float) -> None:
    """Who was in view when, a lane for each face, in the colours of the labels on top."""
    for row, lane in enumerate(lanes):
        spans = [(stretch.start, stretch.end - stretch.start) for stretch in lane]
        axes.broken_barh(spans, (row - 0.36, 0.72), facecolors=[stretch.colour for stretch in lane])
    axes.set(xlim=(0, end), ylim=(len(lanes) - 0.5, -0.5), yticks=range(len(lanes)), yticklabels=names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _tell_time(axes)


def draw_shares(axes: Axes, rows: Sequence[Row]) -> None:
    """How long each label was on top, as bars with their numbers."""
    places = range(len(rows))
    bars = axes.barh(places, [row.share for row in rows], 0.7, color=[row.colour for row in rows])
    axes.bar_label(bars, [f"{row.share:.0%}" for row in rows], padding=3)
    axes.set(xlim=(0, 1.15), ylim=(len(rows) - 0.5, -0.5), yticks=places, yticklabels=[row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _tell_time(axes: Axes) -> None:
    if axes.get_xlim()[1] < 60:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10)))
        axes.set_xlabel("seconds")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=(1, 1.5, 2, 3, 6, 10)))
        axes.xaxis.set_major_formatter(FuncFormatter(_minutes))


def _minutes(seconds: float, _: int) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, laid out so that nothing is cut off."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=0.04))


def svg(drawn: Figure) -> str:
    """A figure as the address of an SVG picture that holds the picture itself."""
    file = io.BytesIO()
    drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
