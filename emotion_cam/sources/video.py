"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

# Before av, which brings an X library of its own: the other way round OpenCV takes that, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source, check_readable, files_in
from emotion_cam.types import Frame, Image

VIDEOS = tuple(".mp4 .m4v .mkv .mov .avi .webm .mpg .mpeg .ts .mts .m2ts .wmv .flv .ogv .3gp .gif".split())  # noqa: SIM905
"""The suffixes by which the videos of a folder are known; a file that is named itself may have any."""

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def videos_in(folder: Path) -> tuple[Path, ...]:
    """The videos of a folder in natural order (2 before 10). Raises SourceError if it cannot be read, or holds none."""
    return files_in(folder, VIDEOS, "videos")


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
    check_readable(path)
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
