"""The heart of the program: every source, every sink, one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from emotion_cam.drawing.view import Controls, View
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.types import Face, Frame


def run(
    frames: Iterable[Frame | None],
    recognize: Callable[[Frame], Sequence[Face]],
    sinks: Sequence[Sink],
    *,
    controls: Controls | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> None:
    """Take every frame through recognition to all sinks, until the frames end or a sink is finished.

    Args:
        frames: the frames in order; None where a live source has no frame yet, as ``Source.poll`` gives it.
        recognize: finds and classifies the faces of a frame.
        sinks: take the results.
        controls: hold the view that each result is drawn with; a sink such as the window may change it between frames.
        on_result: is called with each result after the sinks, to count or to show progress.
    """
    controls = controls or Controls(View())
    for frame in frames:
        if frame is None:
            for sink in sinks:
                sink.idle()
        else:
            result = Result(frame, tuple(recognize(frame)), controls.view)
            for sink in sinks:
                sink.write(result)
            on_result(result)
        if any(sink.finished for sink in sinks):
            break
