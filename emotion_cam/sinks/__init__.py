"""Where results go: window, video, pictures, tables, subtitles, report, streams, virtual camera. All of them are a ``Sink``."""

from emotion_cam.sinks.spec import OutputSpec, open_sink

__all__ = ["OutputSpec", "open_sink"]
