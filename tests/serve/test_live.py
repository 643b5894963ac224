"""The server's own source, for everybody who watches."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from emotion_cam.drawing.view import View
from emotion_cam.errors import SourceError
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.live import LiveSource, Moment
from emotion_cam.serve.service import Service
from emotion_cam.sources.base import Source
from emotion_cam.sources.spec import open_source
from emotion_cam.types import Frame, Image
from tests.builders import FACES, result
from tests.serve.conftest import make_service
from tests.serve.running import Address, in_thread, noise, wait_until


def with_source(service: Service, film: Path) -> Service:
    service.live = LiveSource(open_source(video=film), lambda: open_source(video=film), service)
    return service


@pytest.fixture(scope="module")
def camera(recognizer: Recognizer, film: Path) -> Iterator[Address]:
    """A server with a video as its own source."""
    with in_thread(with_source(make_service(recognizer), film)) as address:
        yield address


def events(address: Address, count: int) -> list[dict[str, Any]]:
    found = []
    with httpx.stream("GET", f"{address.http}/v1/events", timeout=10) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
            if len(found) == count:
                break
    return found


def test_results_come_as_events_at_the_pace_of_the_source_again_and_again(camera: Address) -> None:
    started = time.monotonic()
    found = events(camera, 24)  # of a video of 20 frames, two seconds long
    assert time.monotonic() - started > 1.5
    assert {entry["source"] for entry in found} == {"clip.mp4"}
    assert {len(entry["faces"]) for entry in found} == {0, 1}
    times = [entry["time"] for entry in found]
    assert sum(later < earlier for earlier, later in pairwise(times)) >= 1  # it started over


def test_results_come_by_websocket(camera: Address) -> None:
    with connect(f"{camera.ws}/v1/stream") as program:
        line = json.loads(program.recv(10))
        assert {*line} == {"source", "frame", "time", "faces"}
    with connect(f"{camera.ws}/v1/stream?detail=true") as overlay:
        assert json.loads(overlay.recv(10))["size"] == [320, 240]


def test_pages_get_pictures_with_their_results(camera: Address) -> None:
    with connect(f"{camera.ws}/v1/stream?pictures=true&detail=true") as page:
        message = page.recv(10)
        assert isinstance(message, bytes)
        length = int.from_bytes(message[:4], "little")
        assert json.loads(message[4 : 4 + length])["size"] == [320, 240]
        picture = cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (240, 320, 3)


def test_the_annotated_picture_comes_as_mjpeg(camera: Address) -> None:
    with httpx.stream("GET", f"{camera.http}/stream.mjpg", timeout=10) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=emotion-cam-frame"
        data = b""
        for chunk in answer.iter_raw():
            data += chunk
            if data.count(b"--emotion-cam-frame") > 3:
                break
    parts = data.split(b"--emotion-cam-frame\r\n")[1:-1]
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2])
        assert cv2.imdecode(np.frombuffer(body[:length], np.uint8), cv2.IMREAD_COLOR) is not None


def report_of(watcher: ClientConnection) -> dict[str, Any]:
    """End a recording, and wait for its report."""
    watcher.send('{"report": "end"}')
    while True:
        message = watcher.recv(30)
        if isinstance(message, str) and '"type":"report"' in message[:20]:
            answer: dict[str, Any] = json.loads(message)
            return answer


def test_a_report_of_what_was_watched(camera: Address) -> None:
    pytest.importorskip("matplotlib")
    with connect(f"{camera.ws}/v1/stream?pictures=true") as page:
        assert report_of(page)["error"] == "Nothing was recorded for a report."
        page.send('{"report": "start"}')
        for _ in range(30):  # the video starts over meanwhile
            page.recv(10)
        answer = report_of(page)
        assert answer["complete"]
        assert "clip.mp4" in answer["page"]
        assert "data:image/jpeg" in answer["page"]
        page.send('{"blur": true, "report": "start"}')
        for _ in range(20):
            page.recv(10)
        answer = report_of(page)
        assert "clip.mp4" in answer["page"]
        assert "data:image/jpeg" not in answer["page"]


def test_a_report_shows_no_faces_that_the_view_hides(recognizer: Recognizer, film: Path) -> None:
    pytest.importorskip("matplotlib")
    service = with_source(make_service(recognizer), film)
    service.view = View(blur=True)
    with in_thread(service) as address, connect(f"{address.ws}/v1/stream") as watcher:
        watcher.send('{"report": "start"}')
        for _ in range(20):
            watcher.recv(10)
        assert "data:image/jpeg" not in report_of(watcher)["page"]


def test_a_paused_watcher_gets_nothing(camera: Address) -> None:
    with connect(f"{camera.ws}/v1/stream") as watcher:
        watcher.recv(10)
        watcher.send('{"paused": true}')
        with pytest.raises(TimeoutError):
            while True:
                watcher.recv(1)
        watcher.send('{"paused": false}')
        assert json.loads(watcher.recv(10))["source"] == "clip.mp4"


@pytest.mark.parametrize("message", ["hello", '{"explain": true}', b"frame"])
def test_a_watcher_that_sends_what_is_no_command_is_let_go(camera: Address, message: str | bytes) -> None:
    with connect(f"{camera.ws}/v1/stream") as watcher:
        watcher.send(message)
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(100):
                watcher.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1003


def test_opencv_reads_the_mjpeg(camera: Address) -> None:
    with open_source(video=f"{camera.http}/stream.mjpg") as source:
        assert next(iter(source)).image.shape == (240, 320, 3)


def test_without_a_source_there_is_nothing_to_watch(server: Address) -> None:
    for path in ("/v1/events", "/stream.mjpg"):
        answer = httpx.get(server.http + path)
        assert (answer.status_code, "no source of its own" in answer.json()["detail"]) == (404, True)
    with connect(f"{server.ws}/v1/stream") as program, pytest.raises(ConnectionClosed, match="no source of its own"):
        program.recv(5)


def test_watchers_are_limited(recognizer: Recognizer, film: Path) -> None:
    service = with_source(make_service(recognizer, Limits(watchers=1)), film)
    with in_thread(service) as address, connect(f"{address.ws}/v1/stream") as first:
        first.recv(10)
        for path in ("/v1/events", "/stream.mjpg"):
            answer = httpx.get(address.http + path)
            assert (answer.status_code, "full" in answer.json()["detail"]) == (503, True)
        with connect(f"{address.ws}/v1/stream") as second, pytest.raises(ConnectionClosed) as caught:
            second.recv(5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013


def test_a_watcher_that_takes_nothing_does_not_hold_up_others(camera: Address) -> None:
    with connect(f"{camera.ws}/v1/stream?pictures=true", max_queue=1) as slow:
        slow.recv(10)
        assert len(events(camera, 10)) == 10


def test_nothing_is_recognized_while_nobody_watches(camera: Address) -> None:
    def count() -> float:
        lines = httpx.get(f"{camera.http}/metrics").text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith('emotion_cam_pictures_total{origin="source"}')
        )

    def is_calm() -> bool:
        before = count()
        time.sleep(0.7)  # seven frames of the video
        return count() == before

    wait_until(lambda: "emotion_cam_watchers 0.0" in httpx.get(f"{camera.http}/metrics").text)
    wait_until(is_calm)  # what was under way is counted too
    before = count()
    assert events(camera, 2)
    assert count() > before


def test_a_folder_of_pictures_is_shown_one_after_the_other(
    recognizer: Recognizer, portrait: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion_cam.serve.live.PICTURE_SECONDS", 0.2)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), portrait)
    service = make_service(recognizer)
    service.live = LiveSource(open_source(image=tmp_path), lambda: open_source(image=tmp_path), service)
    with in_thread(service) as address:
        found = events(address, 4)
    assert {entry["source"] for entry in found} == {"a.png", "b.png"}
    assert all(len(entry["faces"]) == 1 for entry in found)


class Large(Source):
    """Gives large pictures that hardly compress, a hundred a second."""

    name, live = "camera 8", True

    def __iter__(self) -> Iterator[Frame]:
        image = noise(1280, 720)
        for index in range(6000):
            time.sleep(0.01)
            yield Frame(image, index, index / 100, self.name)


class Nobody:
    """Finds no face, at once."""

    tasks = ("emotion",)

    def follow(self, *_: object, live: bool) -> Any:
        return lambda image, seconds: ()


def test_a_watcher_that_takes_nothing_is_let_go() -> None:
    service = make_service(Nobody(), Limits(idle_seconds=0.5))  # type: ignore[arg-type]
    service.live = LiveSource(Large(), Large, service)
    with in_thread(service) as address, socket.create_connection((address.host, address.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        live = service.live
        wait_until(lambda: live.watchers == 1)
        wait_until(lambda: live.watchers == 0, 60)


class Failing(Source):
    """Gives one frame, then fails."""

    name, live = "camera 7", True

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(np.zeros((24, 32, 3), np.uint8), 0, 0.0, self.name)
        raise SourceError("Camera 7 stopped: was it unplugged?")


def test_a_source_that_fails_is_named_and_opened_again(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("emotion_cam.serve.live._RETRY_SECONDS", 0.3)
    service = make_service(recognizer)
    opened: list[int] = []

    def reopen() -> Source:
        opened.append(1)
        return Failing()

    service.live = LiveSource(Failing(), reopen, service)
    with in_thread(service) as address:
        wait_until(
            lambda: (
                httpx.get(f"{address.http}/v1/info").json()["source"]["problem"]
                == "Camera 7 stopped: was it unplugged?"
            )
        )
        wait_until(lambda: len(opened) > 1)
    assert "Trying again every" in caplog.text


def test_what_the_view_hides_is_hidden_from_watchers_too() -> None:
    shown = result(faces=FACES, image=np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8))
    box = FACES[0].box

    def spread(view: View, *, annotated: bool = False) -> float:
        data = Moment(replace(shown, view=view), b"{}").jpeg(annotated=annotated)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return float(image[box.y1 + 6 : box.y2 - 6, box.x1 + 6 : box.x2 - 6].std())

    assert spread(View()) > 40
    assert spread(View(blur=True)) < 15
    assert spread(View(picture=False)) < 2
    assert spread(View(blur=True, bars=False), annotated=True) < 60
