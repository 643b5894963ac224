"""A report as one picture: the same as the page, of fewer faces, and without the table of numbers."""

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
from emotion_cam.report.digest import LIMITS, Chapter, Graded, Row, digest
from emotion_cam.report.history import THUMBNAIL, History
from emotion_cam.types import Image

MOST_FACES, MOST_SOURCES = 6, 8
"""Of how many faces of a source, and of how many sources, the picture tells; more would make it too high."""

WIDTH, DOTS = 9.0, 120
"""The width in inches, and dots an inch."""

SLOTS = 8
"""How many small pictures there is room for in a row."""

LONGEST_TITLE, LONGEST_CAPTION = 60, 20
"""How many letters there is room for."""


class _Block(NamedTuple):
    """A part of the picture, as wide as it is and so many inches high."""

    height: float
    draw: Callable[[SubFigure], None]


def sheet(history: History) -> bytes:
    """The report as PNG."""
    blocks = list(_blocks(digest(history, MOST_FACES)))
    heights = [block.height for block in blocks]
    with charts.styled():
        figure = charts.figure(WIDTH, sum(heights))
        parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, block in zip(parts, blocks, strict=True):
            block.draw(part)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DOTS, metadata={"Software": None})
    return file.getvalue()


def _blocks(chapters: Sequence[Chapter]) -> Iterator[_Block]:
    yield _text("What the faces showed", [LIMITS], size=16)
    if not chapters:
        yield _text("", ["There was nothing to see."])
    for chapter in chapters[:MOST_SOURCES]:
        yield from _chapter(chapter)
    if len(chapters) > MOST_SOURCES:
        yield _text("", [f"Not told of: {len(chapters) - MOST_SOURCES} more sources."])


def _chapter(chapter: Chapter) -> Iterator[_Block]:
    yield _text(chapter.title, chapter.facts, size=13)
    if len(chapter.portraits) > 1:
        for task, lanes in chapter.lanes.items():
            yield _Block(0.6 + 0.24 * len(lanes), partial(_draw_lanes, task=task, chapter=chapter))
    for face in chapter.portraits:
        yield _text(face.title, face.facts, size=11)
        for graded in face.graded:
            seen = [row for row in graded.ranked if row.moment and row.moment.picture]
            if seen:
                yield _Block(1.45, partial(_draw_moments, rows=seen[:SLOTS]))
            yield _Block(0.3 + 0.2 * len(graded.rows), partial(_draw_graded, graded=graded))
    if chapter.rest:
        yield _text("", [chapter.rest])


def _text(title: str, facts: Sequence[str], *, size: float = 0) -> _Block:
    """A title, shortened to fit, and what there is to say below it."""
    lines = textwrap.wrap(" · ".join(facts), 125)
    left = charts.MARGIN / WIDTH

    def draw(part: SubFigure) -> None:
        shown = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"
        part.text(left, 1 - 0.12 / height, shown, size=size, weight="bold", va="top")
        part.text(left, 0.06 / height, "\n".join(lines), color=charts.PALE, va="bottom", linespacing=1.4)

    height = 0.2 + (0.02 * size if title else 0) + 0.18 * len(lines)
    return _Block(height, draw)


def _draw_lanes(part: SubFigure, *, task: str, chapter: Chapter) -> None:
    axes = part.subplots()
    lanes = chapter.lanes[task]
    charts.draw_lanes(axes, list(lanes), list(lanes.values()), chapter.end)
    axes.set_title(f"Who was in view when, with the {task} that was most likely", size=9, loc="left")


def _draw_moments(part: SubFigure, *, rows: Sequence[Row]) -> None:
    slots = part.subplots(1, SLOTS)
    for axes in slots:
        axes.axis("off")
    for axes, row in zip(slots, rows, strict=False):
        assert row.moment is not None
        assert row.moment.picture is not None
        axes.imshow(_square(row.moment.picture))
        axes.axhline(-0.5 + THUMBNAIL, color=row.colour, linewidth=8)
        axes.set_title(
            f"{row.label} {row.moment.score:.0%}\n{row.caption[:LONGEST_CAPTION]}", size=7.5, linespacing=1.3
        )


def _square(jpeg: bytes) -> Image:
    """A small picture's middle, RGB, (THUMBNAIL, THUMBNAIL, 3)."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side, ::-1]
    return np.asarray(cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_CUBIC), np.uint8)


def _draw_graded(part: SubFigure, *, graded: Graded) -> None:
    if graded.course is None:
        charts.draw_shares(part.subplots(), graded.ranked)
        return
    course, shares = part.subplots(1, 2, width_ratios=(3, 1))
    charts.draw_course(course, graded.course)
    charts.draw_shares(shares, graded.ranked)
