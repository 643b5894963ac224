"""A report as a web page in one file, with nothing fetched from elsewhere and no scripts."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from emotion_cam import __version__
from emotion_cam.report import charts
from emotion_cam.report.digest import LIMITS, Chapter, Course, digest, legend
from emotion_cam.report.history import History, Moment

MOST_FACES = 50


def page(history: History) -> str:
    """The report as HTML, UTF-8; whatever stands in names is shown as it is, and never taken for HTML."""
    chapters = digest(history, MOST_FACES)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"course": _course, "lanes": _lanes, "picture": _picture, "percent": "{:.0%}".format}
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    with charts.styled():
        return template.render(chapters=chapters, legend=legend(chapters), limits=LIMITS, version=__version__)


def _course(course: Course) -> str:
    figure = charts.figure(7.2, 1.75)
    charts.draw_course(figure.subplots(), course)
    return charts.svg(figure)


def _lanes(chapter: Chapter, task: str) -> str:
    lanes = chapter.lanes[task]
    figure = charts.figure(7.2, 0.55 + 0.24 * len(lanes))
    charts.draw_lanes(figure.subplots(), list(lanes), list(lanes.values()), chapter.end)
    return charts.svg(figure)


def _picture(moment: Moment) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(moment.picture or b"").decode()
