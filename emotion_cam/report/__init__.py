"""A report of what was seen: when each face was in view, what it showed, and its strongest moments.

``history`` records a run frame by frame; ``digest`` computes the text and the numbers of a report from it; ``page`` and
``sheet`` lay them out as HTML and PNG, with ``charts``. ``build`` makes reports from a table. Reports need the extra
“report”.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_cam.errors import MissingExtraError

if TYPE_CHECKING:
    from emotion_cam.report.history import History

FORMATS = (".html", ".png")
"""The suffixes that the file of a report can have."""


def check_extra() -> None:
    """Raise MissingExtraError now, and not at the end of a run, if the extra “report” is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A report", "report") from error


def render(history: History, suffix: str) -> bytes:
    """The content of a report's file; the same history gives the same bytes.

    Args:
        history: what was seen.
        suffix: one of FORMATS.

    Raises:
        MissingExtraError: the extra “report” is not installed.
    """
    check_extra()
    if suffix == ".png":
        from emotion_cam.report.sheet import sheet

        return sheet(history)
    from emotion_cam.report.page import page

    return page(history).encode(errors="backslashreplace")
