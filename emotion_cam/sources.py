"""Where frames come from: a camera or stream, a video file, pictures. They differ in their ``Source`` only."""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# Before av, which brings an X library of its own: the other way round OpenCV takes that, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from emotion_cam.errors import SourceError
from emotion_cam.types import Frame, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike
    from typing_extensions import Self

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""The suffixes by which the pictures of a folder are known."""

_DEVICES = Path("/dev")
_DEVICE_NOTES = Path("/sys/class/video4linux")
_PATIENCE = 10_000  # milliseconds that a stream may take to answer, or to send the next picture
_FAREWELL = 2.0  # seconds that a reader has to end; one that hangs in a dead camera ends with the program
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Source(ABC):
    """Gives frames: iterate over it, once. A context manager; ``close`` may be called at any time, and twice.

    Attributes:
        name: what it is, for people: the name of the file or folder, "camera 0", or the stream's address.
        live: whether frames come by themselves, and are dropped while nobody takes them.
        size: (width, height) in pixels as delivered, after any rotation; None if that is not known beforehand.
        fps: nominal frames per second; None if unknown.
        frame_count: the best estimate of how many frames there are; None if unknown.
        paths: the files that are read, so that no output overwrites them.
        ended: whether every frame has been given.
    """

    name: str
    live = False
    size: tuple[int, int] | None = None
    fps: float | None = None
    frame_count: int | None = None
    paths: tuple[Path, ...] = ()
    ended = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order. Raises SourceError where the source fails, after the frames before that."""

    def close(self) -> None:  # noqa: B027 - not every source holds something
        """Let go of the camera or file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(
    *, camera: int | str | None = None, video: str | Path | None = None, image: str | Path | None = None
) -> Source:
    """The source for exactly one of a camera's number, a video and a picture or folder of pictures.

    The camera and the video may also be the address of a stream (``rtsp://…``), which must be given as a str.

    Raises:
        SourceError: it cannot be opened.
        ValueError: none or several are given.
    """
    if sum(given is not None for given in (camera, video, image)) != 1:
        raise ValueError("exactly one of camera, video and image is needed")
    if image is not None:
        return ImageSource(image)
    if camera is not None:
        return CameraSource(camera)
    assert video is not None
    return CameraSource(str(video)) if "://" in str(video) else VideoSource(video)


# Cameras and streams


class CameraInfo(NamedTuple):
    """A camera of this machine: the number to open it by, and its name ("" if the system tells none)."""

    number: int
    name: str

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine, whether or not another program uses them."""
    if sys.platform != "linux":
        # No other system tells OpenCV's numbers without opening the cameras.
        return [CameraInfo(number, "") for number in range(4) if _open_capture(number).isOpened()]
    cameras = []
    for device in _DEVICES.glob("video[0-9]*"):
        notes = _DEVICE_NOTES / device.name
        if _text(notes / "index", "0") == "0":  # a camera's further devices carry its metadata and no pictures
            cameras.append(CameraInfo(int(device.name.removeprefix("video")), _text(notes / "name", "")))
    return sorted(cameras)


def _text(path: Path, otherwise: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return otherwise


def _open_capture(camera: int | str) -> cv2.VideoCapture:
    # OpenCV and its FFmpeg write lines of their own where opening fails; the error that we raise is enough.
    # The function's place differs between the releases of OpenCV.
    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    set_level(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if isinstance(camera, int):
        # On Linux every camera is one of V4L2's; trying the other ways would only take time.
        return cv2.VideoCapture(camera, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE]
    return cv2.VideoCapture(camera, cv2.CAP_FFMPEG, patience)


class CameraSource(Source):
    """A camera, by its number, or a stream, by its address (http, https, rtsp, rtmp, udp, …): the newest frame wins.

    One thread reads on and keeps the newest frame only, so a slow consumer drops frames and never lags.
    ``Frame.index`` counts the frames that were read, so it has gaps where some were dropped; ``Frame.time`` is
    seconds since the first frame.

    Raises:
        SourceError: there is no such camera or stream, or it sends nothing; while iterating: it was lost.
    """

    live = True

    def __init__(self, camera: int | str) -> None:
        number = re.fullmatch(r"(?:/dev/video)?(\d+)", str(camera))
        self._camera = int(number[1]) if number else str(camera)
        # A password must not end up in tables and messages.
        self.name = f"camera {number[1]}" if number else re.sub(r"://[^/@]*@", "://", str(camera))
        if not number and "://" not in self.name:
            raise SourceError(f"“{camera}” is neither a camera's number nor an address such as rtsp://host/path.")
        self._capture = _open_capture(self._camera)
        arrived, image = self._capture.read()  # so that trouble is told now, not after the models have been loaded
        self._start = time.monotonic()
        if not arrived:
            opened = self._capture.isOpened()
            self._capture.release()
            raise SourceError(self._why_silent() if opened else self._why_closed())
        self.size = image.shape[1], image.shape[0]
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else None  # a driver that does not know says 0, -1 or 90000

        self._newest: Frame | None = self._frame(image, 0)
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"reader of {self.name}", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                while self._newest is None and self._error is None and not self._closed:
                    self._changed.wait(0.5)  # not for ever: on Windows Ctrl-C would not get through
                frame, self._newest = self._newest, None
            if self._closed:
                return
            if frame is not None:
                yield frame
            elif self._error is not None:
                raise self._error

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reader.join(_FAREWELL)

    def _read(self) -> None:
        try:
            for index in itertools.count(1):
                arrived, image = self._capture.read()
                with self._changed:
                    if self._closed:
                        return
                    if not arrived:
                        raise SourceError(self._why_lost(index))
                    self._newest = self._frame(image, index)
                    self._changed.notify()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify()
        finally:
            self._capture.release()  # here, for releasing a capture that another thread reads crashes

    def _frame(self, image: MatLike, index: int) -> Frame:
        return Frame(np.asarray(image, np.uint8), index, time.monotonic() - self._start, self.name)

    def _why_closed(self) -> str:
        if isinstance(self._camera, str):
            return f"{self.name} cannot be opened: is the address right, and is the stream running?"
        cameras = list_cameras()
        for camera in cameras:
            if camera.number == self._camera:
                return f"Camera {camera} cannot be opened: does another program use it, or are you not allowed to?"
        if not cameras:
            return (
                f"Camera {self._camera} cannot be opened; no camera was found: is it plugged in, "
                "and not in use by another program?"
            )
        return f"Camera {self._camera} cannot be opened; cameras found: {', '.join(map(str, cameras))}."

    def _why_silent(self) -> str:
        if isinstance(self._camera, str):
            return f"{self.name} sends no pictures that can be decoded."
        return f"Camera {self._camera} sends no pictures: does another program use it?"

    def _why_lost(self, frames: int) -> str:
        if isinstance(self._camera, str):
            # OpenCV does not tell a stream that is over from one that was lost.
            return (
                f"{self.name} stopped sending pictures after {frames} frames: it is over, or the connection was lost."
            )
        return f"Camera {self._camera} stopped sending pictures after {frames} frames: was it unplugged?"


# Video files


class VideoSource(Source):
    """A video file. ``Frame.time`` is the frame's own, so that a variable rate is kept; rotation tags are obeyed.

    Attributes:
        start: what the file's clock says at the time 0 of the frames, in seconds.

    Raises:
        SourceError: it cannot be read, or is no video; while iterating, after the last good frame: it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.paths = (self.path,)
        self._container = _open_video(self.path)
        try:
            # Sound may start a moment before 0, with its codec's run-up; what is shown starts at 0.
            self.start = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
            self._stream = _pictures_of(self._container, self.path)
            self._stream.thread_type = "AUTO"
            rate = self._stream.average_rate or self._stream.guessed_rate
            self.fps = float(rate) if rate else None
            self._seconds = (self._container.duration or 0) / 1e6
            self.frame_count = self._stream.frames or round(self._seconds * (self.fps or 0)) or None
            self._frames = self._decode()
            # Only a frame tells how it is turned, and that there is one that can be decoded.
            self._first = next(self._frames, None)
            if self._first is None:
                raise SourceError(f"{self.path} is damaged or cut off: none of its pictures can be decoded.")
            self.size = self._first.image.shape[1], self._first.image.shape[0]
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames
        self.ended = True

    def close(self) -> None:
        self._container.close()

    def _decode(self) -> Iterator[Frame]:
        step = 1 / self.fps if self.fps else 0.0
        seconds = -step
        reformatter = VideoReformatter()  # one for all frames: to set it up takes longer than to use it
        for index, frame in enumerate(self._decoded()):
            if frame.pts is None or frame.time_base is None:
                seconds += step
            else:
                seconds = max(0.0, float(frame.pts * frame.time_base - self.start))
            yield Frame(_upright(frame, reformatter), index, seconds, self.name)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Every frame that can be decoded, then SourceError if the file is short of what it declares."""
        pictures, rest, lost = 0.0, 0.0, 0  # how far, in seconds, each reaches; packets that cannot be decoded
        for packet in self._packets():
            if packet.stream is not self._stream:
                rest = max(rest, packet_end(packet))
                continue
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                lost += pictures > 0  # the first ones may build on pictures from before the file was cut
                continue
            pictures = max(pictures, packet_end(packet))
            yield from frames
        end = pictures if lost else max(pictures, rest)  # sound may go on longer, without any harm
        if self._seconds - end > max(0.5, 0.05 * self._seconds):
            raise SourceError(
                f"{self.path} is damaged or cut off: it ends after {end:.1f} of {self._seconds:.1f} seconds."
            )
        if lost:
            raise SourceError(f"{self.path} is damaged: {lost} of its pictures cannot be decoded.")

    def _packets(self) -> Iterator[av.Packet[Stream]]:
        """Every packet of every stream, up to the end or to where the file cannot be read on."""
        try:
            yield from self._container.demux()
        except av.FFmpegError:
            last: av.Packet[Stream] = av.Packet()
            last.stream = self._stream
            yield last  # an empty packet makes the decoder hand out the frames that it holds


def _open_video(path: Path) -> InputContainer:
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a video; pictures in a folder are for --image.")
    _check_readable(path)
    try:
        container = av.open(str(path.absolute()))  # absolute, so that no colon in a name is taken for a protocol's
    except av.FFmpegError as error:
        raise SourceError(f"{path} cannot be opened as a video: it is something else, damaged or cut off.") from error
    kind = container.format.name
    if kind in ("tty", "image2") or kind.endswith("_pipe"):
        container.close()
        what = "a text" if kind == "tty" else "a picture: use --image"
        raise SourceError(f"{path} is not a video but {what}.")
    return container


def _pictures_of(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # a song's cover calls itself video too
            return stream
    raise SourceError(f"{path} has no pictures in it, only sound or other data.")


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter) -> Image:
    # PyAV up to 14 ignores the frame's own colour space and range unless it is told them.
    image = reformatter.reformat(
        frame,
        format="bgr24",
        src_colorspace=frame.colorspace,
        src_color_range=frame.color_range,
        dst_colorspace=Colorspace.DEFAULT,
    ).to_ndarray()
    turn = _TURNS.get(frame.rotation % 360)
    return np.ascontiguousarray(image if turn is None else cv2.rotate(image, turn), np.uint8)


def packet_end(packet: av.Packet[Any]) -> float:
    """When a packet's picture or sound ends, in seconds by the file's clock; 0 if the packet does not say."""
    stamp = packet.dts if packet.pts is None else packet.pts
    return 0.0 if stamp is None else float((stamp + (packet.duration or 0)) * packet.time_base)


# Pictures


class ImageSource(Source):
    """A picture, or the pictures of a folder in natural order (2 before 10); each frame's source is its file's name.

    Rotation in EXIF is obeyed; grey pictures and those with transparency become BGR. Every frame's time is 0.

    Raises:
        SourceError: there is no picture; while iterating: a file is no picture.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.absolute().name
        self.folder = self.path.is_dir()
        if self.folder:
            self.paths = _pictures_in(self.path)
        else:
            _check_readable(self.path)
            self.paths = (self.path,)
        self.frame_count = len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self.paths):
            yield Frame(_read_picture(path), index, 0.0, path.name)
        self.ended = True


def _pictures_in(folder: Path) -> tuple[Path, ...]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.name[0] != "."]
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not paths:
        raise SourceError(f"The folder {folder} holds no pictures ({' '.join(PICTURES)}).")
    return tuple(sorted(paths, key=_natural))


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _read_picture(path: Path) -> Image:
    _check_readable(path)
    try:
        # Not imread, which on Windows cannot open every name.
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise SourceError(f"{path} is not a picture that can be read ({' '.join(PICTURES)}), or it is damaged.")
    return np.asarray(image, np.uint8)


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty.")
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
