"""What the server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server. None holds anything about a visitor or a picture.

    Attributes:
        pictures: recognized, by where they came from: "page", "request" or "source".
        faces: found in them, by the same.
        replaced: frames of pages that a newer one replaced before it was their turn.
        seconds: that decoding and recognizing a picture took, by where it came from.
        pages: pages whose webcam is recognized now.
        watchers: pages and programs that watch the server's own source now.
        refused: visitors and pictures, by the reason.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.pictures = Counter("emotion_cam_pictures", "Pictures recognized.", ["origin"], registry=registry)
        self.faces = Counter("emotion_cam_faces", "Faces found.", ["origin"], registry=registry)
        self.replaced = Counter(
            "emotion_cam_frames_replaced", "Frames of pages that a newer one replaced.", registry=registry
        )
        self.seconds = Histogram(
            "emotion_cam_recognition_seconds",
            "Seconds to decode and recognize a picture.",
            ["origin"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=registry,
        )
        self.pages = Gauge("emotion_cam_pages", "Pages whose webcam is recognized now.", registry=registry)
        self.watchers = Gauge(
            "emotion_cam_watchers",
            "Pages and programs that watch the server's own source now.",
            registry=registry,
        )
        self.refused = Counter("emotion_cam_refused", "Visitors and pictures refused.", ["reason"], registry=registry)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
