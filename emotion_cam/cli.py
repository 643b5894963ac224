"""The command line: arguments → objects → run. The only place that prints or exits.

Whatever a command needs is imported inside it, so that --help and --version come at once.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from emotion_cam import __version__
from emotion_cam.errors import EmotionCamError, sentence

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from emotion_cam.batch import Running
    from emotion_cam.job import Job, Outcome
    from emotion_cam.sources import Source
    from emotion_cam.training.evaluate import Report

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit codes after Ctrl-C, and where nobody reads standard output any more, as shells have them: 128 and the signal's
number."""

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_err = Console(stderr=True, highlight=False, soft_wrap=True)
_out = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """The entry point of ``emotion-cam``."""
    app(prog_name="emotion-cam")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what went wrong in one line, and exit with 1; with 130 after Ctrl-C. A termination counts as Ctrl-C.

    That nobody reads standard output any more is no news to who made it so: this exits with 141 and says nothing.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(BROKEN_PIPE) from None
    except (EmotionCamError, OSError) as error:
        _tell_error(sentence(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _tell_error(reason: str) -> None:
    _err.print(f"[bold red]emotion-cam:[/] {_plain(reason)}")


def _plain(text: str) -> str:
    """Text as it is, whatever in it looks like Rich's markup."""
    from rich.markup import escape

    return escape(text)


def _version(asked: bool) -> None:
    if asked:
        _out.print(f"emotion-cam {__version__}")
        raise typer.Exit


# --- recognise --------------------------------------------------------------------------------------------------

_INPUT, _OUTPUT, _MODELS, _SPEED = "Input (one of)", "Output", "Models", "Detection and speed"
_LIVE = "Cameras and streams"


@app.callback(invoke_without_command=True)
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
    with _told():
        from emotion_cam.batch import named
        from emotion_cam.job import Job, Outcome, do
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
            bar = partial(_progress, shown=not (streams and _out.is_terminal))
            do(job, outcome, tell=lambda message: _err.print(_plain(message)), progress=bar)
        finally:
            lines = _written(outcome) if streams else _story(outcome, "frame" if image is None else "picture")
            for line in lines:
                (_err if streams else _out).print(line, markup=False)


def _do_several(job: Job, videos: list[str], workers: int, resume: bool) -> None:
    from emotion_cam.batch import do_all, is_done, jobs_for

    jobs = jobs_for(job, videos)
    left, endings = [], []
    for one in jobs:
        if resume and is_done(one):
            _out.print(f"Skipped {one.video}, whose outputs are there", markup=False)
        else:
            left.append(one)
    with _interruption() as interrupted, _bar("frames/s") as bar:
        bars = _Bars(bar)
        for ending in do_all(
            left, workers, stopped=interrupted, watch=bars, tell=lambda message: _err.print(_plain(message))
        ):
            for line in _story(ending.outcome, "frame", f"{ending.job.video}: "):
                print(line, flush=True)  # by way of Rich, which keeps its bars below
            endings.append(ending)
        was_interrupted = interrupted()
    errors = [ending.error for ending in endings if ending.error is not None]
    for error in dict.fromkeys(errors):  # what names no video is wrong with all of them
        _tell_error(error)
    stopped = sum(ending.stopped for ending in endings)
    counts = {
        "done": len(endings) - len(errors) - stopped,
        "skipped": len(jobs) - len(left),
        "failed": len(errors),
        "stopped": stopped,
        "not begun": len(left) - len(endings),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    _out.print(f"{len(jobs)} video{'' if len(jobs) == 1 else 's'}: {told}")
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
                self._tasks[job.video] = self._progress.add_task(_plain(Path(str(job.video)).name), total=None)
            self._progress.update(self._tasks[job.video], completed=frames, total=total)


@contextlib.contextmanager
def _progress(source: Source, *, shown: bool = True) -> Iterator[Callable[[], None]]:
    """A bar with rate and time left for files; nothing for a live source, which has a window and no end."""
    if source.live or not shown:
        yield lambda: None
        return
    with _bar("frames/s") as progress:
        task = progress.add_task(_plain(source.name), total=source.frame_count)
        yield lambda: progress.advance(task)


def _bar(unit: str) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.0f} {unit}", style="cyan")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
        redirect_stdout=_out.is_terminal,  # what goes into a file is none of its business
        disable=not _err.is_terminal,
    )


# --- cameras ----------------------------------------------------------------------------------------------------


@app.command()
def cameras() -> None:
    """List the cameras of this machine: number, name, path, and on Linux the sizes that each one offers."""
    with _told():
        from emotion_cam.sources import camera_modes, list_cameras

        found = list_cameras()
        if not found:  # an answer and no error, so that the exit code is 0
            _out.print("No camera was found.")
        for camera in found:
            _out.print(f"[bold]{camera.number}  {_plain(camera.name)}[/]  {_plain(camera.path)}".rstrip())
            try:
                for mode in camera_modes(camera.path) if camera.path else ():
                    _out.print(f"   {mode}")
            except OSError as error:
                _out.print(f"   cannot be asked for its sizes: {error.strerror}")


# --- train, evaluate, export, explain, info ---------------------------------------------------------------------


_Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="A data set and where it lies: fer2013, ferplus, rafdb, fairface, utkface or folder, as in "
        "fer2013=data/fer2013. May be repeated.",
        metavar="NAME=PATH",
        show_default=False,
    ),
]
_Model = Annotated[Path, typer.Argument(help="A model folder.", metavar="MODEL", show_default=False)]


def _named(data: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple((name, path) for name, _, path in (entry.partition("=") for entry in data))
    for name, path in pairs:
        if not path:
            raise typer.BadParameter(f"“{name}” needs a place, as in {name}=data/{name}.", param_hint="--data")
    return pairs


def _emphasised(entries: list[str]) -> tuple[tuple[str, str, float], ...]:
    groups = []
    for entry in entries:
        found = re.fullmatch(r"(\w+)=(.+):(\d+(?:\.\d+)?)", entry)
        if not found:
            raise typer.BadParameter(f"“{entry}” is not of the form race=Black:1.5.", param_hint="--emphasis")
        groups.append((found[1], found[2], float(found[3])))
    return tuple(groups)


@app.command()
def train(
    task: Annotated[str, typer.Option(help="What the network tells, as people will see it.", show_default=False)],
    data: _Data,
    out: Annotated[Path, typer.Option(help="The model folder to write.", metavar="FOLDER", show_default=False)],
    network: Annotated[str, typer.Option(help="mini_xception or xception.")] = "mini_xception",
    residual: Annotated[bool, typer.Option(help="The blocks' shortcuts; without them as an experiment.")] = True,
    separable: Annotated[bool, typer.Option(help="Separable convolutions; plain ones as an experiment.")] = True,
    middle_activation: Annotated[
        bool,
        typer.Option("--middle-activation", help="A ReLU between depthwise and pointwise, as an experiment."),
    ] = False,
    width: Annotated[float, typer.Option(help="Times as many filters in every convolution.")] = 1.0,
    middle_blocks: Annotated[int, typer.Option(help="Blocks in Xception's middle flow.")] = 8,
    size: Annotated[int, typer.Option(help="Side of the input in pixels; Xception needs 71.")] = 48,
    margin: Annotated[float, typer.Option(help="What to add to the detector's box, as a share of its side.")] = 0.0,
    epochs: Annotated[int, typer.Option(help="How long at most.")] = 60,
    batch_size: Annotated[int, typer.Option(help="Faces a step.")] = 64,
    optimizer: Annotated[str, typer.Option(help="adamw or rmsprop.")] = "adamw",
    learning_rate: Annotated[float, typer.Option(help="Of the optimizer, after a warm-up of one epoch.")] = 2e-3,
    schedule: Annotated[str, typer.Option(help="cosine or plateau.")] = "cosine",
    weight_decay: Annotated[float, typer.Option(help="Of the optimizer.")] = 1e-4,
    l2: Annotated[float, typer.Option(help="Penalty on the convolutions; 0.01 in the authors' code.")] = 0.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of each target spread over all classes.")] = 0.0,
    votes: Annotated[float, typer.Option(help="Share of FER+'s votes in FER2013's targets.")] = 0.0,
    balance: Annotated[float, typer.Option(help="Weight of rare classes: 0 none, 1 as much as common ones.")] = 0.0,
    emphasis: Annotated[
        list[str] | None,
        typer.Option(
            help="A group of people whose pictures weigh more, as in race=Black:1.5. May be repeated.",
            metavar="KIND=GROUP:FACTOR",
            show_default="none",
        ),
    ] = None,
    augmentation: Annotated[str, typer.Option(help="none, gentle, framing, shear or strong.")] = "gentle",
    mixup: Annotated[float, typer.Option(help="Mix pairs of pictures by Beta(MIXUP, MIXUP); 0: do not.")] = 0.0,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Learn this model's scores beside the labels. May be repeated.",
            metavar="MODEL",
            show_default="none",
        ),
    ] = None,
    teacher_share: Annotated[float, typer.Option(help="Share of the teachers' scores in the targets.")] = 0.5,
    average: Annotated[
        float, typer.Option(help="Average the weights over about so many epochs; 0: do not.", metavar="EPOCHS")
    ] = 0.0,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better one; 0: never.")] = 0,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    steady: Annotated[
        bool, typer.Option("--steady", help="What it tells stays the same while a face is in view, as gender does.")
    ] = False,
    init: Annotated[
        str,
        typer.Option(
            help="Start from the weights of this model folder; for Xception also “imagenet”, which Keras downloads, or "
            "a file of those weights.",
            metavar="MODEL",
            show_default="none",
        ),
    ] = "",
    freeze: Annotated[
        int, typer.Option(help="Leave the first so many layers as they are; --init a second run to train all.")
    ] = 0,
    mixed_precision: Annotated[
        bool, typer.Option("--mixed-precision", help="Compute in float16 what bears it; quicker on GPUs.")
    ] = False,
    devices: Annotated[int, typer.Option(help="Share every batch out over so many GPUs; needs KERAS_BACKEND=jax.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
) -> None:
    """Train a network on data sets, and write a model folder that explains itself."""
    named = _named(data)
    emphasised = _emphasised(emphasis or [])
    with _told():
        from emotion_cam.training.progress import EpochProgress
        from emotion_cam.training.train import Recipe
        from emotion_cam.training.train import train as fit

        recipe = Recipe(
            task=task,
            data=named,
            network=network,
            residual=residual,
            separable=separable,
            middle_activation=middle_activation,
            width=width,
            middle_blocks=middle_blocks,
            size=size,
            margin=margin,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            l2=l2,
            label_smoothing=label_smoothing,
            votes=votes,
            balance=balance,
            emphasis=emphasised,
            augmentation=augmentation,
            mixup=mixup,
            teachers=tuple(teacher or ()),
            teacher_share=teacher_share,
            average=average,
            patience=patience,
            seed=seed,
            steady=steady,
            init=init,
            freeze=freeze,
            mixed_precision=mixed_precision,
            devices=devices,
        )
        arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
        with _bar("batches/s") as progress:
            watch = EpochProgress(progress, recipe.epochs, _err.print)
            fit(recipe, out, resume=resume, command=f"emotion-cam {shlex.join(arguments)}", callbacks=[watch])
        _out.print(f"Wrote {_plain(str(out))}")
        if not (out / "model.tflite").exists():
            _out.print("KERAS_BACKEND=tensorflow emotion-cam export writes its model.tflite, which the camera runs")


@app.command()
def evaluate(
    model: _Model,
    data: _Data,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    runtime: Annotated[str, typer.Option(help="litert or keras.")] = "litert",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here too.", metavar="FILE", show_default=False)
    ] = None,
    framing: Annotated[
        bool, typer.Option("--framing", help="Measure too what is lost when the box is shifted or scaled.")
    ] = False,
    record: Annotated[bool, typer.Option("--card", help="Put the figures into the model's card.")] = False,
) -> None:
    """Measure a model on data sets, through the classifier that the camera uses."""
    named = _named(data)
    with _told():
        import json

        from emotion_cam.training import card, datasets
        from emotion_cam.training.evaluate import evaluate as measure
        from emotion_cam.training.evaluate import reframed

        reports = []
        for name, path in named:
            faces = datasets.load(name, Path(path), split)
            total = len(faces) * (1 + framing * len(reframed(faces.box)))
            with _bar("pictures/s") as bar:
                watch = partial(bar.advance, bar.add_task(name, total=total))
                report = measure(model, faces, runtime=runtime, framing=framing, progress=watch)
            _print_report(report)
            reports.append(report)
            if record:
                card.record(model, report)
        if json_file is not None:
            json_file.write_text(json.dumps([report.as_dict() for report in reports], indent=2) + "\n")


def _print_report(report: Report) -> None:
    from rich.table import Table

    _out.print(
        f"{report.data}: accuracy {report.accuracy:.4f}, balanced accuracy {report.balanced_accuracy:.4f}, "
        f"calibration error {report.calibration_error:.4f} ({len(report.truth)} pictures, {report.runtime})"
    )
    if report.min_confidence:
        _out.print(
            f"sure (score at least {report.min_confidence:g}) of {report.sure['coverage']:.1%}, and right on "
            f"{report.sure['accuracy']:.1%} of these"
        )
    figures = Table("class", "precision", "recall", "F1", "pictures")
    counts = Table("true ↓  told →", *report.labels)
    for row, told in zip(report.per_class, report.confusion, strict=True):
        shares = (f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        figures.add_row(row["label"], *shares, str(row["pictures"]))
        counts.add_row(row["label"], *map(str, told))
    _out.print(figures, counts)
    _print_groups(report)
    _print_framing(report)


def _print_groups(report: Report) -> None:
    from rich.table import Table

    from emotion_cam.training.card import error_names

    for kind, figures in report.as_dict().get("groups", {}).items():
        table = Table(kind, "pictures", "accuracy", "balanced accuracy", *error_names(report.labels))
        for row in figures["groups"]:
            errors = ("–" if recall is None else f"{1 - recall:.3f}" for recall in row["recall"].values())
            shares = (f"{row[key]:.3f}" for key in ("accuracy", "balanced_accuracy"))
            table.add_row(row["group"], str(row["pictures"]), *shares, *errors)
        _out.print(table)
        _out.print(
            f"worst by {kind}: {figures['worst']}, {figures['worst_below_mean']:.4f} below the groups' mean of "
            f"{figures['mean']:.4f} (balanced accuracy)"
        )


def _print_framing(report: Report) -> None:
    from rich.table import Table

    figures = report.as_dict().get("framing")
    if figures is None:
        return
    table = Table("box", "balanced accuracy", "loss")
    for row in figures["changes"]:
        table.add_row(row["box"], f"{row['balanced_accuracy']:.4f}", f"{row['loss']:.4f}")
    _out.print(table)
    _out.print(f"loss by framing: mean {figures['mean_loss']:.4f}, worst {figures['worst_loss']:.4f}")


@app.command()
def export(
    model: _Model,
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            help="Faces to compare the two files on (the validation split), as in fer2013=data/fer2013. May be "
            "repeated.",
            metavar="NAME=PATH",
            show_default=False,
        ),
    ],
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="First fold into the weights the temperature that suits these faces best."),
    ] = False,
) -> None:
    """Write model.tflite from a folder's model.keras, after a check that both say the same of real faces."""
    named = _named(data)
    with _told():
        from emotion_cam.classify import ModelCard
        from emotion_cam.training import datasets
        from emotion_cam.training import export as exporting

        card = ModelCard.load(model)
        sets = [datasets.load(name, Path(path), "validation") for name, path in named]
        faces = [face for chosen in sets for face in chosen.extracted(card.size, card.margin)]
        if calibrate:
            temperature, difference = exporting.calibrate(model, sets)
            _out.print(f"Divided the logits by the temperature {temperature:.3f}; evaluate --card measures it anew")
        else:
            difference = exporting.export(model, faces)
        _out.print(f"Wrote {_plain(str(model / 'model.tflite'))}: equal to model.keras within {difference:.1e}")
        _out.print(f"on {len(faces)} faces of {', '.join(chosen.name for chosen in sets)}")


@app.command()
def explain(
    photo: Annotated[
        Path, typer.Argument(help="A picture with faces.", metavar="PHOTO", dir_okay=False, show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="What to write: .png or .jpg.", metavar="FILE", show_default=False)],
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A model folder. May be repeated.", metavar="FOLDER", show_default="the shipped ones"),
    ] = None,
) -> None:
    """Show what in each face of a photo speaks for its labels: activation map, Grad-CAM, guided backpropagation."""
    with _told():
        from emotion_cam.classify import shipped_models
        from emotion_cam.training.explain import explain as write

        count = write(photo, out, model or list(shipped_models().values()))
        _out.print(f"1 picture, {count} face" + ("" if count == 1 else "s"))
        _out.print(f"Wrote {_plain(str(out))}")


@app.command()
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
) -> None:
    """Make a page or a picture of a table: who was in view when, what each face showed, and its strongest moments."""
    with _told():
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
            with VideoSource(file) as source, _bar("frames/s") as bar:
                if source.name not in history.clips:
                    known = ", ".join(list(history.clips)[:3]) or "nothing"
                    raise SourceError(f"{table} holds nothing of {source.name}, but of {known}.")
                frames = bar.track(source, total=source.frame_count, description=_plain(source.name))
                history.illustrate(frames, source.name)
        for path in out:
            save(path, render(history, path.suffix.lower()))
            _out.print(f"Wrote {_plain(str(path))}")


@app.command()
def info(
    models: Annotated[
        list[Path] | None, typer.Argument(help="Model folders.", metavar="[MODEL]...", show_default="the shipped ones")
    ] = None,
) -> None:
    """Show what is installed, and what the models are and were measured to do."""
    with _told():
        import platform
        from importlib.metadata import version

        from emotion_cam.classify import ModelCard, shipped_models

        packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "ai-edge-litert", "av"))
        _out.print(f"emotion-cam {__version__}, Python {platform.python_version()}, {packages}")
        for card in [ModelCard.load(folder) for folder in models or shipped_models().values()]:
            facts = card.written
            height, width = card.size
            _out.print(f"\n[bold]{_plain(card.task)}[/]: {', '.join(card.labels)}")
            _out.print(
                f"  {facts.get('network', '?')}, {facts.get('parameters', 0):,} parameters, input {width}×{height}"
            )
            _out.print(f"  in {_plain(str(card.folder))}")
            for figure in facts.get("measured", []):
                _out.print(
                    f"  {figure['data']}: accuracy {figure['accuracy']:.4f}, balanced {figure['balanced_accuracy']:.4f}"
                )
