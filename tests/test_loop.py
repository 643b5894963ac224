"""The loop: every frame through recognition to every sink."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotion_cam.drawing.view import Controls, View
from emotion_cam.loop import run
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.types import Box, Face, Frame


class Recorder(Sink):
    """A sink that remembers what it gets, and is finished after a number of results or idle moments."""

    def __init__(self, enough: int | None = None) -> None:
        self.results: list[Result] = []
        self.idle_moments = 0
        self._enough = enough

    @property
    def finished(self) -> bool:
        return self._enough in (len(self.results), self.idle_moments)

    def write(self, result: Result) -> None:
        self.results.append(result)

    def idle(self) -> None:
        self.idle_moments += 1


def frames(count: int) -> list[Frame]:
    return [Frame(np.full((4, 4, 3), index, np.uint8), index, index / 10) for index in range(count)]


def recognize(frame: Frame) -> tuple[Face, ...]:
    return (Face(Box(0, 0, int(frame.image[0, 0, 0]), 1)),)


def test_every_frame_reaches_every_sink_in_order() -> None:
    sinks = [Recorder(), Recorder()]
    counted: list[Result] = []
    run(frames(5), recognize, sinks, on_result=counted.append)
    for sink in sinks:
        assert [result.frame.index for result in sink.results] == [0, 1, 2, 3, 4]
        assert [result.faces[0].box.x2 for result in sink.results] == [0, 1, 2, 3, 4]
    assert counted == sinks[0].results


def test_a_finished_sink_ends_the_run_after_all_sinks_got_the_frame() -> None:
    window, file = Recorder(enough=2), Recorder()
    remaining = iter(frames(5))
    run(remaining, recognize, [window, file])
    assert len(window.results) == len(file.results) == 2
    assert next(remaining).index == 2


def test_while_there_is_no_frame_sinks_are_idle_and_may_end_the_run() -> None:
    window, file = Recorder(enough=3), Recorder()
    run([frames(1)[0], None, None, None, frames(1)[0]], recognize, [window, file])
    assert (len(file.results), file.idle_moments) == (1, 3)


def test_a_view_that_is_changed_holds_from_the_next_frame_on() -> None:
    controls = Controls(View(bars=True))
    sink = Recorder()

    def switch(result: Result) -> None:
        controls.view = replace(controls.view, bars=False)

    run(frames(3), recognize, [sink], controls=controls, on_result=switch)
    assert [result.view.bars for result in sink.results] == [True, False, False]
