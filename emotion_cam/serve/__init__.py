"""A page in the browser and a service for programs: HTTP and WebSocket around one recognizer.

``spec`` is the server as data; ``server`` opens it and runs it to its end. ``app`` has the addresses, ``guard`` decides
who gets in, ``limits`` and ``pictures`` keep what comes in small. ``session`` is one page that sends its webcam,
``live`` the server's own camera or video, ``workers`` the threads that recognize. ``page/`` is what browsers get. Needs
the extra “serve”.
"""

from __future__ import annotations

from emotion_cam.errors import MissingExtraError


def check_extra() -> None:
    """Raise MissingExtraError if the extra “serve” is not installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A page and service", "serve") from error
