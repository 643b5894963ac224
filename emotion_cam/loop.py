"""The heart of the program: every source, every sink, one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from emotion_cam.sinks import Sink
from emotion_cam.types import Annotate, Face, Frame, Result


def run(
    frames: Iterable[Frame],
    recognize: Callable[[Frame], Sequence[Face]],
    annotate: Annotate,
    sinks: Sequence[Sink],
    watch: Callable[[Result], None] = lambda result: None,
) -> None:
    """Take every frame through recognition to all sinks, until the frames end or a sink is finished.

    ``watch`` sees each result after the sinks; the command line counts and shows progress with it.
    """
    for frame in frames:
        result = Result(frame, tuple(recognize(frame)), annotate)
        for sink in sinks:
            sink.write(result)
        watch(result)
        if any(sink.finished for sink in sinks):
            break
