"""Open Sound Control, which programs for sound, light and moving pictures understand."""

from __future__ import annotations

import itertools
import logging
import math
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.changes import SHORTEST
from emotion_cam.sinks.pace import Pace
from emotion_cam.sources.base import Source
from emotion_cam.types import Face, Image

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger(__name__)

ROOT = "/emotion-cam"
"""What every address begins with."""

Message: TypeAlias = tuple[str, tuple[float | str, ...]]
"""An address and its arguments."""


class OscSink(Sink):
    """Sends the faces of each frame as messages of Open Sound Control over UDP, in a bundle for each face.

    Faces have places, from 1: a face keeps its place while it is in view, and a new one gets the lowest that is free.
    So the addresses are always the same few:

    - ``/emotion-cam/frame``: the frame's number, its time in seconds, and how many faces are in it
    - ``/emotion-cam/face/1/present``: 1, and 0 once when the face has left
    - ``/emotion-cam/face/1/track``: the face's number through the video
    - ``/emotion-cam/face/1/box``: left, top, width and height of its box, as shares of the picture's
    - ``/emotion-cam/face/1/emotion``: the label, for each task
    - ``/emotion-cam/face/1/emotion/happy``: the score of each label

    Nobody need listen. Messages that cannot be sent are lost, and the first of them is logged.

    Source: Open Sound Control 1.0 specification, 2002.

    Args:
        source: where the frames come from. A file is played at its own speed.
        host: the receiver's name or address.
        port: the receiver's UDP port.

    Raises:
        MissingExtraError: python-osc is not installed.
        SinkError: there is no such receiver, or the source is pictures.
    """

    def __init__(self, source: Source, host: str, port: int) -> None:
        self._pace = Pace(source, "OSC")
        try:
            from pythonosc.udp_client import UDPClient
        except ImportError as error:
            raise MissingExtraError("OSC", "osc") from error
        try:  # now, and not for every message
            address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4][0]
            self._client = UDPClient(str(address), port, allow_broadcast=True)
        except OSError as error:
            raise SinkError(f"`osc` cannot send to {host}: {error.strerror or error}.") from error
        self._receiver = f"{host}:{port}"
        self._places: dict[int, _Place] = {}  # by track
        self._failed = False

    def write(self, result: Result) -> None:
        frame = result.frame
        self._pace.moment(frame.time)
        self._release(frame.time - SHORTEST)
        self._send((f"{ROOT}/frame", (frame.index, frame.time, len(result.faces))))
        for number, face in enumerate(result.faces, start=1):
            track = number if face.track is None else face.track
            place = self._places.get(track) or self._places.setdefault(track, _Place(self._lowest()))
            place.seen = frame.time
            self._send(*_messages(face, track, place.address, frame.image))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release(math.inf)
        self._client.close()

    def _release(self, before: float) -> None:
        """Free the places of faces that were last seen before a time."""
        for track, place in list(self._places.items()):
            if place.seen < before:
                del self._places[track]
                self._send((f"{place.address}/present", (0,)))

    def _lowest(self) -> int:
        taken = {place.number for place in self._places.values()}
        return next(number for number in itertools.count(1) if number not in taken)

    def _send(self, *messages: Message) -> None:
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
        from pythonosc.osc_message_builder import OscMessageBuilder

        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, arguments in messages:
            message = OscMessageBuilder(address)
            for argument in arguments:
                message.add_arg(argument)
            bundle.add_content(message.build())
        try:
            self._client.send(bundle.build())
        except OSError as error:
            if not self._failed:
                log.warning("%s cannot be reached: %s.", self._receiver, error.strerror or error)
            self._failed = True


@dataclass
class _Place:
    """The place of a face.

    Attributes:
        number: from 1.
        seen: when the face was last there, in seconds.
    """

    number: int
    seen: float = 0.0

    @property
    def address(self) -> str:
        return f"{ROOT}/face/{self.number}"


def _messages(face: Face, track: int, address: str, image: Image) -> Iterator[Message]:
    height, width = image.shape[:2]
    box = face.box
    yield f"{address}/present", (1,)
    yield f"{address}/track", (track,)
    yield f"{address}/box", (box.x1 / width, box.y1 / height, box.width / width, box.height / height)
    for task, prediction in face.predictions.items():
        yield f"{address}/{_part(task)}", (prediction.label,)
        for label, score in zip(prediction.labels, prediction.scores, strict=True):
            yield f"{address}/{_part(task)}/{_part(label)}", (float(score),)


def _part(name: str) -> str:
    """A name without the characters that mean something else in an address."""
    return re.sub(r"[\s#*,/?\[\]{}]", "_", name)
