"""Where results go: windows, videos, pictures, tables, subtitles, reports, streams. All of them are a ``Sink``."""

from emotion_cam.sinks.spec import OutputSpec, open_sink

__all__ = ["OutputSpec", "open_sink"]
