"""OscSink, with a real receiver."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.sinks.osc import OscSink
from emotion_cam.sinks.spec import OutputSpec, parse_receiver
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.types import Box, Face, Frame
from tests.builders import prediction, result, write_picture
from tests.command import emotion_cam


class Live(Source):
    """A camera."""

    name, live, size = "camera 0", True, (320, 240)

    def __iter__(self) -> Iterator[Frame]:
        yield from ()


class Receiver:
    """A program that receives OSC, and the messages that it got."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.messages: list[tuple[str, tuple[object, ...]]] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *arguments: self.messages.append((address, arguments)))
        self.server = BlockingOSCUDPServer((host, 0), dispatcher)
        self.host, self.port = self.server.server_address[:2]

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield
            time.sleep(0.1)  # what has been sent is there, and only has to be read
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()

    def sink(self, source: Source) -> OscSink:
        return OscSink(source, str(self.host), int(self.port))

    def values(self, address: str) -> list[object]:
        """The arguments of each message to an address; one argument by itself."""
        found = [arguments for each, arguments in self.messages if each == f"/emotion-cam/{address}"]
        return [arguments[0] if len(arguments) == 1 else arguments for arguments in found]


def face(track: int | None) -> Face:
    scores = {"happy": 0.75, "so sad?": 0.25}
    return Face(Box(32, 24, 96, 144), {"mood": prediction(**scores)}, track)


def test_the_messages_of_a_frame() -> None:
    receiver = Receiver()
    with receiver.listening(), receiver.sink(Live()) as sink:
        sink.write(result(7, 0.25, faces=[face(17)]))
    assert receiver.messages == [
        ("/emotion-cam/frame", (7, 0.25, 1)),
        ("/emotion-cam/face/1/present", (1,)),
        ("/emotion-cam/face/1/track", (17,)),
        ("/emotion-cam/face/1/box", (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.2), 0.5)),
        ("/emotion-cam/face/1/mood", ("happy",)),
        ("/emotion-cam/face/1/mood/happy", (0.75,)),
        ("/emotion-cam/face/1/mood/so_sad_", (0.25,)),
        ("/emotion-cam/face/1/present", (0,)),
    ]


def test_a_face_keeps_its_place_and_a_new_one_gets_the_lowest() -> None:
    receiver = Receiver()
    in_view = [[4], [4, 9], [9], [9], [9], [9, 12], [9, 12], []]
    with receiver.listening(), receiver.sink(Live()) as sink:
        for index, tracks in enumerate(in_view):
            sink.write(result(index, index / 10, faces=[face(track) for track in tracks]))
    assert receiver.values("face/1/track") == [4, 4, 12, 12]
    assert receiver.values("face/2/track") == [9] * 6
    assert receiver.values("face/1/present") == [1, 1, 0, 1, 1, 0]
    assert receiver.values("face/2/present") == [1] * 6 + [0]
    assert [frame[2] for frame in receiver.values("frame")] == [1, 2, 1, 1, 1, 2, 2, 0]  # type: ignore[index]


def test_a_face_that_is_lost_for_a_moment_stays() -> None:
    receiver = Receiver()
    with receiver.listening(), receiver.sink(Live()) as sink:
        for index in range(6):
            sink.write(result(index, index / 30, faces=[face(1)] if index != 3 else []))
    assert receiver.values("face/1/present") == [1] * 5 + [0]


def test_a_video_is_played_at_its_own_speed(film: Path) -> None:
    receiver = Receiver("127.0.0.1")
    start = time.monotonic()
    with receiver.listening():
        done = emotion_cam("--video", film, "--osc", f"localhost:{receiver.port}", "--no-show")
    assert done.exit_code == 0, done.output
    assert time.monotonic() - start > 1.9
    assert [frame[0] for frame in receiver.values("frame")] == [*range(20)]  # type: ignore[index]
    assert "happy" in receiver.values("face/1/emotion")
    assert set(receiver.values("face/1/gender")) <= {"man", "woman", "unsure"}
    assert receiver.values("face/1/present")[-1] == 0


def test_by_ipv6() -> None:
    try:
        receiver = Receiver("::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    with receiver.listening(), receiver.sink(Live()) as sink:
        sink.write(result())
    assert len(receiver.messages) == 1


def test_nobody_need_listen(caplog: pytest.LogCaptureFixture) -> None:
    with OscSink(Live(), "127.0.0.1", 9) as sink:
        for index in range(5):
            sink.write(result(index, index / 10, faces=[face(1)]))
    assert caplog.messages == []


def test_what_cannot_be_sent_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.WARNING)
    with OscSink(Live(), "127.0.0.1", 9) as sink:

        def fail(_: object) -> None:
            raise OSError(101, "Network is unreachable")

        monkeypatch.setattr(sink._client, "send", fail)
        for index in range(5):
            sink.write(result(index, index / 10, faces=[face(1)]))
    assert caplog.messages == ["127.0.0.1:9 cannot be reached: Network is unreachable."]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("localhost:9000", ("localhost", 9000)),
        ("10.0.0.7:1", ("10.0.0.7", 1)),
        ("[fe80::1%eth0]:57120", ("fe80::1%eth0", 57120)),
    ],
)
def test_an_address(address: str, parts: tuple[str, int]) -> None:
    assert parse_receiver(address) == parts


@pytest.mark.parametrize(
    "address", ["", "9000", ":9000", "localhost", "localhost:0", "a:65536", "::1:9000", "http://a:1"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match=r"^`osc` must be a host and a port, as in localhost:9000, not “.*”\.$"):
        OutputSpec(osc=address)


def test_a_receiver_that_is_not_there() -> None:
    with pytest.raises(SinkError, match=r"^`osc` cannot send to nowhere\.invalid: .+\.$"):
        OscSink(Live(), "nowhere.invalid", 9000)


def test_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"^a\.png cannot feed OSC: use `camera` or `video` as the input\.$"):
        OscSink(ImageSource(write_picture(tmp_path / "a.png")), "localhost", 9000)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonosc.udp_client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotion-cam\[osc\]'"):
        OscSink(Live(), "localhost", 9000)
