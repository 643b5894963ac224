"""The charts of a report, drawn with matplotlib: the same for the page and for the sheet."""

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

from emotion_cam.report.digest import Interval, LabelRow, ScoreTimeline

INK, PALE = "#222222", "#6b6b6b"

MARGIN = 0.1
"""The margin at the sides, in inches."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # matplotlib includes it, so that every machine draws the same
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar sign in a name stays a dollar sign
    "svg.hashsalt": "emotion-cam",  # so that the same charts have the same bytes
}


@contextmanager
def report_style() -> Iterator[None]:
    """A context in which figures are drawn and saved in the style of a report."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # that the font lacks a letter can be seen in the chart
        yield


def draw_timeline(axes: Axes, timeline: ScoreTimeline) -> None:
    """Draw the scores over time, stacked up to 1; gaps show where the face was not in view."""
    tops = np.cumsum(timeline.scores, axis=1)
    bottoms = np.hstack((np.zeros((len(tops), 1)), tops[:, :-1]))
    for top, bottom, color in zip(tops.T, bottoms.T, timeline.colors, strict=True):
        axes.stairs(top, timeline.edges, baseline=bottom, fill=True, color=color, linewidth=0.3)
    axes.set(xlim=(timeline.edges[0], timeline.edges[-1]), ylim=(0, 1), yticks=(0, 0.5, 1), ylabel="score")
    _format_time_axis(axes)


def draw_lanes(axes: Axes, names: Sequence[str], lanes: Sequence[Sequence[Interval]], end: float) -> None:
    """Draw who was in view when: a lane for each face, in the colors of the most likely labels."""
    for row, lane in enumerate(lanes):
        spans = [(interval.start, interval.end - interval.start) for interval in lane]
        axes.broken_barh(spans, (row - 0.36, 0.72), facecolors=[interval.color for interval in lane])
    axes.set(xlim=(0, end), ylim=(len(lanes) - 0.5, -0.5), yticks=range(len(lanes)), yticklabels=names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _format_time_axis(axes)


def draw_shares(axes: Axes, rows: Sequence[LabelRow]) -> None:
    """Draw the share of each label as a bar with its number."""
    places = range(len(rows))
    bars = axes.barh(places, [row.share for row in rows], 0.7, color=[row.color for row in rows])
    axes.bar_label(bars, [f"{row.share:.0%}" for row in rows], padding=3)
    axes.set(xlim=(0, 1.15), ylim=(len(rows) - 0.5, -0.5), yticks=places, yticklabels=[row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _format_time_axis(axes: Axes) -> None:
    """Seconds up to a minute, and minutes and seconds beyond."""
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
    """A figure of a size in inches whose layout cuts nothing off."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=0.04))


def svg_url(chart: Figure) -> str:
    """A figure as a data URL that holds an SVG picture."""
    file = io.BytesIO()
    chart.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
