"""One run from its specs to its end: ``RunSpec`` is the run as data, ``execute`` opens what it names and runs the loop.

A RunSpec can be sent to another process; what the run produced stands in a RunSummary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.drawing.view import Controls, View
from emotion_cam.errors import ModelError
from emotion_cam.progress import Progress, no_progress
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.sinks.spec import OutputSpec, refuse_duplicates
from emotion_cam.sources.spec import InputSpec

if TYPE_CHECKING:
    from emotion_cam.recognition.recognizer import Recognizer
    from emotion_cam.result import Result
    from emotion_cam.types import Face, Frame


@dataclass(frozen=True)
class RunSpec:
    """One run as data: what is read, what is predicted, what is drawn, where it goes.

    Raises:
        ValueError: the parts do not fit together.
    """

    input: InputSpec = InputSpec()
    models: ModelSpec = ModelSpec()
    view: View = View()
    output: OutputSpec = OutputSpec()

    def __post_init__(self) -> None:
        if self.input.is_empty:
            raise ValueError("No input: give one of `camera`, `video` and `image`.")
        if self.output.show is False and not (self.output.out or self.output.feeds_programs):
            raise ValueError("No output requested: add `out` with a file, or drop `no_show`.")


@dataclass
class RunSummary:
    """What a run has produced so far.

    Attributes:
        frames: how many frames, or pictures, were processed.
        frames_with_face: how many of them had a face.
        faces: the faces of the latest one.
        outputs: the files that were written, as far as they are there.
    """

    frames: int = 0
    frames_with_face: int = 0
    faces: tuple[Face, ...] = ()
    outputs: list[Path] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.frames += 1
        self.frames_with_face += bool(result.faces)
        self.faces = result.faces


def execute(spec: RunSpec, summary: RunSummary, *, progress: Progress = no_progress) -> None:
    """Execute a run to its end, and keep count in ``summary``, whether it ends well or not.

    Args:
        spec: the run.
        summary: a new one.
        progress: see ``Progress``.

    Raises:
        EmotionCamError: something cannot be opened, read or written.
    """
    # Everything is imported before the source is opened: from then on a camera sends frames, and old ones are dropped.
    import emotion_cam.sinks.registry
    from emotion_cam.loop import run
    from emotion_cam.sinks.base import Sink

    if spec.output.has_window(spec.input.is_live):
        import emotion_cam.sinks.window  # noqa: F401
    refuse_duplicates(spec.output.out)
    recognizer = spec.models.open()
    if spec.view.explain and not recognizer.tasks:
        raise ModelError("`explain` needs a model whose labels it can explain: drop `without`.")
    controls = Controls(spec.view)
    sinks: list[Sink] = []
    try:
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(spec.input.open())
            outputs = spec.output.open(source, controls, recognizer.labels, landmarks=recognizer.finds_landmarks)
            sinks = stack.enter_context(outputs)
            advance = stack.enter_context(progress(source))

            def on_result(result: Result) -> None:
                summary.add(result)
                advance()

            frames = source.poll()
            if spec.view.mirror:
                frames = (frame and frame.mirrored() for frame in frames)
            run(frames, _recognize(spec, recognizer, source.live), sinks, controls=controls, on_result=on_result)
    finally:
        summary.outputs = [sink.output for sink in sinks if sink.output is not None]


def _recognize(spec: RunSpec, recognizer: Recognizer, live: bool) -> Callable[[Frame], tuple[Face, ...]]:
    """What recognizes a frame: faces are followed from frame to frame, but not from picture to picture."""
    if spec.input.image is not None:
        return lambda frame: recognizer(frame.image)
    every = spec.models.search_every(hides_faces=spec.view.blur)
    follower = recognizer.follow(every=every, smooth=spec.models.smooth, live=live)
    return lambda frame: follower(frame.image, frame.time)
