"""A report as one picture: the page with fewer faces, and without the table of numbers."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import SubFigure

from emotion_cam.report import charts
from emotion_cam.report.digest import (
    EMPTY,
    LIMITS,
    TITLE,
    LabelRow,
    SourceSection,
    TaskSection,
    digest,
    lanes_title,
)
from emotion_cam.report.history import THUMBNAIL, History
from emotion_cam.types import Image

MAX_FACES, MAX_SOURCES = 6, 8
"""The most faces of each source, and the most sources, that the sheet shows; more would make it too tall."""

WIDTH, DPI = 9.0, 120
"""The width in inches, and the dots per inch."""

SLOTS = 8
"""The most thumbnails in a row."""

MAX_TITLE_LENGTH, MAX_CAPTION_LENGTH = 60, 20
"""The most letters of a title, and of a thumbnail's caption."""


class _Block(NamedTuple):
    """A part of the sheet over its whole width: its height in inches, and how to draw it."""

    height: float
    draw: Callable[[SubFigure], None]


def sheet(history: History) -> bytes:
    """The report as a PNG file."""
    blocks = list(_blocks(digest(history, MAX_FACES, MAX_FACES * MAX_SOURCES)))
    heights = [block.height for block in blocks]
    with charts.report_style():
        figure = charts.figure(WIDTH, sum(heights))
        parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, block in zip(parts, blocks, strict=True):
            block.draw(part)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def _blocks(sections: Sequence[SourceSection]) -> Iterator[_Block]:
    yield _text(TITLE, [LIMITS], size=16)
    if not sections:
        yield _text("", [EMPTY])
    for section in sections[:MAX_SOURCES]:
        yield from _source_blocks(section)
    if len(sections) > MAX_SOURCES:
        yield _text("", [f"Not shown: {len(sections) - MAX_SOURCES} more sources."])


def _source_blocks(section: SourceSection) -> Iterator[_Block]:
    yield _text(section.title, section.facts, size=13)
    if len(section.faces) > 1:
        for task, lanes in section.lanes.items():
            yield _Block(0.6 + 0.24 * len(lanes), partial(_draw_lanes, task=task, section=section))
    for face in section.faces:
        yield _text(face.title, face.facts, size=11)
        for task_section in face.tasks:
            illustrated = task_section.illustrated
            if illustrated:
                yield _Block(1.45, partial(_draw_moments, rows=illustrated[:SLOTS]))
            yield _Block(0.3 + 0.2 * len(task_section.rows), partial(_draw_task, task=task_section))
    if section.not_shown:
        yield _text("", [section.not_shown])


def _text(title: str, facts: Sequence[str], *, size: float = 0) -> _Block:
    """A title, shortened to fit, and the facts below it."""
    lines = textwrap.wrap(" · ".join(facts), 125)
    left = charts.MARGIN / WIDTH

    def draw(part: SubFigure) -> None:
        shown = title if len(title) <= MAX_TITLE_LENGTH else f"{title[: MAX_TITLE_LENGTH - 1]}…"
        part.text(left, 1 - 0.12 / height, shown, size=size, weight="bold", va="top")
        part.text(left, 0.06 / height, "\n".join(lines), color=charts.PALE, va="bottom", linespacing=1.4)

    height = 0.2 + (0.02 * size if title else 0) + 0.18 * len(lines)
    return _Block(height, draw)


def _draw_lanes(part: SubFigure, *, task: str, section: SourceSection) -> None:
    axes = part.subplots()
    lanes = section.lanes[task]
    charts.draw_lanes(axes, list(lanes), list(lanes.values()), section.end)
    axes.set_title(lanes_title(task), size=9, loc="left")


def _draw_moments(part: SubFigure, *, rows: Sequence[LabelRow]) -> None:
    slots = part.subplots(1, SLOTS)
    for axes in slots:
        axes.axis("off")
    for axes, row in zip(slots, rows, strict=False):
        assert row.moment is not None
        assert row.moment.thumbnail is not None
        axes.imshow(_square(row.moment.thumbnail))
        axes.axhline(-0.5 + THUMBNAIL, color=row.color, linewidth=8)
        axes.set_title(
            f"{row.label} {row.moment.score:.0%}\n{row.caption[:MAX_CAPTION_LENGTH]}", size=7.5, linespacing=1.3
        )


def _square(jpeg: bytes) -> Image:
    """The center of a thumbnail, uint8, (THUMBNAIL, THUMBNAIL, 3), RGB."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side, ::-1]
    return np.asarray(cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_CUBIC), np.uint8)


def _draw_task(part: SubFigure, *, task: TaskSection) -> None:
    if task.timeline is None:
        charts.draw_shares(part.subplots(), task.ranked)
        return
    timeline, shares = part.subplots(1, 2, width_ratios=(3, 1))
    charts.draw_timeline(timeline, task.timeline)
    charts.draw_shares(shares, task.ranked)
