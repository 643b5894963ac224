"""Streams from real servers on loopback."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import open_source
from emotion_cam.types import Frame
from tests.sources.streaming import stream
from tests.sources.test_files import HEIGHT, WIDTH, picture

ADDRESSES = ["http://127.0.0.1:{}/mjpeg", "http://127.0.0.1:{}/ts", "rtsp://127.0.0.1:{}/live"]


def check(frame: Frame) -> None:
    assert np.abs(frame.image.astype(int) - picture(20)).mean() < 4


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stream_is_shown_and_its_end_is_told(address: str) -> None:
    with stream(address[:4], picture(20)) as port:
        address = address.format(port)
        source = open_source(video=address)
        assert (source.name, source.live, source.size) == (address, True, (WIDTH, HEIGHT))
        frames = iter(source)
        taken = [next(frames) for _ in range(10)]
    with source, pytest.raises(SourceError, match=rf"^{address} stopped sending pictures after \d+ frames: it is over"):
        list(frames)
    for frame in taken:
        check(frame)
    indices = [frame.index for frame in taken]
    assert indices == sorted(set(indices))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stream_that_stops_is_taken_up_again_when_it_is_back(address: str) -> None:
    told: list[str] = []
    with stream(address[:4], picture(20)) as port:
        address = address.format(port)
        source = open_source(video=address, reconnect=30, tell=told.append)
        frames = iter(source)
        before = next(frames)
    with source:
        deadline = time.monotonic() + 20
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # The server is not there for the first attempt; then it sends other pictures.
        time.sleep(0.7)
        other = picture(20, WIDTH * 2, HEIGHT)
        with stream(address[:4], other, port):
            after = next(frame for frame in frames if frame.image.shape == other.shape)
            source.close()
    assert before.index < after.index
    assert after.time - before.time > 0.7
    assert re.fullmatch(rf"{address} stopped sending pictures after \d+ frames; trying again for 30 seconds\.", told[0])
    assert re.fullmatch(rf"{address} is back after \d+\.\d seconds\.", told[1])
    assert len(told) == 2
