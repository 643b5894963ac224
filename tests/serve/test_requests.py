"""Requests with a picture, and what else programs ask for."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.result import Result
from emotion_cam.serve.limits import Limits
from emotion_cam.types import Frame, Image
from tests.serve.conftest import make_service
from tests.serve.running import Address, in_thread, jpeg, noise, png_bomb, wait_until

PNG = cv2.imencode(".png", noise(30, 30))[1].tobytes()


def recognized(server: Address, content: bytes, **options: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server.http}/v1/recognize", content=content, params=options, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    table: dict[str, Any] = answer.json()
    return table


def test_the_answer_is_that_of_the_library(server: Address, picture: bytes, recognizer: Recognizer) -> None:
    image = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    expected = Result(Frame(image, 0, 0.0, "picture"), recognizer(image)).as_dict()
    assert recognized(server, picture) == json.loads(json.dumps(expected))
    assert expected["faces"][0]["predictions"]["emotion"]["label"] == "happy"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_raw_and_in_a_form_in_every_format(server: Address, portrait: Image, suffix: str) -> None:
    data = cv2.imencode(suffix, portrait)[1].tobytes()
    raw = recognized(server, data)
    answer = httpx.post(f"{server.http}/v1/recognize", files={"picture": (f"photo{suffix}", data)})
    form = answer.json()
    assert form.pop("source") == f"photo{suffix}"
    assert raw.pop("source") == "picture"
    assert form == raw
    assert len(raw["faces"]) == 1


def test_a_picture_is_turned_upright(server: Address, portrait: Image) -> None:
    import io

    from PIL import Image as PillowImage

    exif = PillowImage.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    turned = PillowImage.fromarray(np.ascontiguousarray(portrait[..., ::-1])).rotate(90)
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=exif)
    assert len(recognized(server, file.getvalue())["faces"]) == 1


def test_options_mean_what_they_mean_on_the_command_line(server: Address, picture: bytes) -> None:
    assert list(recognized(server, picture, without="gender")["faces"][0]["predictions"]) == ["emotion"]
    grouped = recognized(server, picture, group="positive=happy,surprise")["faces"][0]["predictions"]["emotion"]
    assert grouped["label"] == "positive"
    assert "happy" not in grouped["scores"]
    assert recognized(server, picture, min_confidence=1)["faces"][0]["predictions"]["gender"]["label"] == "unsure"
    assert recognized(server, picture, min_face=0.9)["faces"] == []
    detail = recognized(server, picture, detail=True)
    assert detail["size"] == [512, 512]
    heat = detail["faces"][0]["predictions"]["emotion"]["map"]
    assert len(heat["values"]) == heat["rows"] * heat["columns"]
    assert max(heat["values"]) == 255


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"min_confidence": 2}, "`min_confidence` must be between 0 and 1"),
        ({"min_face": 0}, "`min_face` must be between"),
        ({"group": "positive"}, "`group` must be written"),
        ({"group": "positive=happy,nothing"}, "which no model predicts"),
    ],
)
def test_wrong_options_are_refused_with_the_reason(
    server: Address, picture: bytes, options: dict[str, str], reason: str
) -> None:
    answer = httpx.post(f"{server.http}/v1/recognize", content=picture, params=options)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 422, "There is no picture"),
        (b"hello", 415, "This is no picture in the format JPEG, PNG or WebP."),
        (PNG[:60], 415, "damaged"),
    ],
)
def test_what_is_no_picture_is_refused(server: Address, content: bytes, status: int, reason: str) -> None:
    answer = httpx.post(f"{server.http}/v1/recognize", content=content)
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True)


def test_a_bomb_is_refused(server: Address) -> None:
    bomb = png_bomb(10_000, 10_000)
    assert len(bomb) < 20_000
    answer = httpx.post(f"{server.http}/v1/recognize", content=bomb)
    assert answer.status_code == 413
    assert "10000×10000" in answer.json()["detail"]


def test_a_broken_form_is_refused(server: Address) -> None:
    form = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n\r\n", b"--y\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--y--"):
        assert httpx.post(f"{server.http}/v1/recognize", content=body, headers=form).status_code in (400, 422)
    no_boundary = {"content-type": "multipart/form-data"}
    assert httpx.post(f"{server.http}/v1/recognize", content=b"x", headers=no_boundary).status_code in (400, 422)


def test_uploads_are_not_written_to_the_disk(server: Address, portrait: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile._TemporaryFileArgs", None, raising=False)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: pytest.fail("a file"))
    large = cv2.imencode(".png", noise(900, 900))[1].tobytes()
    assert len(large) > 2_000_000  # more than what Starlette keeps in memory by itself
    assert httpx.post(f"{server.http}/v1/recognize", files={"picture": ("a.png", large)}).status_code == 200


def test_too_many_bytes_are_refused_announced_or_not(recognizer: Recognizer, portrait: Image) -> None:
    with in_thread(make_service(recognizer, Limits(body_bytes=50_000))) as address:
        address_of = f"{address.http}/v1/recognize"
        assert httpx.post(address_of, content=bytes(50_001)).status_code == 413
        answer = httpx.post(address_of, content=iter([bytes(1000)] * 51))  # without Content-Length
        assert answer.status_code == 413
        assert httpx.post(address_of, content=jpeg(portrait, 50)).status_code == 200


def test_a_body_that_comes_too_slowly_is_refused(recognizer: Recognizer) -> None:
    goes_on = threading.Event()

    def slowly() -> Any:
        yield b"x"
        goes_on.wait(10)

    with in_thread(make_service(recognizer, Limits(body_seconds=0.3))) as address:
        try:
            answer = httpx.post(f"{address.http}/v1/recognize", content=slowly(), timeout=5)
            assert answer.status_code == 408
        except httpx.HTTPError:  # the connection was closed while the rest was awaited
            pass
        finally:
            goes_on.set()


def test_a_busy_server_says_so(recognizer: Recognizer, picture: bytes) -> None:
    service = make_service(recognizer, Limits(waiting=0))
    blocked, free = threading.Event(), threading.Event()

    class Slow:
        tasks = recognizer.tasks

        def __call__(self, image: Image) -> tuple[()]:
            blocked.set()
            free.wait(10)
            return ()

    service.recognizer = Slow()  # type: ignore[assignment]
    with in_thread(service) as address:
        first: list[int] = []
        thread = threading.Thread(
            target=lambda: first.append(httpx.post(f"{address.http}/v1/recognize", content=picture).status_code)
        )
        thread.start()
        assert blocked.wait(20)
        answer = httpx.post(f"{address.http}/v1/recognize", content=picture)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "busy" in answer.json()["detail"]
        free.set()
        thread.join(20)
        assert first == [200]


def test_pictures_that_are_still_being_sent_count_too(recognizer: Recognizer, picture: bytes) -> None:
    goes_on = threading.Event()

    def slowly() -> Any:
        yield picture[:100]
        goes_on.wait(30)
        yield picture[100:]

    service = make_service(recognizer, Limits(waiting=0))
    with in_thread(service) as address:
        first: list[int] = []
        thread = threading.Thread(
            target=lambda: first.append(httpx.post(f"{address.http}/v1/recognize", content=slowly()).status_code)
        )
        thread.start()
        wait_until(lambda: service.workers.requests)
        assert httpx.post(f"{address.http}/v1/recognize", content=picture).status_code == 503
        goes_on.set()
        thread.join(10)
        assert first == [200]


def test_a_report_of_a_picture(server: Address, picture: bytes) -> None:
    pytest.importorskip("matplotlib")
    answer = httpx.post(f"{server.http}/v1/report", files={"picture": ("photo.jpg", picture)}, timeout=60)
    assert answer.status_code == 200
    assert "photo.jpg" in answer.text
    assert "data:image/jpeg" in answer.text
    assert answer.headers["content-disposition"].startswith("attachment")


def test_health_metrics_and_description(server: Address, picture: bytes) -> None:
    recognized(server, picture)
    text = httpx.get(f"{server.http}/metrics").text
    assert 'emotion_cam_pictures_total{origin="request"}' in text
    assert "emotion_cam_recognition_seconds_bucket" in text
    assert 'emotion_cam_refused_total{reason="' in text or "emotion_cam_refused_total" in text
    described = httpx.get(f"{server.http}/openapi.json").json()
    assert {"/v1/recognize", "/v1/events", "/healthz", "/metrics"} <= set(described["paths"])
    assert described["paths"]["/v1/recognize"]["post"]["requestBody"]["content"]["multipart/form-data"]
    info = httpx.get(f"{server.http}/v1/info").json()
    assert [(task["name"], task["key"]) for task in info["tasks"]] == [("emotion", "o"), ("gender", "g")]


def test_pages_come_from_the_package_and_name_no_other_place(server: Address) -> None:
    folder = Path(__file__).parents[2] / "emotion_cam" / "serve" / "page"
    for path in folder.iterdir():
        answer = httpx.get(f"{server.http}/page/{path.name}")
        assert answer.content == path.read_bytes()
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text.replace("https:", "")
        assert "https://" not in text
        assert "innerHTML" not in text
        again = httpx.get(f"{server.http}/page/{path.name}", headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    for place in ("/", "/docs", "/overlay"):
        answer = httpx.get(server.http + place)
        assert answer.headers["content-type"].startswith("text/html")
        assert " style=" not in answer.text
        assert "onclick" not in answer.text


@pytest.mark.parametrize("name", ["..%2Fapp.py", "%2e%2e%2fapp.py", "app.py", ".hidden", "nothing.js", "a%00.js"])
def test_nothing_but_the_page_is_given_out(server: Address, name: str) -> None:
    assert httpx.get(f"{server.http}/page/{name}").status_code == 404
