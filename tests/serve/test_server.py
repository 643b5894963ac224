"""The server as a process: its address, its limits on connections, its end, its log."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.spec import ServeSpec
from tests.command import emotion_cam
from tests.serve.conftest import make_service
from tests.serve.running import Address, Process, frame, in_thread, wait_until


def answer_to(address: Address, data: bytes, seconds: float = 5) -> bytes:
    """What the server answers to raw bytes, until it closes the connection."""
    with socket.create_connection((address.host, address.port), seconds) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_headers_that_are_too_large_are_refused(server: Address) -> None:
    answer = answer_to(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000)
    assert answer.startswith(b"HTTP/1.1 400")
    long_path = answer_to(server, b"GET /" + b"x" * 20_000)
    assert long_path.startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{server.http}/healthz").status_code == 200


@pytest.mark.parametrize(
    "data", [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100]
)
def test_what_is_no_request_is_refused(server: Address, data: bytes) -> None:
    assert answer_to(server, data + b"\r\n\r\n").startswith(b"HTTP/1.1 4")


def test_headers_that_come_too_slowly_end_the_connection(recognizer: Recognizer) -> None:
    with in_thread(make_service(recognizer, Limits(header_seconds=0.8))) as address:
        started = time.monotonic()
        for beginning in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc"):
            assert answer_to(address, beginning) == b""
        with socket.create_connection((address.host, address.port), 5) as connection:  # the second request is slow
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            data = b""
            while not data.endswith(b"ok\n"):
                data += connection.recv(65536)
            connection.sendall(b"GET /heal")
            assert connection.recv(65536) == b""
        assert time.monotonic() - started < 20
        with httpx.Client() as client:  # a connection that is used well stays
            for _ in range(3):
                assert client.get(f"{address.http}/healthz").status_code == 200
                time.sleep(0.2)


def test_connections_are_limited(recognizer: Recognizer) -> None:
    with in_thread(make_service(recognizer, Limits(connections=4))) as address:
        held = [socket.create_connection((address.host, address.port), 5) for _ in range(4)]
        try:
            assert answer_to(address, b"").startswith(b"HTTP/1.1 503")
        finally:
            for connection in held:
                connection.close()
        wait_until(lambda: httpx.get(f"{address.http}/healthz").status_code == 200)


def test_ctrl_c_ends_it_within_two_seconds_with_everything_open(film: Path, picture: bytes) -> None:
    with Process("--video", film) as process:
        address = process.address
        with (
            connect(f"{address.ws}/v1/frames") as page,
            connect(f"{address.ws}/v1/stream") as program,
            httpx.stream("GET", f"{address.http}/stream.mjpg", timeout=10) as pictures,
            httpx.stream("GET", f"{address.http}/v1/events", timeout=10) as events,
        ):
            page.send(frame(1, 0.0, picture))
            assert page.recv(10)
            assert program.recv(10)
            assert next(pictures.iter_raw())
            assert next(events.iter_raw())
            assert process.interrupt() < 2
            assert process.exit_code == 130
            for websocket in (page, program):
                with pytest.raises(ConnectionClosed) as caught:
                    while True:
                        websocket.recv(2)
                assert caught.value.rcvd is not None  # a close frame, and no lost connection
                assert caught.value.rcvd.code in (1001, 1012)
        assert "Traceback" not in "".join(process.output)


def test_the_log_holds_neither_pictures_nor_tokens(picture: bytes) -> None:
    secret = "secret-of-the-test"
    with Process(environment={"EMOTION_CAM_TOKEN": secret}) as process:
        address = process.address.http
        assert httpx.get(address, params={"token": "wrong"}).status_code == 401
        assert httpx.get(address, params={"token": secret}).status_code == 303
        given = {"authorization": f"Bearer {secret}"}
        assert httpx.post(f"{address}/v1/recognize", content=picture, headers=given).status_code == 200
        assert httpx.post(f"{address}/v1/recognize", content=picture[:9000], headers=given).status_code in (200, 415)
        answer_to(process.address, b"nonsense " + secret.encode() + b"\r\n\r\n")
        process.interrupt()
        printed = "".join(process.output)
    assert "Serving on" in printed
    assert secret not in printed
    assert "JFIF" not in printed
    assert len(printed) < 2000


def test_beyond_this_machine_a_token_is_made_and_printed_as_part_of_the_address(picture: bytes) -> None:
    with Process("--host", "0.0.0.0") as process:
        found = re.fullmatch(r"http://[^/]+:\d+/\?token=([\w-]{20,})", process.printed)
        assert found, process.printed
        address = process.address.http  # reached at an address in numbers
        assert httpx.get(address).status_code == 401
        with httpx.Client(base_url=address, follow_redirects=True) as client:
            assert "emotion-cam" in client.get("/", params={"token": found[1]}).text
            assert client.post("/v1/recognize", content=picture).status_code == 200
        wait_until(lambda: "only over https" in "".join(process.output))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key in the same file."""
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run([*command, *names, "-out", path, "-keyout", f"{path}.key"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl")
    path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
    return path


def test_https(certificate: Path, picture: bytes) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    with Process("--certificate", certificate) as process:
        assert process.printed.startswith("https://127.0.0.1:")
        address = f"https://localhost:{process.address.port}"
        with httpx.Client(base_url=address, verify=trusted) as client:
            assert len(client.post("/v1/recognize", content=picture).json()["faces"]) == 1
        with connect(f"wss://localhost:{process.address.port}/v1/frames", ssl=trusted) as page:
            page.send(frame(1, 0.0, picture))
            assert "happy" in str(page.recv(10))


def test_what_cannot_be_served_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = emotion_cam("serve", "--no-browser", "--port", str(taken.getsockname()[1]))
        assert (run.exit_code, "cannot listen on 127.0.0.1" in run.stderr, "--port" in run.stderr) == (1, True, True)
    (tmp_path / "x.pem").write_text("no certificate")
    for path in (tmp_path / "x.pem", tmp_path / "none.pem"):
        run = emotion_cam("serve", "--no-browser", "--certificate", path, "--port", "0")
        assert (run.exit_code, "cannot be used as a certificate" in run.stderr) == (1, True)
    run = emotion_cam("serve", "--no-browser", "--video", tmp_path / "none.mp4", "--port", "0")
    assert (run.exit_code, "none.mp4" in run.stderr) == (1, True)
    run = emotion_cam("serve", "--video", "-")
    assert (run.exit_code, "Standard input cannot be served" in run.stderr) == (2, True)
    run = emotion_cam("serve", "--key", tmp_path / "x.pem")
    assert (run.exit_code, "--certificate" in run.stderr) == (2, True)


@pytest.mark.parametrize(
    ("host", "private"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.0.0.9", True), ("0.0.0.0", False), ("::", False),
     ("192.168.0.7", False), ("lab.example.org", False)],
)  # fmt: skip
def test_which_hosts_only_this_machine_reaches(host: str, private: bool) -> None:
    assert ServeSpec(host=host).is_private == private


def test_a_name_that_others_know_needs_a_token() -> None:
    assert not ServeSpec().needs_token
    assert ServeSpec(host="0.0.0.0").needs_token
    assert ServeSpec(host_name=("lab.example.org",)).needs_token


def test_numbers_of_the_spec_are_checked() -> None:
    for wrong in ({"port": 70_000}, {"pages": 0}, {"workers": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be"):
            ServeSpec(**wrong)  # type: ignore[arg-type]
    assert ServeSpec(workers=3).worker_count == 3
