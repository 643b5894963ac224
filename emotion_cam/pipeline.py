"""One run as data, and what it takes to do it: Job says what is wanted, ``do`` builds the objects and runs the loop.

A Job can be sent to another process; what it leads to is told in an Outcome.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from emotion_cam.annotate.draw import Annotator
from emotion_cam.recognition.classifier import ModelCard, shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.errors import ModelError, SinkError
from emotion_cam.loop import run
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.sinks import Sink, VirtualCameraSink, WindowSink, open_sink
from emotion_cam.sources import Source, open_source
from emotion_cam.types import Face, Result

TASK_KEYS = {"g": "gender"}
"""The keys of the window that hide a task and show it again."""


NAME = "{name}"
"""What stands in the name of an output for the name of the video, without its suffix."""


@dataclass(frozen=True)
class Job:
    """What is wanted of one run; the options of the command line explain the fields.

    Exactly one of ``camera``, ``video`` and ``image`` is given. None means: as is best for the source. ``without`` are
    the tasks whose models are not even loaded. ``virtual_camera`` may be the name of one.
    """

    camera: str | None = None
    video: str | None = None
    image: Path | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    reconnect: float = 0.0
    out: tuple[Path, ...] = ()
    show: bool | None = None
    virtual_camera: bool | str = False
    mirror: bool | None = None
    bars: bool = True
    explain: bool = False
    blur: bool = False
    picture: bool = True
    without: frozenset[str] = frozenset()
    emotion_model: Path | None = None
    gender_model: Path | None = None
    models: tuple[Path, ...] = ()
    runtime: str = "litert"
    min_confidence: float | None = None
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    detector: str = "haar"
    detector_model: Path | None = None
    min_face: float | None = None
    every: float | None = None
    smooth: float = 0.5
    threads: int = 1


@dataclass
class Outcome:
    """What a run has come to so far.

    Attributes:
        frames: how many frames, or pictures, went through.
        with_face: how many of them had a face.
        faces: those of the latest.
        kept: what was written, as far as it was.
    """

    frames: int = 0
    with_face: int = 0
    faces: tuple[Face, ...] = ()
    kept: list[Path] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.frames += 1
        self.with_face += bool(result.faces)
        self.faces = result.faces


def _unwatched(source: Source) -> AbstractContextManager[Callable[[], None]]:
    return contextlib.nullcontext(lambda: None)


def do(
    job: Job,
    outcome: Outcome,
    *,
    tell: Callable[[str], None] = lambda message: None,
    progress: Callable[[Source], AbstractContextManager[Callable[[], None]]] = _unwatched,
) -> None:
    """Do a job to its end, and count in ``outcome`` what it comes to, whether it ends well or not.

    Args:
        job: what is wanted.
        outcome: a new one.
        tell: is told of what people should know at once, in a sentence.
        progress: gives, for the opened source, what is called after each frame, for as long as the run lasts.

    Raises:
        EmotionCamError: what is wanted cannot be had, in a sentence for people.
    """
    refuse_twice(job.out)
    recognizer = open_recognizer(job, tell)
    annotator = Annotator(bars=job.bars, explain=job.explain, blur=job.blur, picture=job.picture)
    sinks: list[Sink] = []
    try:
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(_source(job, tell))
            sinks += [stack.enter_context(open_sink(path, source, annotator)) for path in job.out]
            if job.virtual_camera:
                device = job.virtual_camera if isinstance(job.virtual_camera, str) else None
                sinks.append(stack.enter_context(VirtualCameraSink(source, device)))
            if job.show or (job.show is None and (source.live or not job.out)):
                window = WindowSink(
                    annotator,
                    mirror=source.live and job.mirror is None,
                    show_fps=source.live,
                    hold=job.image is not None,
                    tasks={key: task for key, task in TASK_KEYS.items() if task not in job.without},
                    on_message=tell,
                )
                sinks.append(stack.enter_context(window))
                source.while_waiting = partial(_attend, window, source)
            advance = stack.enter_context(progress(source))

            def watch(result: Result) -> None:
                outcome.add(result)
                advance()

            # Pictures have nothing to do with each other.
            still = job.image is not None
            recognize = (lambda frame: recognizer(frame.image)) if still else recognizer.follow(_every(job), job.smooth)
            frames = (frame.mirrored() for frame in source) if job.mirror else source
            run(frames, recognize, annotator, sinks, watch)
    finally:
        outcome.kept = [sink.kept for sink in sinks if sink.kept is not None]


def _every(job: Job) -> float:
    """Where faces are to be hidden, no frame may wait for its share of the search."""
    usual = 0.0 if job.blur else 0.2
    return usual if job.every is None else job.every


def _source(job: Job, tell: Callable[[str], None]) -> Source:
    return open_source(
        camera=job.camera,
        video=job.video,
        image=job.image,
        size=job.size,
        fps=job.fps,
        reconnect=job.reconnect,
        tell=tell,
    )


def _attend(window: WindowSink, source: Source) -> None:
    """Obey the window's keys while a camera is away."""
    window.poll()
    if window.finished:
        source.close()


def open_recognizer(job: Job, tell: Callable[[str], None]) -> Recognizer:
    """The recognizer that a job asks for; ``tell`` is as in ``do``. Raises EmotionCamError if it cannot be had."""
    cv2.setNumThreads(job.threads)
    options: dict[str, Any] = {} if job.min_face is None else {"min_face": job.min_face}
    return Recognizer(
        _models(job),
        detector=open_detector(job.detector, job.detector_model, tell=tell, **options),
        runtime=job.runtime,
        threads=job.threads,
        min_confidence=job.min_confidence,
        groups=dict(job.groups),
    )


def _models(job: Job) -> list[Path]:
    """The shipped models, with those of the user in place of the ones for the same task or after them, less some."""
    wanted = {"emotion": job.emotion_model, "gender": job.gender_model}
    own = {task: folder for task, folder in wanted.items() if folder is not None}
    for folder in job.models:
        task = ModelCard.load(folder).task
        if task in own:
            raise ModelError(f"{own[task]} and {folder} are both for {task}; give one of them.")
        own[task] = folder
    return [folder for task, folder in (shipped_models() | own).items() if task not in job.without]


def named(path: Path, video: str | Path) -> Path:
    """An output with the name of the video in the place of NAME."""
    return Path(str(path).replace(NAME, Path(video).stem))


def refuse_twice(out: Sequence[Path]) -> None:
    """Refuse outputs of which two are one file, with SinkError."""
    seen = set()
    for path in out:
        if path.resolve() in seen:
            raise SinkError(f"{path} is given twice with --out; each output needs a name of its own.")
        seen.add(path.resolve())
