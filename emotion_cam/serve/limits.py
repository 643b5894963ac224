"""How much a visitor may send, and how long it may take. Every limit is tried by a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        body_bytes: of the body of a request, which holds a picture.
        pixels: of a picture in a request, read from its first bytes before it is decoded.
        frame_bytes: of a message of a WebSocket.
        frame_pixels: of a picture in such a message.
        header_bytes: of the first line and the headers of a request.
        connections: open at a time, of every kind.
        waiting: requests with a picture that may be under way beyond one for each worker; one more is refused.
        watchers: pages and programs that watch the server's own source at a time.
        idle_seconds: without a message, before a WebSocket is closed; and without progress of what is sent to it.
        header_seconds: until the headers of a request are complete.
        body_seconds: until the body of a request is complete.
        report_faces: faces in frames that one report takes.
        report_tracks: different faces that one report takes.
    """

    body_bytes: int = 20_000_000
    pixels: int = 40_000_000
    frame_bytes: int = 2_000_000
    frame_pixels: int = 4_000_000
    header_bytes: int = 16_384
    connections: int = 128
    waiting: int = 8
    watchers: int = 32
    idle_seconds: float = 60.0
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    report_faces: int = 200_000
    report_tracks: int = 300
