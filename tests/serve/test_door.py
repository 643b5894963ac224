"""Pages are let in while those who are in get their answers in time."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest
from websockets.sync.client import connect

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.serve.door import LATE, MOST_BUSY, SETTLE, Door
from emotion_cam.serve.metrics import Metrics
from emotion_cam.serve.workers import Workers
from emotion_cam.types import Face, Image
from tests.serve.conftest import make_service
from tests.serve.running import in_thread, jpeg, noise
from tests.serve.test_session import ask, ending


class Clock:
    """A time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def idle(seconds: float) -> float:
    return 0.0


def enter(door: Door) -> bool:
    return asyncio.run(door.enter())


def answers(door: Door, clock: Clock, seconds: float, count: int = 30) -> None:
    """A time, just as long as one is measured, in which answers take so many seconds."""
    for _ in range(count):
        clock.now += 1.001 * SETTLE / count
        door.answered(seconds)


def test_pages_come_in_while_answers_come_in_time() -> None:
    clock = Clock()
    door = Door(None, Metrics(), idle, clock)
    for pages in range(1, 6):
        assert door.has_place
        assert enter(door)
        assert door.pages == pages
        assert not door.has_place  # what this page costs is not known yet
        answers(door, clock, 0.9 * LATE)
    answers(door, clock, 1.1 * LATE)
    assert not door.has_place
    answers(door, clock, 0.9 * LATE)
    assert door.has_place


def test_a_few_slow_answers_keep_nobody_out() -> None:
    clock = Clock()
    door = Door(None, Metrics(), idle, clock)
    enter(door)
    answers(door, clock, 0.5 * LATE, 27)
    for _ in range(3):
        door.answered(20 * LATE)
    assert door.has_place


def test_one_page_is_always_let_in_and_idle_ones_keep_nobody_out() -> None:
    clock = Clock()
    door = Door(None, Metrics(), idle, clock)
    enter(door)
    answers(door, clock, 10 * LATE)
    assert not door.has_place
    door.leave()
    assert door.has_place
    enter(door)
    clock.now += 2 * SETTLE
    assert door.has_place  # nothing is known of answers: none are asked for


def test_pages_come_in_while_the_threads_have_time_for_one_more() -> None:
    clock = Clock()
    door = Door(None, Metrics(), lambda seconds: 0.1 * door.pages, clock)
    while door.has_place:
        enter(door)
        answers(door, clock, 0.5 * LATE)
    assert 0.1 * door.pages <= MOST_BUSY < 0.1 * (door.pages + 1)


def test_threads_are_as_busy_as_they_were_in_the_last_seconds() -> None:
    async def work() -> tuple[float, float]:
        workers = Workers(2, 0)
        started = time.monotonic()
        await asyncio.gather(*(workers.run(partial(time.sleep, 0.2)) for _ in range(3)))
        seconds = time.monotonic() - started
        both = workers.busy(seconds) * 2 * seconds, workers.busy(1000)
        workers.close()
        return both

    worked, long_ago = asyncio.run(work())
    assert 0.55 < worked < 5  # three times 0.2 seconds, or more on a slow machine
    assert long_ago < 0.01


def test_a_given_number_of_pages_is_let_in_however_slow() -> None:
    clock = Clock()
    door = Door(2, Metrics(), idle, clock)
    for _ in range(2):
        assert enter(door)
        answers(door, clock, 10 * LATE)
    assert not door.has_place


def test_a_page_waits_a_moment_for_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(1, Metrics(), idle)

    async def wait(*, leaves: bool) -> tuple[bool, float]:
        started = time.monotonic()
        waiting = asyncio.ensure_future(door.enter())
        await asyncio.sleep(0.1)
        if leaves:
            assert not waiting.done()
            door.leave()
        return await waiting, time.monotonic() - started

    enter(door)
    assert asyncio.run(wait(leaves=True))[0]
    monkeypatch.setattr("emotion_cam.serve.door.PATIENCE", 0.3)
    entered, seconds = asyncio.run(wait(leaves=False))
    assert (entered, seconds >= 0.3, door.pages) == (False, True, 1)


def test_a_slow_server_lets_nobody_else_in(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion_cam.serve.door.PATIENCE", 0.2)
    monkeypatch.setattr("emotion_cam.serve.door.LATE", -1.0)  # whatever is measured is too slow
    service = make_service(recognizer)

    class Slow:
        tasks = recognizer.tasks

        def follow(self, *_: object, live: bool) -> Any:
            def follower(image: Image, seconds: float) -> tuple[Face, ...]:
                time.sleep(0.1)
                return ()

            return follower

    service.recognizer = Slow()  # type: ignore[assignment]
    small = jpeg(noise(32, 32))
    with in_thread(service) as address, connect(f"{address.ws}/v1/frames") as first:
        for number in range(5):
            ask(first, number, number / 10, small)
        with connect(f"{address.ws}/v1/frames") as second:
            assert ending(second) == (1013, "The server is full: 1 page uses it. Try again later.")
        ask(first, 6, 0.6, small)  # it stays
        assert all(seconds >= 0.1 for _, seconds in service.door._answers)
        assert len(service.door._answers) >= 5
