"""What happened, as one page or picture: who was in view when, what each face showed, and its strongest moments.

History keeps what a run saw, frame by frame or read back from a table; ``digest`` makes of it what people are told;
``page`` and ``sheet`` lay that out as HTML and PNG. It needs the extra ``report``.
"""

from __future__ import annotations

from emotion_cam.errors import MissingExtraError
from emotion_cam.report.history import History
from emotion_cam.tables import read_table

__all__ = ["FORMATS", "History", "check_extra", "read_table", "render"]

FORMATS = (".html", ".png")
"""The suffixes of what a report can be."""


def check_extra() -> None:
    """Tell now, and not after an hour, that a report cannot be made. Raises MissingExtraError."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A report", "report") from error


def render(history: History, suffix: str) -> bytes:
    """The report as a file's content; the same history gives the same bytes.

    Args:
        history: what was seen.
        suffix: one of FORMATS.

    Raises:
        MissingExtraError: matplotlib or Jinja is not installed.
    """
    check_extra()
    if suffix == ".png":
        from emotion_cam.report.sheet import sheet

        return sheet(history)
    from emotion_cam.report.page import page

    return page(history).encode(errors="backslashreplace")
