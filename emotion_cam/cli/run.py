"""What people do with faces: recognise them, report on them; which cameras and models there are."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion_cam import __version__
from emotion_cam.cli.console import INTERRUPTED, errors_told, plain, progress_bar, stderr, stdout, tell, tell_error

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from emotion_cam.batch import Running
    from emotion_cam.pipeline import Job, Outcome
    from emotion_cam.sources import Source


def _version(asked: bool) -> None:
    if asked:
        stdout.print(f"emotion-cam {__version__}")
        raise typer.Exit


_INPUT, _OUTPUT, _MODELS, _SPEED = "Input (one of)", "Output", "Models", "Detection and speed"
_LIVE = "Cameras and streams"


def recognise(
    context: typer.Context,
    camera: Annotated[
        str | None,
        typer.Option(
            help="A camera by its number, its path or a part of its name, as “emotion-cam cameras” lists them, or a "
            "stream's address.",
            metavar="CAMERA",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    video: Annotated[
        list[str] | None,
        typer.Option(
            help="A video file, a folder of them, or a stream's address (http, rtsp). May be repeated.",
            metavar="FILE",
            show_default=False,
            rich_help_panel=_INPUT,
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A picture, or a folder of them.", metavar="FILE", rich_help_panel=_INPUT)
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="What to ask the camera for, in pixels, as 1280x720; it takes the nearest that it can.",
            metavar="WIDTHxHEIGHT",
            show_default="the camera's own",
            rich_help_panel=_LIVE,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="How many frames a second to ask the camera for.",
            min=1,
            show_default="the camera's own",
            rich_help_panel=_LIVE,
        ),
    ] = None,
    reconnect: Annotated[
        float,
        typer.Option(
            help="For how long to try to take up again a camera or stream that drops out; 0: not at all, inf: for "
            "ever.",
            metavar="SECONDS",
            min=0,
            rich_help_panel=_LIVE,
        ),
    ] = 0.0,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="What to write, by its suffix: .mp4 .mkv (video with the source's sound), .png .jpg, .csv, .jsonl, "
            ".html (a report); a folder for several videos or a folder of pictures; - for JSON Lines on standard "
            "output. {name} stands for a video's name, as in faces/{name}.csv. May be repeated.",
            metavar="FILE",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Skip the videos whose outputs are there already.", rich_help_panel=_OUTPUT),
    ] = False,
    show: Annotated[
        bool | None,
        typer.Option(
            "--show/--no-show",
            help="A window, in which h lists the keys. On for cameras and streams, and where nothing is written.",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    virtual_camera: Annotated[
        bool,
        typer.Option(
            "--virtual-camera",
            help="Give the annotated picture to video calls, as a camera (needs the extra “virtual-camera”).",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    virtual_camera_device: Annotated[
        str | None,
        typer.Option(
            help="As which virtual camera.",
            metavar="DEVICE",
            show_default="the first that there is",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="Flip the picture left to right, everywhere or nowhere; a camera's window alone by default.",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    bars: Annotated[
        bool, typer.Option("--bars/--no-bars", help="Softmax bars beside each face.", rich_help_panel=_OUTPUT)
    ] = True,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Colour what in each face speaks for its label: the network's class activation map.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    blur: Annotated[
        bool,
        typer.Option("--blur", help="Make the faces that are found unrecognisable.", rich_help_panel=_OUTPUT),
    ] = False,
    picture: Annotated[
        bool,
        typer.Option(
            "--picture/--no-picture",
            help="The picture itself; without it, boxes and labels alone on a dark ground.",
            rich_help_panel=_OUTPUT,
        ),
    ] = True,
    emotion: Annotated[
        bool, typer.Option("--emotion/--no-emotion", help="Tell emotions.", rich_help_panel=_MODELS)
    ] = True,
    gender: Annotated[bool, typer.Option("--gender/--no-gender", help="Tell gender.", rich_help_panel=_MODELS)] = True,
    emotion_model: Annotated[
        Path | None,
        typer.Option(
            help="A model folder for emotion.", metavar="FOLDER", show_default="shipped", rich_help_panel=_MODELS
        ),
    ] = None,
    gender_model: Annotated[
        Path | None,
        typer.Option(
            help="A model folder for gender.", metavar="FOLDER", show_default="shipped", rich_help_panel=_MODELS
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="A model folder for any task, in place of the shipped one for that task or beside them. May be "
            "repeated.",
            metavar="FOLDER",
            show_default=False,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="Tell labels under a common name, with the sum of their scores, as in positive=happy,surprise. May "
            "be repeated.",
            metavar="NAME=LABEL,…",
            show_default=False,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            help="litert, or keras (the Keras file itself; needs the extra “train”).", rich_help_panel=_MODELS
        ),
    ] = "litert",
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Below this score a label reads “unsure”; 0: never.",
            min=0,
            max=1,
            show_default="what each model's card says",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    detector: Annotated[
        str,
        typer.Option(
            help="What finds the faces: haar; or yunet or blazeface, which also see tilted heads and dim faces (they "
            "are fetched once, and need the extra “detectors”).",
            rich_help_panel=_SPEED,
        ),
    ] = "haar",
    detector_model: Annotated[
        Path | None,
        typer.Option(
            help="The model file of yunet (ONNX) or blazeface (TFLite), if you have it.",
            metavar="FILE",
            show_default="fetched",
            rich_help_panel=_SPEED,
        ),
    ] = None,
    min_face: Annotated[
        float | None,
        typer.Option(
            help="The smallest face to find, as a share of the picture's shorter side; larger is quicker.",
            min=0.01,
            max=1,
            show_default="1/14",
            rich_help_panel=_SPEED,
        ),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(
            help="Within how many seconds a video's whole picture is searched for new faces; longer is quicker, 0 "
            "searches every frame.",
            metavar="SECONDS",
            min=0,
            show_default="0.2; 0 with --blur",
            rich_help_panel=_SPEED,
        ),
    ] = None,
    smooth: Annotated[
        float,
        typer.Option(
            help="Over how many seconds of a video each face's scores are averaged; 0: not at all.",
            metavar="SECONDS",
            min=0,
            rich_help_panel=_MODELS,
        ),
    ] = 0.5,
    threads: Annotated[
        int,
        typer.Option(help="Processor cores for detection and networks.", min=1, rich_help_panel=_SPEED),
    ] = 1,
    jobs: Annotated[
        int,
        typer.Option(help="How many of several videos to do at a time.", min=1, rich_help_panel=_SPEED),
    ] = 1,
    _: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = None,
) -> None:
    """Says, live and on an ordinary laptop, what each face shows and whether it looks like a man or a woman.

    emotion-cam --camera 0

    emotion-cam --video clip.mp4 --out annotated.mp4 --out faces.csv

    emotion-cam --image photo.jpg --out annotated.png
    """
    if context.invoked_subcommand:
        return
    videos = video or []
    several = resume or len(videos) > 1 or any(Path(video).is_dir() for video in videos)
    if sum((camera is not None, bool(videos), image is not None)) != 1:
        raise typer.BadParameter("give one of --camera, --video and --image; --help shows how.", ctx=context)
    if show is False and not (out or virtual_camera or virtual_camera_device):
        raise typer.BadParameter("nothing would come of this; add --out FILE, or leave --no-show away.", ctx=context)
    if explain and not (emotion or gender or model):
        raise typer.BadParameter("--explain needs something to explain; leave --no-emotion away.", ctx=context)
    if resume and not videos:
        raise typer.BadParameter("--resume is for video files.", ctx=context)
    if several and (show or virtual_camera or virtual_camera_device or not out or Path("-") in out):
        raise typer.BadParameter("several videos go into files alone, as with --out FOLDER.", ctx=context)
    groups = _groups(group or [])
    with errors_told():
        from emotion_cam.pipeline import Job, Outcome, do, named
        from emotion_cam.sinks import STDOUT

        job = Job(
            camera=camera,
            video=videos[0] if videos else None,
            image=image,
            size=_size(size),
            fps=fps,
            reconnect=reconnect,
            out=tuple(out or ()),
            show=show,
            virtual_camera=virtual_camera_device or virtual_camera,
            mirror=mirror,
            bars=bars,
            explain=explain,
            blur=blur,
            picture=picture,
            without=frozenset(task for task, told in {"emotion": emotion, "gender": gender}.items() if not told),
            emotion_model=emotion_model,
            gender_model=gender_model,
            models=tuple(model or ()),
            runtime=runtime,
            min_confidence=min_confidence,
            groups=groups,
            detector=detector,
            detector_model=detector_model,
            min_face=min_face,
            every=every,
            smooth=smooth,
            threads=threads,
        )
        if several:
            _do_several(job, videos, jobs, resume)
            return
        if videos:
            job = replace(job, out=tuple(named(path, videos[0]) for path in job.out))
        outcome = Outcome()
        streams = STDOUT in job.out  # which leaves standard output to other programs, and us silent
        try:
            # Its lines would end up among the others.
            bar = partial(_progress, shown=not (streams and stdout.is_terminal))
            do(job, outcome, tell=tell, progress=bar)
        finally:
            lines = _written(outcome) if streams else _story(outcome, "frame" if image is None else "picture")
            for line in lines:
                (stderr if streams else stdout).print(line, markup=False)


def _do_several(job: Job, videos: list[str], workers: int, resume: bool) -> None:
    from emotion_cam.batch import do_all, is_done, jobs_for

    jobs = jobs_for(job, videos)
    left, endings = [], []
    for one in jobs:
        if resume and is_done(one):
            stdout.print(f"Skipped {one.video}, whose outputs are there", markup=False)
        else:
            left.append(one)
    with _interruption() as interrupted, progress_bar("frames/s") as bar:
        bars = _Bars(bar)
        for ending in do_all(left, workers, stopped=interrupted, watch=bars, tell=tell):
            for line in _story(ending.outcome, "frame", f"{ending.job.video}: "):
                print(line, flush=True)  # by way of Rich, which keeps its bars below
            endings.append(ending)
        was_interrupted = interrupted()
    errors = [ending.error for ending in endings if ending.error is not None]
    for error in dict.fromkeys(errors):  # what names no video is wrong with all of them
        tell_error(error)
    stopped = sum(ending.stopped for ending in endings)
    counts = {
        "done": len(endings) - len(errors) - stopped,
        "skipped": len(jobs) - len(left),
        "failed": len(errors),
        "stopped": stopped,
        "not begun": len(left) - len(endings),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    stdout.print(f"{len(jobs)} video{'' if len(jobs) == 1 else 's'}: {told}")
    if was_interrupted:
        raise typer.Exit(INTERRUPTED)
    if errors:
        raise typer.Exit(1)


@contextlib.contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C or a termination came, neither of which interrupts anything meanwhile."""
    came = threading.Event()
    before = {number: signal.signal(number, lambda *_: came.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = re.fullmatch(r"([1-9]\d{0,4})[xX×]([1-9]\d{0,4})", text)
    if not sides:
        raise typer.BadParameter(
            f"“{text}” is no size; give the width and height in pixels, as in 1280x720.", param_hint="--size"
        )
    return int(sides[1]), int(sides[2])


def _groups(given: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    groups: dict[str, tuple[str, ...]] = {}
    for entry in given:
        name, _, listed = entry.partition("=")
        labels = tuple(label.strip() for label in listed.split(","))
        if not (name.strip() and all(labels)):
            raise typer.BadParameter(f"“{entry}” is not like positive=happy,surprise.", param_hint="--group")
        if name.strip() in groups:
            raise typer.BadParameter(f"“{name.strip()}” is given twice.", param_hint="--group")
        groups[name.strip()] = labels
    return tuple(groups.items())


def _story(outcome: Outcome, unit: str, of: str = "") -> Iterator[str]:
    """What a run came to, in lines."""
    if outcome.frames == 1:
        faces = [
            ", ".join(f"{p.label} {p.score:.0%}" if p.is_sure else p.label for p in face.predictions.values())
            for face in outcome.faces
        ]
        count = f"{len(faces)} face" + ("" if len(faces) == 1 else "s")
        yield f"{of}1 {unit}, " + ": ".join([count, *filter(None, ["; ".join(faces)])])
    elif outcome.frames:
        yield f"{of}{outcome.frames} {unit}s, {outcome.with_face} of them with a face"
    yield from _written(outcome)


def _written(outcome: Outcome) -> Iterator[str]:
    return (f"Wrote {path}" for path in outcome.kept)


class _Bars:
    """A bar for each video that is being worked on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str | None, TaskID] = {}

    def __call__(self, running: Sequence[Running]) -> None:
        for gone in self._tasks.keys() - {one.job.video for one in running}:
            self._progress.remove_task(self._tasks.pop(gone))
        for job, frames, total in running:
            if job.video not in self._tasks:
                self._tasks[job.video] = self._progress.add_task(plain(Path(str(job.video)).name), total=None)
            self._progress.update(self._tasks[job.video], completed=frames, total=total)


@contextlib.contextmanager
def _progress(source: Source, *, shown: bool = True) -> Iterator[Callable[[], None]]:
    """A bar with rate and time left for files; nothing for a live source, which has a window and no end."""
    if source.live or not shown:
        yield lambda: None
        return
    with progress_bar("frames/s") as progress:
        task = progress.add_task(plain(source.name), total=source.frame_count)
        yield lambda: progress.advance(task)


def cameras() -> None:
    """List the cameras of this machine: number, name, path, and on Linux the sizes that each one offers."""
    with errors_told():
        from emotion_cam.sources import camera_modes, list_cameras

        found = list_cameras()
        if not found:  # an answer and no error, so that the exit code is 0
            stdout.print("No camera was found.")
        for camera in found:
            stdout.print(f"[bold]{camera.number}  {plain(camera.name)}[/]  {plain(camera.path)}".rstrip())
            try:
                for mode in camera_modes(camera.path) if camera.path else ():
                    stdout.print(f"   {mode}")
            except OSError as error:
                stdout.print(f"   cannot be asked for its sizes: {error.strerror}")


def report(
    table: Annotated[
        Path, typer.Argument(help="What --out wrote: a .csv or .jsonl file.", metavar="TABLE", show_default=False)
    ],
    out: Annotated[
        list[Path],
        typer.Option(help="What to write: .html or .png. May be repeated.", metavar="FILE", show_default=False),
    ],
    video: Annotated[
        list[Path] | None,
        typer.Option(
            help="The video that the table is of, for pictures of the strongest moments. May be repeated.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="The table is of a run with --mirror.")] = False,
) -> None:
    """Make a page or a picture of a table: who was in view when, what each face showed, and its strongest moments."""
    with errors_told():
        from emotion_cam.errors import SinkError, SourceError
        from emotion_cam.report import FORMATS, History, check_extra, read_table, render
        from emotion_cam.sinks.base import check_place, save
        from emotion_cam.sources import VideoSource

        check_extra()
        for path in out:
            if path.suffix.lower() not in FORMATS:
                raise SinkError(f"{path} is no report: its name must end in {' or '.join(FORMATS)}.")
            check_place(path)
        history = History()
        for seen in read_table(table):
            history.add(*seen)
        for file in video or ():
            with VideoSource(file) as source, progress_bar("frames/s") as bar:
                if source.name not in history.clips:
                    known = ", ".join(list(history.clips)[:3]) or "nothing"
                    raise SourceError(f"{table} holds nothing of {source.name}, but of {known}.")
                frames = bar.track(source, total=source.frame_count, description=plain(source.name))
                history.illustrate((frame.mirrored() for frame in frames) if mirror else frames, source.name)
        for path in out:
            save(path, render(history, path.suffix.lower()))
            stdout.print(f"Wrote {plain(str(path))}")


def info(
    models: Annotated[
        list[Path] | None, typer.Argument(help="Model folders.", metavar="[MODEL]...", show_default="the shipped ones")
    ] = None,
) -> None:
    """Show what is installed, and what the models are and were measured to do."""
    with errors_told():
        import platform
        from importlib.metadata import version

        from emotion_cam.recognition.classifier import ModelCard, shipped_models

        packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "ai-edge-litert", "av"))
        stdout.print(f"emotion-cam {__version__}, Python {platform.python_version()}, {packages}")
        for card in [ModelCard.load(folder) for folder in models or shipped_models().values()]:
            facts = card.written
            height, width = card.size
            stdout.print(f"\n[bold]{plain(card.task)}[/]: {', '.join(card.labels)}")
            stdout.print(
                f"  {facts.get('network', '?')}, {facts.get('parameters', 0):,} parameters, input {width}×{height}"
            )
            stdout.print(f"  in {plain(str(card.folder))}")
            for figure in facts.get("measured", []):
                stdout.print(
                    f"  {figure['data']}: accuracy {figure['accuracy']:.4f}, balanced {figure['balanced_accuracy']:.4f}"
                )
