"""Pages that send their webcam."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack, suppress
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from emotion_cam.recognition.recognizer import Follower, Recognizer
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.recording import Recorder
from emotion_cam.types import Face, Image
from tests.builders import result
from tests.serve.conftest import make_service
from tests.serve.running import Address, frame, in_thread, jpeg, noise, png_bomb, wait_until

PNG = cv2.imencode(".png", noise(30, 30))[1].tobytes()


def ask(page: ClientConnection, number: int, seconds: float, picture: bytes) -> dict[str, Any]:
    """Send a frame, and wait for its result."""
    page.send(frame(number, seconds, picture))
    answer: dict[str, Any] = json.loads(page.recv(20))
    return answer


def ending(page: ClientConnection, seconds: float = 10) -> tuple[int, str]:
    """The code and the reason with which the server closes a connection."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            page.recv(seconds)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


class Slow:
    """Finds no face, and that not before it may.

    Attributes:
        busy: is set once it has a picture.
        free: lets it find nothing.
    """

    tasks = ("emotion",)

    def __init__(self) -> None:
        self.busy, self.free = threading.Event(), threading.Event()

    def follow(self, *_: object, live: bool) -> Any:
        def follower(image: Image, seconds: float) -> tuple[Face, ...]:
            self.busy.set()
            self.free.wait(30)
            return ()

        return follower


def test_a_face_keeps_its_number_and_the_answer_its_frame(server: Address, portrait: Image) -> None:
    with connect(f"{server.ws}/v1/frames") as page:
        for number in range(1, 6):
            moved = jpeg(np.roll(portrait, 3 * number, axis=1))
            answer = ask(page, number, number / 10, moved)
            assert (answer["type"], answer["frame"], answer["time"]) == ("result", number, number / 10)
            (face,) = answer["faces"]
            assert face["track"] == 1
            assert face["predictions"]["emotion"]["label"] == "happy"
            assert answer["size"] == [512, 512]


def test_each_page_has_a_follower_of_its_own(server: Address, picture: bytes) -> None:
    with connect(f"{server.ws}/v1/frames") as first, connect(f"{server.ws}/v1/frames") as second:
        nobody = jpeg(noise(64, 64))
        for number in range(3):
            assert ask(first, number, number / 10, picture)["faces"][0]["track"] == 1
            assert ask(second, number, number / 10, nobody)["faces"] == []
        assert ask(second, 9, 1.0, picture)["faces"][0]["track"] == 1


def test_class_maps_come_when_they_are_asked_for(server: Address, picture: bytes) -> None:
    with connect(f"{server.ws}/v1/frames") as page:
        assert "map" not in ask(page, 1, 0.1, picture)["faces"][0]["predictions"]["emotion"]
        page.send('{"explain": true, "source": "clip.mp4"}')
        answer = ask(page, 2, 0.2, picture)
        assert answer["source"] == "clip.mp4"
        assert answer["faces"][0]["predictions"]["emotion"]["map"]["values"]


def test_the_newest_frame_wins_and_a_slow_server_never_lags(recognizer: Recognizer) -> None:
    service = make_service(recognizer)
    service.recognizer = slow = Slow()  # type: ignore[assignment]
    with in_thread(service) as address, connect(f"{address.ws}/v1/frames") as page:
        small = jpeg(noise(32, 32))
        page.send(frame(0, 0.0, small))
        assert slow.busy.wait(20)
        for number in range(1, 100):
            page.send(frame(number, number / 10, small))
        replaced = "emotion_cam_frames_replaced_total 98.0"
        wait_until(lambda: replaced in httpx.get(f"{address.http}/metrics").text)
        slow.free.set()
        answers = [json.loads(page.recv(20))["frame"] for _ in range(2)]
        assert answers == [0, 99]
        with pytest.raises(TimeoutError):
            page.recv(0.3)
        assert replaced in httpx.get(f"{address.http}/metrics").text


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (b"", 1003, "12 bytes of number and time"),
        (b"short", 1003, "12 bytes of number and time"),
        (frame(1, 0.0, b"no picture"), 1003, "This is no picture"),
        (frame(1, 0.0, PNG[:60]), 1003, "damaged"),
        (frame(1, float("nan"), b"x"), 1003, "The time of a frame"),
        (frame(1, -1.0, b"x"), 1003, "The time of a frame"),
        (frame(1, float("inf"), b"x"), 1003, "The time of a frame"),
        (frame(1, 0.0, png_bomb(10_000, 10_000)), 1009, "10000×10000 pixels"),
        ("{}x", 1003, "This is no command"),
        ('{"bluur": true}', 1003, "unknown field `bluur`"),
        ('{"blur": "yes"}', 1003, "Expected `bool"),
        ('{"report": "begin"}', 1003, "Invalid enum value 'begin'"),
        ("\x00", 1003, "This is no command"),
    ],
)
def test_malformed_messages_end_one_connection_with_the_reason(
    server: Address, picture: bytes, message: bytes | str, code: int, reason: str
) -> None:
    with connect(f"{server.ws}/v1/frames") as other, connect(f"{server.ws}/v1/frames") as page:
        ask(other, 1, 0.0, picture)
        page.send(message)
        closed, why = ending(page)
        assert closed == code
        assert reason in why
        assert len(ask(other, 2, 0.1, picture)["faces"]) == 1


def test_a_message_that_is_too_large_ends_the_connection(recognizer: Recognizer, picture: bytes) -> None:
    with in_thread(make_service(recognizer, Limits(frame_bytes=10_000))) as address:
        with connect(f"{address.ws}/v1/frames") as page:
            page.send(frame(1, 0.0, picture))
            assert ending(page)[0] == 1009
        with connect(f"{address.ws}/v1/frames") as page:  # in parts, each of which is small enough
            with suppress(ConnectionClosed):  # the server may close it before the last part is sent
                page.send([picture[:5000], picture[5000:10_000], picture[10_000:]])
            assert ending(page)[0] == 1009


def test_a_full_server_says_so(server: Address, picture: bytes) -> None:
    with ExitStack() as stack:
        pages = [stack.enter_context(connect(f"{server.ws}/v1/frames")) for _ in range(3)]
        for page in pages:
            ask(page, 1, 0.0, picture)
        with connect(f"{server.ws}/v1/frames") as one_more:
            assert ending(one_more) == (1013, "The server is full: 3 pages use it. Try again later.")
        assert 'emotion_cam_refused_total{reason="full"}' in httpx.get(f"{server.http}/metrics").text
        pages.pop().close()
        with connect(f"{server.ws}/v1/frames") as one_more:
            assert ask(one_more, 1, 0.0, picture)["faces"]


def test_a_page_that_blurs_is_searched_in_full_and_faces_keep_their_numbers(
    recognizer: Recognizer, picture: bytes
) -> None:
    service = make_service(recognizer)
    followers: list[Follower] = []

    class Watched:
        tasks = recognizer.tasks

        def follow(self, every: float, smooth: float, *, live: bool) -> Follower:
            assert live
            followers.append(recognizer.follow(every, smooth, live=live))
            return followers[-1]

    service.recognizer = Watched()  # type: ignore[assignment]
    with in_thread(service) as address, connect(f"{address.ws}/v1/frames") as page:
        ask(page, 0, 0.0, picture)
        searched = []
        for number, blur in enumerate((False, True, False, True), start=1):
            page.send(json.dumps({"blur": blur}))
            assert ask(page, number, number / 10, picture)["faces"][0]["track"] == 1
            searched.append(followers[-1].every)
        assert searched == [0.2, 0.0, 0.2, 0.0]
        assert len(followers) == 1
        page.send('{"source": "clip.mp4"}')  # another stream begins
        ask(page, 1, 0.0, picture)
        assert [follower.every for follower in followers] == [0.0, 0.0]


def test_a_silent_page_is_let_go(recognizer: Recognizer) -> None:
    with (
        in_thread(make_service(recognizer, Limits(idle_seconds=0.3))) as address,
        connect(f"{address.ws}/v1/frames") as page,
    ):
        assert ending(page) == (4408, "Nothing came for 0.3 seconds.")


def test_too_many_commands_at_a_time_end_the_connection(recognizer: Recognizer, picture: bytes) -> None:
    service = make_service(recognizer)
    service.recognizer = slow = Slow()  # type: ignore[assignment]
    with in_thread(service) as address, connect(f"{address.ws}/v1/frames") as page:
        page.send(frame(1, 0.0, picture))
        assert slow.busy.wait(20)
        with suppress(ConnectionClosed):  # it may be closed before the last one is sent
            for _ in range(30):
                page.send("{}")
        assert ending(page) == (1003, "Too many commands at a time.")
        slow.free.set()


def test_a_report_of_what_a_page_showed(server: Address, picture: bytes) -> None:
    pytest.importorskip("matplotlib")
    with connect(f"{server.ws}/v1/frames") as page:
        page.send('{"report": "end"}')
        assert json.loads(page.recv(10)) == {"type": "report", "error": "Nothing was recorded for a report."}
        page.send('{"report": "start", "source": "clip.mp4"}')
        for number in range(10):
            ask(page, number, number / 10, picture)
        page.send('{"report": "end"}')
        answer = json.loads(page.recv(30))
        assert answer["complete"]
        assert "clip.mp4" in answer["page"]
        assert "data:image/jpeg" in answer["page"]


def test_the_time_of_a_report_begins_with_the_recording_or_with_the_stream() -> None:
    recorder = Recorder(make_service(None))  # type: ignore[arg-type]
    for start, times, expected in (
        (None, (60.0, 60.5, 0.0, 0.5), [0.0, 0.5, 0.5, 1.0]),  # the file starts over
        (0.0, (2.0, 2.5), [2.0, 2.5]),
    ):
        recorder.start(at=start)
        for time_of in times:
            recorder.add(result(time=time_of), with_picture=False)
        assert recorder._recording is not None
        (source,) = recorder._recording._history.sources.values()
        assert list(source.times) == expected


def test_a_report_of_blurred_faces_has_no_pictures(server: Address, picture: bytes) -> None:
    pytest.importorskip("matplotlib")
    with connect(f"{server.ws}/v1/frames") as page:
        page.send('{"blur": true, "report": "start"}')
        for number in range(3):
            assert ask(page, number, number / 10, picture)["faces"]
        page.send('{"report": "end"}')
        assert "data:image/jpeg" not in json.loads(page.recv(30))["page"]


def test_a_report_has_limits(recognizer: Recognizer, picture: bytes) -> None:
    pytest.importorskip("matplotlib")
    limits = Limits(report_faces=8)
    with in_thread(make_service(recognizer, limits)) as address, connect(f"{address.ws}/v1/frames") as page:
        page.send('{"report": "start"}')
        for number in range(8):
            ask(page, number, number / 10, picture)
        page.send('{"report": "end"}')
        assert json.loads(page.recv(30))["complete"] is False


def test_a_page_that_leaves_at_once_leaves_nothing_behind(server: Address, picture: bytes) -> None:
    for _ in range(12):
        with connect(f"{server.ws}/v1/frames") as page:
            page.send(frame(1, 0.0, picture))
            page.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: httpx.get(f"{server.http}/v1/info").json()["pages"]["now"] == 0)
