"""CameraSource on streams from real servers on loopback."""

from __future__ import annotations

import logging
import re
import time

import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import open_source
from emotion_cam.types import Frame
from tests.builders import HEIGHT, WIDTH, picture
from tests.sources.streaming import stream

ADDRESSES = ["http://127.0.0.1:{}/mjpeg", "http://127.0.0.1:{}/ts", "rtsp://127.0.0.1:{}/live"]


def check_picture(frame: Frame) -> None:
    """The frame shows the picture that the server sends."""
    assert np.abs(frame.image.astype(int) - picture(20)).mean() < 4


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stream_gives_frames_and_its_end_is_an_error(address: str) -> None:
    with stream(address[:4], picture(20)) as port:
        address = address.format(port)
        source = open_source(video=address)
        assert (source.name, source.live, source.size) == (address, True, (WIDTH, HEIGHT))
        frames = iter(source)
        taken = [next(frames) for _ in range(10)]
    with source, pytest.raises(SourceError, match=rf"^{address} stopped sending pictures after \d+ frames?: it ended"):
        list(frames)
    for frame in taken:
        check_picture(frame)
    indices = [frame.index for frame in taken]
    assert indices == sorted(set(indices))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stream_that_stops_is_opened_again_when_it_is_back(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    with stream(address[:4], picture(20)) as port:
        address = address.format(port)
        source = open_source(video=address, reconnect=30)
        frames = iter(source)
        before = next(frames)
    with source:
        deadline = time.monotonic() + 20
        while not caplog.messages:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # The server is away during the first attempt; then it sends other pictures.
        time.sleep(0.7)
        other = picture(20, WIDTH * 2, HEIGHT)
        with stream(address[:4], other, port):
            after = next(frame for frame in frames if frame.image.shape == other.shape)
            source.close()
    lost, back = caplog.messages
    assert before.index < after.index
    assert after.time - before.time > 0.7
    assert re.fullmatch(rf"{address} stopped sending pictures after \d+ frames?; retrying for 30 seconds\.", lost)
    assert re.fullmatch(rf"{address} is back after \d+\.\d seconds\.", back)
