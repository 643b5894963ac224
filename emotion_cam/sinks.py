"""Where results go: a window, a video, pictures, tables. They differ in their ``Sink`` only."""

from __future__ import annotations

import csv
import ctypes
import json
import math
import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before av, which brings an X library of its own: the other way round OpenCV takes that, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from imutils.video import FPS

from emotion_cam.annotate import draw_corner_text
from emotion_cam.errors import SinkError
from emotion_cam.sources import ImageSource, Source, VideoSource, packet_end
from emotion_cam.types import Image, Prediction, Result

if TYPE_CHECKING:
    from types import TracebackType

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from cv2.typing import MatLike
    from typing_extensions import Self

TITLE = "emotion-cam"
"""What the window is called."""


class Sink(ABC):
    """Takes results. A context manager: what it writes is whole once it is left.

    Attributes:
        kept: the path that holds the output in the end, with a * where there are several; None if there is none.
    """

    kept: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether it has seen enough, and the run may end."""
        return False

    @abstractmethod
    def write(self, result: Result) -> None:
        """Take one result. Raises SinkError if it cannot be written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - not every sink holds something
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the output."""


def open_sink(path: str | Path, source: Source) -> Sink:
    """The sink for a path, chosen by its suffix (see ``SINKS``), and a folder for pictures.

    Raises:
        SinkError: nothing is written under that suffix, the place cannot be written to, or it is the source itself.
    """
    is_folder = os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()
    path = Path(path)
    if isinstance(source, ImageSource) and (is_folder or (source.folder and not path.suffix)):
        _spare(source, *(path / picture.name for picture in source.paths))
        return FolderSink(path)
    if is_folder:
        raise SinkError(f"{path} is a folder: add the name of a file, which ends in one of {' '.join(SINKS)}.")
    make = SINKS.get(path.suffix.lower())
    if make is None:
        raise SinkError(f"{path} is no output: its name must end in one of {' '.join(SINKS)}.")
    _spare(source, path)
    return make(path, source)


def _spare(source: Source, *outputs: Path) -> None:
    def identity(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_dev, status.st_ino

    read = {identity(path) for path in source.paths if path.exists()}
    for path in outputs:
        if path.exists() and identity(path) in read:
            raise SinkError(f"{path} is what is read: choose another name for the output.")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What the system, FFmpeg and OpenCV have to say about a path, as SinkError."""
    try:
        yield
    except (OSError, av.FFmpegError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise SinkError(f"{path} cannot be written: {reason}.") from error


def _check_place(path: Path) -> None:
    """Tell now, and not after an hour, that a file cannot be written."""
    if path.is_dir():
        raise SinkError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise SinkError(f"{path} cannot be written: there is no folder {path.parent}.")
    with _telling(path):
        tempfile.TemporaryFile(dir=path.parent).close()


def _part(path: Path) -> Path:
    """The hidden name beside a path under which it is written until it is whole."""
    return path.with_name(f".{path.stem}.part-{os.getpid()}{path.suffix}")


class FileSink(Sink):
    """An output in one file, which gets its name when it is whole; a file of that name lives on until then.

    After Ctrl-C it is whole as far as the run came. After any other exception what there is becomes
    ``NAME.partial.SUFFIX``. Without a single result nothing is left.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_place(self.path)
        self._part = _part(self.path)
        self._empty = True

    @abstractmethod
    def _finish(self) -> None:
        """Write what is still to come, and close the file."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wanted = kind is None or issubclass(kind, KeyboardInterrupt)
        whole = False
        try:
            with _telling(self.path):
                self._finish()
            whole = wanted
        except SinkError:
            if wanted:
                raise  # otherwise the first exception is the one to tell
        finally:
            self._settle(whole)

    def _settle(self, whole: bool) -> None:
        """Give the file the name that it deserves."""
        if self._empty:
            self._part.unlink(missing_ok=True)
            return
        self.kept = self._part
        target = self.path if whole else self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        try:
            self._part.replace(target)
        except OSError as error:
            raise SinkError(f"{target} cannot be replaced: {error.strerror}; see {self._part} instead.") from error
        self.kept = target


# Videos


class VideoSink(FileSink):
    """An H.264 video of the annotated frames at their own times, with the sound of the video that they come from.

    The first frame sets the size; an odd size grows by one pixel, and later frames of another size are stretched.

    Args:
        path: ends in .mp4 or .mkv.
        fps: the nominal rate, which tells how long the last frame lasts; None if unknown.
        audio_from: the video whose sound to carry across: all of it if every frame came, else as far as they came.
        live: the frames come in real time: spend less on compression, and give the first one the time 0.
    """

    AHEAD = 8
    """How many frames may wait to be encoded."""

    def __init__(
        self, path: str | Path, *, fps: float | None, audio_from: VideoSource | None = None, live: bool = False
    ) -> None:
        super().__init__(path)
        self._fps = fps or 30.0
        self._audio_from = audio_from
        self._live = live
        self._origin = 0.0
        self._file: _VideoFile | None = None
        # A frame is encoded beside the recognition of the next ones, which shortens a run even on two cores.
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._encoding: deque[Future[None]] = deque()

    def write(self, result: Result) -> None:
        image, seconds = result.annotated, result.frame.time
        with _telling(self.path):
            if self._file is None:
                self._origin = seconds if self._live else 0.0
                self._file = _VideoFile(self._part, image, self._fps, self._audio_from, self._live)
            if len(self._encoding) == self.AHEAD:
                self._encoding.popleft().result()
            self._encoding.append(self._encoder.submit(self._file.write, image, seconds - self._origin))
        self._empty = False

    def _finish(self) -> None:
        try:
            for frame in self._encoding:
                frame.result()
        finally:
            self._encoder.shutdown()
            if self._file is not None:
                self._file.close()


class _VideoFile:
    """A video file in the making: pictures of the size of ``image``, and the sound of ``audio_from``."""

    CLOCK = 360_000
    """Ticks per second: the usual clocks, 1/1000, 1/24000, 1/30000 and 1/90000 s, are whole numbers of them."""

    COPIED_TO_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
    """The codecs of sound that players expect in an MP4 file. Matroska takes nearly all."""

    def __init__(self, path: Path, image: Image, fps: float, audio_from: VideoSource | None, live: bool) -> None:
        is_mp4 = path.suffix.lower() == ".mp4"
        self._file = av.open(str(path.absolute()), "w", container_options={"movflags": "+faststart"} if is_mp4 else {})
        # Without B-frames the frames are stored in the order of their times, which keeps a variable rate exact.
        options = {"preset": "veryfast", "crf": "20", "bf": "0"} | ({"tune": "zerolatency"} if live else {})
        self._video = self._file.add_stream("libx264", Fraction(fps).limit_denominator(1001), options)
        height, width = image.shape[:2]
        self._size = width, height
        self._video.width, self._video.height = width + width % 2, height + height % 2
        self._video.pix_fmt = "yuv420p"
        self._reformatter = VideoReformatter()  # one for all frames: to set it up takes longer than to use it
        context = self._video.codec_context
        context.time_base = Fraction(1, self.CLOCK)
        if not live:
            context.thread_type = "FRAME"  # frames are encoded while the next ones are recognised
        # Players that are not told guess the colours. 1 is BT.709 in ITU-T H.273, and in FFmpeg the limited range.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        self._ticks = -1
        self._lasting = 1 / fps
        self._audio_from = audio_from
        copied = self.COPIED_TO_MP4 if is_mp4 else self._file.supported_codecs
        self._sound = _sound(audio_from, self._file, copied) if audio_from else None
        self._heard = 0.0

    def write(self, image: Image, seconds: float) -> None:
        self._ticks = max(round(seconds * self.CLOCK), self._ticks + 1)
        self._write_sound(until=self._ticks / self.CLOCK)
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(self._fitted(image)), format="bgr24")
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._ticks, Fraction(1, self.CLOCK)
        self._file.mux(self._video.encode(frame))

    def close(self) -> None:
        end = self._ticks / self.CLOCK + self._lasting
        with self._file:
            self._write_sound(until=math.inf if self._audio_from and self._audio_from.ended else end)
            self._file.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.close()

    def _write_sound(self, until: float) -> None:
        """Write the sound up to a time in seconds: before the pictures from then on, so that none of it piles up."""
        while self._sound is not None and self._heard < until:
            packet = next(self._sound, None)
            if packet is None:
                self._sound = None
            else:
                self._heard = packet_end(packet)
                self._file.mux(packet)

    def _fitted(self, image: Image) -> Image:
        """The picture at the size of the first one, its last column and row repeated where that size is odd."""
        width, height = self._size
        fitted: MatLike = image
        if image.shape[:2] != (height, width):
            fitted = cv2.resize(fitted, (width, height), interpolation=cv2.INTER_AREA)
        if width % 2 or height % 2:
            fitted = cv2.copyMakeBorder(fitted, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        return np.asarray(fitted, np.uint8)


def _sound(
    source: VideoSource, target: OutputContainer, copied: Collection[str]
) -> Generator[Packet[AudioStream], None, None]:
    """The sound of a video as packets for another file, timed like the frames of the source.

    It is copied if its codec is among ``copied``, else encoded anew as AAC. A stream is added to the target when the
    first packet is asked for, which must be before the target is written to.
    """
    with av.open(str(source.path.absolute())) as file:
        if not file.streams.audio:
            return
        stream = file.streams.audio[0]
        codec = stream.codec_context.codec
        if codec.name in copied or codec.canonical_name in copied:
            yield from _copied(_readable(file.demux(stream)), target.add_stream_from_template(stream), source.start)
        else:
            known = stream.rate in (av.Codec("aac", "w").audio_rates or [])
            encoder = target.add_stream("aac", stream.rate if known else 48_000)
            encoder.layout = "mono" if stream.channels == 1 else "stereo"
            yield from _encoded(_readable(file.demux(stream)), encoder, source.start)


def _readable(packets: Iterator[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
    """The packets up to where a damaged file cannot be read on. That it is damaged, its source tells."""
    with suppress(av.FFmpegError):
        yield from packets


def _copied(
    packets: Iterable[Packet[AudioStream]], target: AudioStream, start: Fraction
) -> Iterator[Packet[AudioStream]]:
    last = -math.inf
    for packet in packets:
        # The empty packet at the end has no time, and one that steps back in time could not be written.
        if packet.dts is not None and packet.dts > last:
            last = packet.dts
            shift = round(start / packet.time_base)
            packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift
            packet.dts -= shift
            packet.stream = target
            yield packet


def _encoded(
    packets: Iterable[Packet[AudioStream]], encoder: AudioStream, start: Fraction
) -> Iterator[Packet[AudioStream]]:
    for packet in packets:
        frames: list[AudioFrame] = []
        with suppress(av.FFmpegError):  # a click in the sound is no reason to stop
            frames = packet.decode()
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(start / frame.time_base)
            yield from encoder.encode(frame)
    yield from encoder.encode(None)


# Pictures


def _save_picture(path: Path, image: Image) -> None:
    with _telling(path):
        # Not imwrite, which on Windows cannot write under every name.
        options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
        done, data = cv2.imencode(path.suffix, image, options)
        if not done:
            raise OSError("OpenCV cannot encode the picture")
        part = _part(path)
        try:
            part.write_bytes(data.tobytes())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


class ImageSink(Sink):
    """The annotated picture: in ``path`` itself, or if ``numbered``, by the frame's index, in NAME-000001.SUFFIX.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path, *, numbered: bool) -> None:
        self.path = Path(path)
        self._numbered = numbered
        _check_place(self.path)

    def write(self, result: Result) -> None:
        if self._numbered:
            _save_picture(_with_number(self.path, result.frame.index), result.annotated)
            self.kept = self.path.with_name(f"{self.path.stem}-*{self.path.suffix}")
        else:
            _save_picture(self.path, result.annotated)
            self.kept = self.path


def _with_number(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


class FolderSink(Sink):
    """The annotated pictures in a folder, under the names of their sources; the folder is made if it is not there.

    Raises:
        SinkError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with _telling(self.folder):
            self.folder.mkdir(exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()

    def write(self, result: Result) -> None:
        _save_picture(self.folder / result.frame.source, result.annotated)
        self.kept = self.folder


# Tables


class _TextSink(FileSink):
    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        with _telling(self.path):
            # A file's name may hold bytes that are no text.
            self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace", newline="")

    def _finish(self) -> None:
        self._file.close()


class CsvSink(_TextSink):
    """A row for each face, task and label; ``top`` marks the most likely label, if it is likely enough.

    A frame without faces has a row without a face, and a face without predictions a row without a task.
    """

    COLUMNS = tuple("source frame time face track x1 y1 x2 y2 task label score top".split())  # noqa: SIM905 - legible

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(self.COLUMNS)

    def write(self, result: Result) -> None:
        with _telling(self.path):
            for row in self._rows_of(result):
                self._rows.writerow((*row, *[""] * (len(self.COLUMNS) - len(row))))
        self._empty = False

    @staticmethod
    def _rows_of(result: Result) -> Iterator[tuple[object, ...]]:
        frame = result.frame
        which = frame.source, frame.index, round(frame.time, 6)
        if not result.faces:
            yield which
        for number, face in enumerate(result.faces):
            box = face.box
            where = *which, number, "" if face.track is None else face.track, box.x1, box.y1, box.x2, box.y2
            if not face.predictions:
                yield where
            for task, prediction in face.predictions.items():
                for label, score in zip(prediction.labels, prediction.scores, strict=True):
                    yield *where, task, label, f"{score:.6f}", int(label == prediction.label)


class JsonlSink(_TextSink):
    """A JSON object on a line for each frame, with every face and every score."""

    def write(self, result: Result) -> None:
        frame = result.frame
        line = {
            "source": frame.source,
            "frame": frame.index,
            "time": round(frame.time, 6),
            "faces": [
                {
                    "face": number,
                    "track": face.track,
                    "box": [face.box.x1, face.box.y1, face.box.x2, face.box.y2],
                    "predictions": {task: _plain(prediction) for task, prediction in face.predictions.items()},
                }
                for number, face in enumerate(result.faces)
            ],
        }
        with _telling(self.path):
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._empty = False


def _plain(prediction: Prediction) -> dict[str, Any]:
    scores = (round(float(score), 6) for score in prediction.scores)
    return {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "scores": dict(zip(prediction.labels, scores, strict=True)),
    }


# The window


class WindowSink(Sink):
    """Shows the annotated frames: q or Esc quits, space pauses, s saves what is seen; closing the window quits.

    Args:
        mirror: show the picture as in a mirror, with everything in it legible.
        show_fps: the rate at which frames are shown, in the corner.
        hold: pause at every frame; space or Enter goes on to the next.
        snapshots: the folder for what s saves.
        on_message: is told of every snapshot, in a sentence.

    Raises:
        SinkError: there is no display, or this OpenCV cannot open windows.
    """

    LARGEST = 1280, 720
    """How large, in pixels, the window is at most to begin with."""

    def __init__(
        self,
        *,
        mirror: bool,
        show_fps: bool = False,
        hold: bool = False,
        snapshots: str | Path = ".",
        on_message: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._mirror = mirror
        self._hold = hold
        self._snapshots = Path(snapshots)
        self._on_message = on_message
        self._rate = _Rate() if show_fps else None
        self._image: Image | None = None
        self._paused = False
        self._finished = False
        try:
            with _display():
                cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise SinkError(
                "OpenCV cannot open a window here, as with opencv-python-headless, which must not be installed beside "
                "opencv-python: use --out to write a file instead."
            ) from error

    @property
    def finished(self) -> bool:
        return self._finished

    def write(self, result: Result) -> None:
        image = (result.mirrored() if self._mirror else result).annotated
        if self._image is None:
            self._set_size(image.shape[1], image.shape[0])
        if self._rate is not None:
            image = image.copy()  # the other outputs use this picture too
            draw_corner_text(image, self._rate.count())
        self._image = image
        cv2.imshow(TITLE, image)
        self._paused = self._hold
        self._listen(1)
        while self._paused and not self._finished:
            self._listen(30)

    def __exit__(self, *_: object) -> None:
        with suppress(cv2.error):  # it is closed already
            cv2.destroyWindow(TITLE)

    def _set_size(self, width: int, height: int) -> None:
        scale = min(1.0, self.LARGEST[0] / width, self.LARGEST[1] / height)
        cv2.resizeWindow(TITLE, round(width * scale), round(height * scale))

    def _listen(self, milliseconds: int) -> None:
        key = chr(cv2.waitKey(milliseconds) & 0xFF).lower()
        if key in ("q", "\x1b") or not _is_open():
            self._finished = True
        elif key in (" ", "\r"):
            self._paused = not self._paused
            if self._rate is not None:
                self._rate.restart()
        elif key == "s":
            self._save_snapshot()

    def _save_snapshot(self) -> None:
        assert self._image is not None
        path = self._snapshots / f"emotion-cam-{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]
        path = path.with_suffix(".png")
        try:
            _save_picture(path, self._image)
        except SinkError as error:  # no reason to stop watching
            self._on_message(str(error))
        else:
            self._on_message(f"Saved {path}.")


class _Rate:
    """Counts frames, and tells how many a second went by, anew about every second so that it can be read."""

    def __init__(self) -> None:
        self._text = ""
        self.restart()

    def restart(self) -> None:
        self._fps = FPS().start()
        self._since = time.monotonic()

    def count(self) -> str:
        """One more frame; returns what to show, which is "" during the first second."""
        self._fps.update()
        if time.monotonic() - self._since >= 1:
            self._fps.stop()
            self._text = f"{self._fps.fps():.0f} fps"
            self.restart()
        return self._text


def _is_open() -> bool:
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # how Qt says that its last window is gone
        return False


@contextmanager
def _display() -> Iterator[None]:
    """Look for the display first: Qt, with which OpenCV comes on Linux, ends the whole process where there is none."""
    if not sys.platform.startswith("linux") or not cv2.currentUIFramework().startswith("QT"):
        yield
        return
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        raise SinkError(f"A window needs what is missing here, {error}; use --out to write a file instead.") from error
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = (ctypes.c_void_p,)
    display = x11.XOpenDisplay(None)
    if not display:
        found = os.environ.get("DISPLAY")
        why = f"{found} cannot be reached" if found else "DISPLAY is not set"
        raise SinkError(f"There is no display for a window: {why}; use --out to write a file instead.")
    os.environ["QT_QPA_PLATFORM"] = "xcb"  # whatever is set: OpenCV brings no other
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # they are about fonts that are not used
    try:
        yield
    finally:
        x11.XCloseDisplay(display)  # not before Qt is there: a display whose last client leaves may start anew


# What is written under which suffix


def _make_video(path: Path, source: Source) -> Sink:
    if isinstance(source, ImageSource):
        raise SinkError(f"{path} is a video, which pictures do not make: use .png, .jpg, or a folder.")
    audio_from = source if isinstance(source, VideoSource) else None
    return VideoSink(path, fps=source.fps, audio_from=audio_from, live=source.live)


def _make_image(path: Path, source: Source) -> Sink:
    numbered = source.frame_count != 1
    if numbered:
        _spare(source, *(_with_number(path, index) for index in range(len(source.paths))))
    return ImageSink(path, numbered=numbered)


SINKS: dict[str, Callable[[Path, Source], Sink]] = {
    ".mp4": _make_video,
    ".mkv": _make_video,
    ".png": _make_image,
    ".jpg": _make_image,
    ".jpeg": _make_image,
    ".csv": lambda path, source: CsvSink(path),
    ".jsonl": lambda path, source: JsonlSink(path),
}
"""What writes a file, by its suffix. A new kind of output is a class above and a line here."""
