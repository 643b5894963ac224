"""Streams that stall, send garbage, stop in the middle of a picture, and come back."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import cv2
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import camera as camera_module
from emotion_cam.sources import open_source
from tests.builders import picture

HEADER = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n"


def part(index: int = 20) -> bytes:
    """One picture of an MJPEG stream."""
    jpeg = cv2.imencode(".jpg", picture(index))[1].tobytes()
    return b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)


@contextmanager
def server(*behaviors: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that treats each connection in another way, and all further ones as the last; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def answer(connection: socket.socket, behave: Callable[[socket.socket], object]) -> None:
        with connection, suppress(OSError):
            connection.recv(10_000)
            connection.sendall(HEADER)
            behave(connection)

    def serve() -> None:
        for number in range(1000):
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            behave = behaviors[min(number, len(behaviors) - 1)]
            threading.Thread(target=answer, args=(connection, behave), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/video"
    finally:
        stopped.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def pictures(connection: socket.socket, count: int = 40) -> None:
    for _ in range(count):
        connection.sendall(part())
        time.sleep(0.02)


def stall(connection: socket.socket) -> None:
    pictures(connection, 10)
    silence(connection)


def silence(connection: socket.socket) -> None:
    """Send nothing until the other side gives up."""
    connection.settimeout(20)
    while connection.recv(1000):
        pass


def garbage(connection: socket.socket) -> None:
    pictures(connection, 10)
    for _ in range(20):
        connection.sendall(bytes(range(256)) * 40)
        time.sleep(0.01)


def torn(connection: socket.socket) -> None:
    pictures(connection, 10)
    connection.sendall(part()[:2000])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams count as lost after a second and a half, and are opened again at once."""
    monkeypatch.setattr(camera_module, "_STREAM_TIMEOUT", 1500)
    monkeypatch.setattr(camera_module, "_FROZEN", 2.0)
    monkeypatch.setattr(camera_module, "_FIRST_PAUSE", 0.1)


@pytest.mark.parametrize("behave", [stall, garbage, torn], ids=lambda behave: behave.__name__)
def test_a_stream_that_breaks_is_an_error_after_its_pictures(
    behave: Callable[[socket.socket], object], capfd: pytest.CaptureFixture[str]
) -> None:
    with server(behave) as address, open_source(video=address) as source:
        start, taken = time.monotonic(), 0
        with pytest.raises(SourceError, match=r"stopped sending pictures after \d+ frames: it ended"):
            for _ in source:
                taken += 1
        assert taken > 3
        assert time.monotonic() - start < 7
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("behave", [stall, garbage, torn], ids=lambda behave: behave.__name__)
def test_a_stream_that_breaks_comes_back(
    behave: Callable[[socket.socket], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    with server(behave, pictures) as address, open_source(video=address, reconnect=20) as source:
        for _ in source:
            if any("is back after" in message for message in caplog.messages):
                break
    assert [message.split(" after ")[0] for message in caplog.messages[:2]] == [
        f"{address} stopped sending pictures",
        f"{address} is back",
    ]


def test_a_server_that_sends_only_garbage(capfd: pytest.CaptureFixture[str]) -> None:
    garbage_only = server(lambda connection: connection.sendall(bytes(range(256)) * 1000))
    with garbage_only as address, pytest.raises(SourceError, match=r"cannot be opened|sends no pictures"):
        open_source(video=address)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_sends_nothing() -> None:
    start = time.monotonic()
    with server(silence) as address, pytest.raises(SourceError, match="cannot be opened"):
        open_source(video=f"{address}?pwd=secret")
    assert time.monotonic() - start < 6
