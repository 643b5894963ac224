"""A report as a web page in one file, without scripts and without anything loaded from elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from emotion_cam.report import charts
from emotion_cam.report.digest import (
    EMPTY,
    LIMITS,
    TITLE,
    ScoreTimeline,
    SourceSection,
    digest,
    lanes_title,
    legend,
)
from emotion_cam.report.history import History, Moment
from emotion_cam.version import __version__

MAX_FACES, MAX_TOTAL = 50, 100
"""The most faces of each source, and of all together, that the page shows. A face takes about 40 kB and 0.1 seconds."""


def page(history: History) -> str:
    """The report as HTML; names and labels are escaped, so that none is taken for HTML."""
    sections = digest(history, MAX_FACES, MAX_TOTAL)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "timeline": _timeline,
        "lanes": _lanes,
        "lanes_title": lanes_title,
        "thumbnail": _thumbnail,
        "percent": "{:.0%}".format,
    }
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    with charts.report_style():
        return template.render(
            sections=sections,
            legend=legend(sections),
            title=TITLE,
            limits=LIMITS,
            empty=EMPTY,
            version=__version__,
        )


def _timeline(timeline: ScoreTimeline) -> str:
    figure = charts.figure(7.2, 1.75)
    charts.draw_timeline(figure.subplots(), timeline)
    return charts.svg_url(figure)


def _lanes(section: SourceSection, task: str) -> str:
    lanes = section.lanes[task]
    figure = charts.figure(7.2, 0.55 + 0.24 * len(lanes))
    charts.draw_lanes(figure.subplots(), list(lanes), list(lanes.values()), section.end)
    return charts.svg_url(figure)


def _thumbnail(moment: Moment) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(moment.thumbnail or b"").decode()
