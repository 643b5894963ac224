"""What hostile visitors send to ``emotion-cam serve``, requests and WebSockets, and what is wrong with the answers."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote

from tests.fuzz.mutations import INTERESTING, TEXTS, damage, damage_json

_PATIENCE = 2.0
"""Seconds to wait for an answer. What is not whole gets none; and a later error is in the server's log all the same."""

_ALLOWED = (501, 503)
"""Statuses from 500 that are no error of the server: an extra is missing; it is busy."""

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True)
class Visit:
    """One connection.

    Attributes:
        request: the bytes that are sent first.
        frames: the bytes that are sent after the server has agreed to a WebSocket.
    """

    request: bytes
    frames: tuple[bytes, ...] = ()


def make_visits(good: Path, random: Random) -> list[Visit]:
    """Some visits, one after the other."""
    return [random.choice(_KINDS)(good, random) for _ in range(12)]


def visit(port: int, visit: Visit) -> list[str]:
    """Visit the server on a port of this machine; returns in words what is wrong with its answers."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection, contextlib.suppress(OSError):
        connection.sendall(visit.request)
        answer = _received(connection)
        status = re.match(rb"HTTP/1\.1 (\d+)", answer)
        if status is None:
            return [f"answer: no HTTP: {answer[:80]!r}"] if answer else []
        if int(status[1]) >= 500 and int(status[1]) not in _ALLOWED:
            return [f"answer: {answer.splitlines()[0].decode()} to {visit.request[:120]!r}"]
        if int(status[1]) == 101:
            for frames in visit.frames:
                connection.sendall(frames)
            answer += _received(connection)
            codes = [code for code in _close_codes(answer.partition(b"\r\n\r\n")[2]) if code in (1006, 1011)]
            return [f"answer: the WebSocket was closed with {code}" for code in codes]
    return []


def _received(connection: socket.socket) -> bytes:
    """What comes within _PATIENCE, and until nothing has come for a moment."""
    answer, deadline = b"", time.monotonic() + _PATIENCE
    connection.settimeout(_PATIENCE)
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline and (chunk := connection.recv(1 << 16)):
            answer += chunk
            connection.settimeout(0.15)
    return answer


def _close_codes(data: bytes) -> Iterator[int]:
    """The codes of the close frames among a server's frames."""
    while len(data) >= 2:
        size, start = data[1] & 127, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        payload = data[start : start + size]
        if data[0] & 15 == _CLOSE and len(payload) >= 2:
            yield int.from_bytes(payload[:2], "big")
        data = data[start + size :]


# Requests

_TARGETS = (
    *("/", "/overlay", "/docs", "/openapi.json", "/healthz", "/metrics", "/v1/info", "/v1/events", "/stream.mjpg"),
    *("/page/app.js", "/page/../app.py", "/page/..%2f..%2fapp.py", "/page/%00", "//", "*", "http://elsewhere/", "/%ff"),
    *(
        "/" + "a" * 20_000,
        "/?token=%ff",
        "/?" + "&".join("a=b" for _ in range(2000)),
        "/v1/frames",
        "/v1/stream",
        "/?a;b",
    ),
    *("/v1/recognize", "/v1/report", "/v1/recognize/", "/V1/INFO", "/\r\nX: y", "", " "),
)
_METHODS = ("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "get", "G\x00T", "")
_HEADERS = (
    *("Host: elsewhere.example", "Host: 127.0.0.1", "Host:", "Host: [::1", "Host: 127.0.0.1:99999", "Host: \xff"),
    *("Origin: http://127.0.0.1", "Origin: null", "Origin: http://[", "Origin: http://127.0.0.1:abc", "Origin: \xff"),
    *("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: \xe9", "Authorization: Bearer \xff", "Authorization: Basic Og=="),
    *(
        "Cookie: a=b; emotion_cam=%ff; =; a[]=\x01",
        "Cookie: " + "a=b; " * 900,
        "Content-Length: -1",
        "Expect: 100-continue",
    ),
    *(
        "Content-Length: 99999999999999999999",
        "Content-Length: 5",
        "Content-Length: \xb2",
        "Transfer-Encoding: chunked",
    ),
    *(
        "Transfer-Encoding: gzip, chunked",
        "Content-Type: multipart/form-data",
        "Content-Type: multipart/form-data; boundary=",
    ),
    *(
        "Content-Encoding: gzip",
        "If-None-Match: *",
        "Range: bytes=5-1",
        "X: " + "y" * 15_000,
        "Upgrade: h2c",
        "\x00: x",
        ": x",
    ),
    *("Connection: upgrade", "Accept-Encoding: \xff", "X-Forwarded-For: 1.2.3.4", " folded", "no colon"),
)


def _message(method: str, target: str, headers: list[str], body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *headers]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def _request(good: Path, random: Random) -> Visit:
    headers = random.sample(_HEADERS, random.choice((0, 1, 1, 2, 4)))
    if random.random() < 0.8:
        headers.insert(0, "Host: 127.0.0.1")
    whole = _message(
        random.choice(_METHODS), random.choice(_TARGETS), headers, random.randbytes(random.choice((0, 9, 5000)))
    )
    return Visit(damage(whole, random) if random.random() < 0.3 else whole)


def _query(random: Random) -> str:
    values = (*TEXTS, *("0.5", "happy=sad", "a=happy,surprise", "gender", "emotion", "true"))
    names = ("min_face", "min_confidence", "group", "without", "detail", "nonsense", "token")
    pairs = [(random.choice(names), random.choice(values)) for _ in range(random.choice((0, 0, 1, 2)))]
    return "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in pairs)


def _picture(good: Path, random: Random) -> bytes:
    content = random.choice(sorted((good / "pictures").iterdir())).read_bytes()
    return damage(content, random) if random.random() < 0.7 else content


def _upload(good: Path, random: Random) -> Visit:
    body, headers = _picture(good, random), ["Host: 127.0.0.1"]
    if random.random() < 0.5:
        name = random.choice(TEXTS)[:500].replace("\0", "")
        head = f'--b\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'
        body = head.encode(errors="surrogatepass") + body + b"\r\n--b--\r\n"
        headers.append("Content-Type: multipart/form-data; boundary=b")
        if random.random() < 0.4:
            body = damage(body[:300], random) + body[300:]
    size = len(body) if random.random() < 0.9 else random.choice((0, len(body) // 2, len(body) + 9))
    headers.append(f"Content-Length: {size}")
    # Most are for the results, because a report takes seconds.
    target = "/v1/report" if random.random() < 0.05 else "/v1/recognize"
    return Visit(_message("POST", f"{target}?{_query(random)}", headers, body))


# WebSockets

_COMMANDS = (
    *({"blur": True}, {"explain": True}, {"source": "clip.mp4"}, {"report": "start"}, {"report": "end"}),
    *({"report": "drop"}, {"blur": False, "explain": True, "source": "x" * 300, "report": "start"}, {"pictures": True}),
)


def _frame(kind: int, payload: bytes, random: Random, *, final: bool = True) -> bytes:
    """A frame as a browser sends it: masked, here with a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        head = bytes([128 | size])
    elif size < 1 << 16:
        head = struct.pack(">BH", 254, size)
    else:
        head = struct.pack(">BQ", 255, size)
    reserved = random.choice((0x10, 0x40, 0x70)) if random.random() < 0.02 else 0
    return bytes([128 * final | reserved | kind]) + head + bytes(4) + payload


def _sent(good: Path, random: Random) -> bytes:
    """The bytes of one message of a page."""
    way = random.random()
    if way < 0.5:
        times = (0.0, 0.04, 1.0, -1.0, 1e300, float("nan"), float("inf"), 5e-324)
        message = struct.pack("<Id", random.choice((0, 1, 2**32 - 1)), random.choice(times)) + _picture(good, random)
        return _frame(_BINARY, message[: random.choice((len(message), len(message), 5, 12))], random)
    if way < 0.9:
        text = json.dumps(random.choice(_COMMANDS))
        return _frame(_TEXT, damage_json(text, random)[:1_500_000] if random.random() < 0.6 else text.encode(), random)
    kind = random.choice((_CLOSE, _PING, _PONG, 0, 3, 11, _TEXT))
    payload = random.choice((b"", b"\x03", b"\x03\xe8bye", b"\xff\xff", b"a" * 200, *INTERESTING))
    return _frame(kind, payload, random, final=random.random() < 0.7)


def _websocket(good: Path, random: Random) -> Visit:
    key = base64.b64encode(random.randbytes(16)).decode()
    headers = [
        *("Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        f"Sec-WebSocket-Key: {key}",
    ]
    if random.random() < 0.15:
        headers[random.randrange(len(headers))] = random.choice(
            (*_HEADERS, "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: x")
        )
    if random.random() < 0.2:
        headers.append(
            random.choice(("Sec-WebSocket-Extensions: permessage-deflate; x=y", "Sec-WebSocket-Protocol: \xff"))
        )
    target = random.choice(("/v1/frames",) * 6 + ("/v1/stream", "/v1/frames?" + _query(random), "/v1/nowhere"))
    frames = [_sent(good, random) for _ in range(random.choice((1, 3, 8, 40)))]
    if random.random() < 0.15:
        frames = [damage(b"".join(frames)[:4_000_000], random)]
    return Visit(_message("GET", target, headers), tuple(frames))


_KINDS: tuple[Callable[[Path, Random], Visit], ...] = (_request, _request, _upload, _upload, _websocket, _websocket)
