"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
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
"""The suffixes of the videos in a folder, in lower case; a file that is given by name may have any."""

_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def videos_in(folder: Path) -> tuple[Path, ...]:
    """The videos of a folder in natural order (2 before 10). Raises SourceError if it cannot be read or holds none."""
    return files_in(folder, VIDEOS, "videos")


class VideoSource(Source):
    """A video file. ``Frame.time`` comes from the file, so a variable rate is kept; rotation tags are applied.

    Attributes:
        path: the file.
        start: the time by the file's clock at which the frames' time is 0, in seconds.

    Raises:
        SourceError: it cannot be read, or is not a video; while iterating, after the last good frame: it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.paths = (self.path,)
        self._container = _open_video(self.path)
        try:
            # Audio may start a moment before 0, because its codec needs a lead-in; the pictures start at 0.
            self.start = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
            self._stream = _video_stream(self._container, self.path)
            self._stream.thread_type = "AUTO"
            rate = self._stream.average_rate or self._stream.guessed_rate
            self.fps = float(rate) if rate else None
            self._seconds = (self._container.duration or 0) / 1e6
            self.frame_count = self._stream.frames or round(self._seconds * (self.fps or 0)) or None
            self._frames = self._decode()
            # Only a decoded frame shows the rotation, and that anything can be decoded at all.
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
        reformatter = VideoReformatter()  # one for all frames, because setting it up is slower than using it
        for index, frame in enumerate(self._decoded()):
            if frame.pts is None or frame.time_base is None:
                seconds += step
            else:
                seconds = max(0.0, float(frame.pts * frame.time_base - self.start))
            yield Frame(_upright(frame, reformatter), index, seconds, self.name)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Every frame that can be decoded, then SourceError if the file is shorter than it declares."""
        video_end, other_end, lost = 0.0, 0.0, 0  # seconds; lost: packets that cannot be decoded
        for packet in self._packets():
            if packet.stream is not self._stream:
                other_end = max(other_end, packet_end(packet))
                continue
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                lost += video_end > 0  # the first ones may depend on pictures from before the file was trimmed
                continue
            video_end = max(video_end, packet_end(packet))
            yield from frames
        end = video_end if lost else max(video_end, other_end)  # audio may be longer than the video
        if self._seconds - end > max(0.5, 0.05 * self._seconds):
            raise SourceError(
                f"{self.path} is damaged or cut off: it ends after {end:.1f} of {self._seconds:.1f} seconds."
            )
        if lost:
            raise SourceError(f"{self.path} is damaged: {lost} of its pictures cannot be decoded.")

    def _packets(self) -> Iterator[av.Packet[Stream]]:
        """Every packet of every stream, up to the end or to where reading fails."""
        try:
            yield from self._container.demux()
        except av.FFmpegError:
            last: av.Packet[Stream] = av.Packet()
            last.stream = self._stream
            yield last  # an empty packet flushes the decoder


def _open_video(path: Path) -> InputContainer:
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a video; use `image` for a folder of pictures.")
    check_readable(path)
    try:
        # Absolute, because a colon in a relative name would look like a protocol.
        container = av.open(str(path.absolute()))
    except av.FFmpegError as error:
        raise SourceError(f"{path} cannot be opened as a video: it is not one, or damaged or cut off.") from error
    kind = container.format.name
    if kind in ("tty", "image2") or kind.endswith("_pipe"):
        container.close()
        found = "a text file" if kind == "tty" else "a picture: use `image`"
        raise SourceError(f"{path} is not a video but {found}.")
    return container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a song is a video stream too
            return stream
    raise SourceError(f"{path} has no pictures in it, only audio or other data.")


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter) -> Image:
    # PyAV up to 14 ignores the frame's own color space and range unless they are passed.
    image = reformatter.reformat(
        frame,
        format="bgr24",
        src_colorspace=frame.colorspace,
        src_color_range=frame.color_range,
        dst_colorspace=Colorspace.DEFAULT,
    ).to_ndarray()
    rotation = _ROTATIONS.get(frame.rotation % 360)
    return np.ascontiguousarray(image if rotation is None else cv2.rotate(image, rotation), np.uint8)


def packet_end(packet: av.Packet[Any]) -> float:
    """The end of a packet's picture or audio, in seconds by the file's clock; 0 if the packet has no time."""
    stamp = packet.dts if packet.pts is None else packet.pts
    return 0.0 if stamp is None else float((stamp + (packet.duration or 0)) * packet.time_base)
