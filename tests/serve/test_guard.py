"""Who gets in: rebinding of names, pages of other sites, tokens."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.serve.guard import Access
from tests.serve.conftest import make_service
from tests.serve.running import Address, in_thread

TOKEN = "a token of the test"


@pytest.fixture(scope="module")
def guarded(recognizer: Recognizer) -> Iterator[Address]:
    """A server that asks for a token."""
    with in_thread(make_service(recognizer), Access(token=TOKEN)) as address:
        yield address


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "localhost:9000", "LOCALHOST", "[::1]:{port}"]
)
def test_names_of_this_machine_are_answered(server: Address, host: str) -> None:
    answer = httpx.get(f"{server.http}/healthz", headers={"host": host.format(port=server.port)})
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:80", "192.168.0.7", "127.0.0.1.evil.example", "", "[::2]", "0.0.0.0"],
)
def test_other_names_are_not_answered_so_that_no_name_can_be_rebound(server: Address, host: str) -> None:
    for path in ("/", "/healthz", "/v1/info", "/page/app.js", "/nothing"):
        assert httpx.get(server.http + path, headers={"host": host}).status_code == 421


def test_other_names_reach_no_websocket(server: Address) -> None:
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"{server.ws}/v1/frames", additional_headers={"host": "evil.example"}),
    ):
        pass
    assert caught.value.response.status_code in (400, 421)  # 400: there are two headers


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "http://localhost.evil", "http://["],
)
def test_pages_of_other_sites_reach_nothing(server: Address, origin: str, picture: bytes) -> None:
    for path in ("/", "/v1/info", "/stream.mjpg"):
        assert httpx.get(server.http + path, headers={"origin": origin}).status_code == 403
    assert httpx.post(f"{server.http}/v1/recognize", content=picture, headers={"origin": origin}).status_code == 403
    for path in ("/v1/frames", "/v1/stream"):
        with pytest.raises(InvalidStatus) as caught, connect(server.ws + path, origin=Origin(origin)):
            pass
        assert caught.value.response.status_code == 403


def test_the_own_page_reaches_everything(server: Address) -> None:
    assert httpx.get(f"{server.http}/v1/info", headers={"origin": server.http}).status_code == 200
    with connect(f"{server.ws}/v1/frames", origin=Origin(server.http)):
        pass


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pictures_in_pages_of_other_sites_are_refused(server: Address, site: str) -> None:
    fetch = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert httpx.get(f"{server.http}/stream.mjpg", headers=fetch).status_code == 403
    frame = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert httpx.get(f"{server.http}/", headers=frame).status_code == 403
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert httpx.get(f"{server.http}/", headers=link).status_code == 200


def test_every_answer_has_the_headers_for_safety(server: Address) -> None:
    for path in ("/", "/v1/info", "/page/app.js", "/nothing", "/stream.mjpg"):
        headers = httpx.get(server.http + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_without_the_token_nothing_is_answered_but_health(guarded: Address, picture: bytes) -> None:
    for path in ("/", "/v1/info", "/metrics", "/openapi.json", "/docs", "/page/app.js", "/stream.mjpg"):
        answer = httpx.get(guarded.http + path)
        assert answer.status_code == 401
        assert TOKEN not in answer.text
    assert httpx.post(f"{guarded.http}/v1/recognize", content=picture).status_code == 401
    with pytest.raises(InvalidStatus) as caught, connect(f"{guarded.ws}/v1/frames"):
        pass
    assert caught.value.response.status_code == 401
    assert httpx.get(f"{guarded.http}/healthz").status_code == 200


@pytest.mark.parametrize("token", ["x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü"])
def test_a_wrong_token_opens_nothing(guarded: Address, token: str) -> None:
    assert httpx.get(guarded.http, params={"token": token}).status_code == 401
    bearer = {b"authorization": f"Bearer {token}".encode()}
    assert httpx.get(f"{guarded.http}/v1/info", headers=bearer).status_code == 401
    assert httpx.get(f"{guarded.http}/v1/info", headers={b"cookie": f"emotion_cam={token}".encode()}).status_code == 401


def test_the_token_moves_from_the_address_to_a_cookie_that_scripts_cannot_read(guarded: Address) -> None:
    with httpx.Client(base_url=guarded.http) as client:
        answer = client.get("/overlay", params={"bars": "0", "token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/overlay?bars=0")
        cookie = answer.headers["set-cookie"]
        assert "; HttpOnly; SameSite=Strict" in cookie
        assert "Secure" not in cookie
        name, _, value = cookie.partition(";")[0].partition("=")
        given = {"cookie": f"{name}={value}"}
        assert client.get("/", headers=given).status_code == 200
        with connect(f"{guarded.ws}/v1/frames", additional_headers=given):
            pass


def test_programs_give_the_token_as_a_header_or_in_the_address(guarded: Address) -> None:
    assert httpx.get(f"{guarded.http}/v1/info", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.get(f"{guarded.http}/v1/info", params={"token": TOKEN}).status_code == 200
    with connect(f"{guarded.ws}/v1/frames", additional_headers={"authorization": f"bearer {TOKEN}"}):
        pass


def test_over_https_the_cookie_is_secure(recognizer: Recognizer) -> None:
    with in_thread(make_service(recognizer), Access(token=TOKEN, secure=True)) as address:
        assert httpx.get(address.http, params={"token": TOKEN}).headers["set-cookie"].endswith("; Secure")


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    access = Access(token=TOKEN)
    assert access.is_token(TOKEN)
    assert not access.is_token("x")
    assert compared == [(32, 32)] * 2  # digests, which have the same length whatever is given


def test_beyond_this_machine_addresses_and_own_names_are_known() -> None:
    access = Access(names=frozenset({"localhost", "lab.example.org"}), addresses=True)
    assert all(map(access.knows, ("192.168.0.7", "[fe80::1]", "Lab.Example.org", "lab.example.org.", "localhost")))
    assert not any(map(access.knows, ("evil.example", "lab.example.org.evil", "")))
    assert not replace(access, addresses=False).knows("192.168.0.7")


@pytest.mark.parametrize("start", [b"GET /v1/info", b"GET /docs", b"GET /stream.mjpg", b"HEAD /v1/events"])
def test_what_is_no_http_ends_the_connection_and_leaves_no_line(
    server: Address, start: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    request = start + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    # What follows is no chunk: it comes before there is an answer, and then while there is one.
    for parts in ([2 * request], [request, request]):
        with socket.create_connection((server.host, server.port), 20) as connection:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.2)
            answer = b"".join(iter(lambda: connection.recv(100_000), b""))  # until the server ends it
        assert answer.startswith(b"HTTP/1.1 400 " if len(parts) == 1 else b"HTTP/1.1 ")
    assert httpx.get(f"{server.http}/healthz").status_code == 200
    assert not [record for record in caplog.records if record.levelname != "INFO"]
