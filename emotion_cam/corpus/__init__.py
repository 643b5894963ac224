"""A corpus of videos: recognized by many processes on one or many machines, into one data set, and nothing twice.

``find`` looks for the videos, ``plan`` compares them with the ``manifest`` of what is done, the ``engine`` (Dask) gives
the rest to workers, where ``work`` does it; ``run`` holds these together. ``read`` reads the data set. Needs the extra
“cluster”.
"""

from __future__ import annotations

from emotion_cam.errors import MissingExtraError


def check_extra() -> None:
    """Raise MissingExtraError if the extra “cluster” is not installed."""
    try:
        import distributed  # noqa: F401
        import pyarrow  # noqa: F401
        import xxhash  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A corpus", "cluster") from error
