"""What visitors send wrong leaves no line in the server's terminal."""

from __future__ import annotations

import socket

import httpx

from tests.fuzz.visits import Visit, visit
from tests.serve.running import Process

HANDSHAKE = (
    b"GET /v1/frames HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_damaged_pictures_forms_and_texts_print_nothing(picture: bytes) -> None:
    with Process() as process:
        before = len(process.output)
        url = f"{process.address.http}/v1/recognize"
        damaged = picture[:5000] + bytes(5000) + picture[10_000:-900]  # libjpeg has something to say about it
        assert httpx.post(url, content=damaged, timeout=30).status_code in (200, 415)
        form = {"content-type": "multipart/form-data; boundary=b"}
        assert httpx.post(url, content=b"--x\r\n", headers=form).status_code == 400
        assert visit(process.address.port, Visit(HANDSHAKE, (b"\x81\x82\0\0\0\0\xff\xff",))) == []
        with socket.create_connection(process.address, 5) as connection:
            connection.sendall(HANDSHAKE)
        process.interrupt()
    printed = "".join(process.output[before:])
    assert [line for line in printed.splitlines() if line and "Ctrl-C" not in line] == []
