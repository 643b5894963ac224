"""Where frames come from: cameras and streams, video files, pictures. All of them are a ``Source``."""

from emotion_cam.sources.spec import InputSpec, open_source

__all__ = ["InputSpec", "open_source"]
