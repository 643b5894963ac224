"""Servers of live streams on loopback: MJPEG and MPEG-TS over HTTP, MPEG-TS over RTSP (RFC 2326; RTP inside TCP)."""

from __future__ import annotations

import re
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import RawIOBase
from typing import Any

import av
import cv2

from emotion_cam.types import Image

RATE = 25


class _Chunks(RawIOBase):
    """A file that sends what is written to it."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._send(bytes(data))
        return len(data)


def _send_transport_stream(image: Image, send: Callable[[bytes], object], stopped: threading.Event) -> None:
    with av.open(_Chunks(send), "w", format="mpegts", buffer_size=7 * 188) as container:
        stream = container.add_stream("libx264", RATE, options={"tune": "zerolatency", "preset": "ultrafast", "g": "5"})
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        while not stopped.wait(1 / RATE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))


def _send_pictures(image: Image, send: Callable[[bytes], object], stopped: threading.Event) -> None:
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    while not stopped.wait(1 / RATE):
        send(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg))


class _Http(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, send = {
            "/mjpeg": ("multipart/x-mixed-replace; boundary=next", _send_pictures),
            "/ts": ("video/mp2t", _send_transport_stream),
        }[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        send(self.server.image, self.wfile.write, self.server.stopped)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


class _Rtsp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while request := self._request():
            method, address, number = request
            answers = {
                "OPTIONS": "Public: DESCRIBE, SETUP, PLAY\r\n\r\n",
                # Payload type 33 is MPEG-TS (RFC 3551, table 5).
                "DESCRIBE": self._with_body("v=0\r\nm=video 0 RTP/AVP 33\r\na=control:video\r\n", address),
                "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
                "PLAY": "Session: 1\r\n\r\n",
            }
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{answers[method]}".encode())
            if method == "PLAY":
                self._sent = 0
                _send_transport_stream(self.server.image, self._send_packet, self.server.stopped)  # type: ignore[attr-defined]
                return

    def _request(self) -> tuple[str, str, str] | None:
        lines: list[str] = []
        while (line := self.rfile.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        method, address, _ = lines[0].split()
        return method, address, next(line.split()[1] for line in lines if re.match("cseq:", line, re.IGNORECASE))

    @staticmethod
    def _with_body(body: str, address: str) -> str:
        return f"Content-Base: {address}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def _send_packet(self, data: bytes) -> None:
        clock = int(time.monotonic() * 90_000) & 0xFFFFFFFF
        for begin in range(0, len(data), 7 * 188):
            packet = struct.pack(">BBHII", 0x80, 33, self._sent & 0xFFFF, clock, 1) + data[begin : begin + 7 * 188]
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            self._sent += 1


class _RtspServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def stream(scheme: str, image: Image, port: int = 0) -> Iterator[int]:
    """Serve a picture again and again until the block ends; gives the port."""
    server: Any
    if scheme == "rtsp":
        server = _RtspServer(("127.0.0.1", port), _Rtsp)
    else:
        server = ThreadingHTTPServer(("127.0.0.1", port), _Http)
    server.image, server.stopped = image, threading.Event()
    server.handle_error = lambda *_: None  # a client has disconnected
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.stopped.set()
        with suppress(OSError):
            server.shutdown()
        server.server_close()
        thread.join()
