from __future__ import annotations

import numpy as np

from emotion_cam.loop import run
from emotion_cam.sinks import Sink
from emotion_cam.types import Box, Face, Frame, Result


class Recorder(Sink):
    """A sink that remembers, and has enough after so many results."""

    def __init__(self, enough: int | None = None) -> None:
        self.results: list[Result] = []
        self._enough = enough

    @property
    def finished(self) -> bool:
        return len(self.results) == self._enough

    def write(self, result: Result) -> None:
        self.results.append(result)


def frames(count: int) -> list[Frame]:
    return [Frame(np.full((4, 4, 3), index, np.uint8), index, index / 10) for index in range(count)]


def recognize(frame: Frame) -> tuple[Face, ...]:
    return (Face(Box(0, 0, int(frame.image[0, 0, 0]), 1)),)


def test_every_frame_reaches_every_sink_in_order() -> None:
    sinks = [Recorder(), Recorder()]
    watched: list[Result] = []
    run(frames(5), recognize, lambda image, faces: image + len(faces), sinks, watched.append)
    for sink in sinks:
        assert [result.frame.index for result in sink.results] == [0, 1, 2, 3, 4]
        assert [result.faces[0].box.x2 for result in sink.results] == [0, 1, 2, 3, 4]
        assert [result.annotated[0, 0, 0] for result in sink.results] == [1, 2, 3, 4, 5]
    assert watched == sinks[0].results


def test_a_finished_sink_ends_the_run_after_all_sinks_saw_the_frame() -> None:
    window, file = Recorder(enough=2), Recorder()
    taken = iter(frames(5))
    run(taken, recognize, lambda image, faces: image, [window, file])
    assert len(window.results) == len(file.results) == 2
    assert next(taken).index == 2
