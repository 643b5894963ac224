"""A server under test: in a process of its own by the command line, or in a thread with limits of the test's choice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from emotion_cam.types import Image

HEADER = struct.Struct("<Id")


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def http(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://{self.host}:{self.port}"


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for what comes a moment later."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"It did not happen in {seconds} seconds."
        time.sleep(0.02)


def jpeg(image: Image, quality: int = 90) -> bytes:
    """A picture as a JPEG file."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def frame(number: int, seconds: float, picture: bytes) -> bytes:
    """A frame as a page sends it."""
    return HEADER.pack(number, seconds) + picture


@contextlib.contextmanager
def in_thread(service: Any, access: Any = None, **settings: Any) -> Iterator[Address]:
    """Serve in this process, on a free port of loopback."""
    from emotion_cam.serve.app import make_app
    from emotion_cam.serve.guard import Access
    from emotion_cam.serve.server import Server, config_of

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        ready = threading.Event()
        app = make_app(service, access or Access())
        server = Server(config_of(app, service.limits, None), service, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        assert ready.wait(20)
        try:
            yield Address("127.0.0.1", port)
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


class Process:
    """``emotion-cam serve`` in a process of its own.

    Attributes:
        address: where it listens.
        printed: the address that it printed.
    """

    def __init__(self, *arguments: str | Path, port: int = 0, environment: dict[str, str] | None = None) -> None:
        if sys.platform == "win32":
            pytest.skip("Ctrl-C cannot be sent to a process on Windows")
        command = [
            sys.executable,
            "-m",
            "emotion_cam",
            "serve",
            "--no-browser",
            "--port",
            str(port),
            *map(str, arguments),
        ]
        environ = {name: value for name, value in os.environ.items() if name != "EMOTION_CAM_TOKEN"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ | (environment or {})
        )
        assert self._process.stdout is not None
        self.output: list[str] = []
        for line in self._process.stdout:
            self.output.append(line)
            if line.startswith("Serving on "):
                break
        else:
            raise AssertionError("".join(self.output))
        self.printed = self.output[-1].split()[-1]
        port = int(self.printed.split("/")[2].rpartition(":")[2])
        self.address = Address("127.0.0.1", port)
        self._reader = threading.Thread(target=lambda: self.output.extend(self._process.stdout or ()), daemon=True)
        self._reader.start()

    def interrupt(self) -> float:
        """Send Ctrl-C, and wait for the end; returns the seconds that it took."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._reader.join(5)
        return time.monotonic() - started

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def id(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(5)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()


def png_bomb(width: int, height: int) -> bytes:
    """A small PNG file of one color that claims to be large, and is."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\x00" + bytes((width + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def noise(width: int, height: int) -> Image:
    """A picture without a face."""
    return np.random.default_rng(1).integers(0, 255, (height, width, 3)).astype(np.uint8)
