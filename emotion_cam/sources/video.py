"""Video files."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source, check_readable, files_in
from emotion_cam.sources.clock import Clock
from emotion_cam.sources.pipes import Pipe, open_pipe
from emotion_cam.sources.spec import MAX_PIXELS, STDIN
from emotion_cam.types import Frame, Image

log = logging.getLogger(__name__)

VIDEOS = tuple(".mp4 .m4v .mkv .mov .avi .webm .mpg .mpeg .ts .mts .m2ts .wmv .flv .ogv .3gp .gif".split())  # noqa: SIM905
"""The suffixes of the videos in a folder, in lower case; a file that is given by name may have any."""

_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def videos_in(folder: Path) -> tuple[Path, ...]:
    """The videos of a folder in natural order (2 before 10). Raises SourceError if it cannot be read or holds none."""
    return files_in(folder, VIDEOS, "videos")


class VideoSource(Source):
    """A video file. ``Frame.time`` comes from the file, so a variable rate is kept; rotation tags are applied.

    Time never goes back: where the clock of the file jumps, as in joined recordings, it goes on from the last frame,
    which is logged once.

    Args:
        path: a file, a pipe such as /dev/stdin, or - for standard input.
        max_pixels: pictures with more pixels are refused before they take memory.
        start_at: begin with the last key frame at or before this time, in seconds; frames are counted from there.

    Attributes:
        path: the file.
        start: the time by the file's clock at which the frames' time is 0, in seconds.

    Raises:
        SourceError: it cannot be read, or is not a video; while iterating, after the last good frame: it is damaged.
    """

    LONGEST_TICK = Fraction(24 * 3600)
    """The longest time in seconds between two pictures that a header can declare sensibly."""

    LONGEST_LOOK_AHEAD = 300
    """How many packets of a pipe are read to find the first audio."""

    def __init__(self, path: str | Path, *, max_pixels: int = MAX_PIXELS, start_at: float = 0.0) -> None:
        self.path = Path(path)
        self.name = "stdin" if self.path == Path(STDIN) else self.path.name
        self.paths = (self.path,)
        self._max_pixels = max_pixels
        self._pipe = open_pipe(self.path)
        self._container = _open_video(self.path, self._pipe)
        try:
            # Audio may start a moment before 0, because its codec needs a lead-in; the pictures start at 0.
            self.start = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
            self._stream = _video_stream(self._container, self.path)
            self._check_size(self._stream.width, self._stream.height)
            self._stream.codec_context.options = {"max_pixels": str(max_pixels)}  # sizes may change later
            self._stream.thread_type = "AUTO"
            if start_at:
                self._container.seek(round((start_at + float(self.start)) * 1e6))
            self._clock = Clock(self._container)
            self._audio = _Queue(self._container, wanted=self._pipe is not None)
            self._demuxed = self._demux()
            self._ahead: deque[av.Packet[Stream]] = deque()  # packets that were demuxed to find the first audio
            rate = self._stream.average_rate or self._stream.guessed_rate
            # A damaged header may claim that a picture lasts for years, with times that are useless too.
            self._has_times = not self._stream.time_base or self._stream.time_base <= self.LONGEST_TICK
            self.fps = float(rate) if rate and rate >= 1 / self.LONGEST_TICK else None
            self._seconds = (self._container.duration or 0) / 1e6
            self.frame_count = self._stream.frames or round(self._seconds * (self.fps or 0)) or None
            self._frames = self._decode()
            # Only a decoded frame shows the rotation, and that anything can be decoded at all.
            self._first = next(self._frames, None)
            if self._first is None:
                raise self._damage("none of its pictures can be decoded")
            self.size = self._first.image.shape[1], self._first.image.shape[0]
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        self._audio.start()
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames
        self.ended = True

    def close(self) -> None:
        self._container.close()
        if self._pipe is not None:
            self._pipe.close()

    def audio(self) -> AudioInput | None:
        """The first audio stream, to be read beside the pictures; None if there is none.

        Of a pipe, which can be read only once, the packets come as the pictures are read, so this must be called before
        the first picture is taken.
        """
        if self._pipe is not None:
            while not self._audio.has_begun and len(self._ahead) < self.LONGEST_LOOK_AHEAD:
                packet = next(self._demuxed, None)
                if packet is None:
                    break
                self._ahead.append(packet)
            return self._audio.reader()
        try:
            container = open_container(self.path)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self.path} can no longer be read: was it removed?") from error
        stream = _audio_stream(container)
        if stream is None:
            container.close()
            return None
        return AudioInput(stream, _audio_packets(container, stream), container)

    def _decode(self) -> Iterator[Frame]:
        step = 1 / self.fps if self.fps else 0.0 if self._has_times else 1 / 30
        seconds = -step
        reformatter = VideoReformatter()  # one for all frames, because setting it up is slower than using it
        for index, frame in enumerate(self._decoded()):
            if frame.pts is None or frame.time_base is None or not self._has_times:
                seconds += step
            else:
                seconds = max(0.0, seconds, float(frame.pts * frame.time_base - self.start))
            self._check_size(frame.width, frame.height)
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
        # The length of a file is declared by its first and last time, which say nothing about a clock that jumped.
        if not self._clock.jumped and self._seconds - end > max(0.5, 0.05 * self._seconds):
            raise self._damage(f"it ends after {end:.1f} of {self._seconds:.1f} seconds")
        if lost:
            raise SourceError(f"{self.path} is damaged: {lost} of its pictures cannot be decoded.")

    def _packets(self) -> Iterator[av.Packet[Stream]]:
        """Every packet of every stream in continuous time, up to the end or to where reading fails."""
        try:
            while True:
                yield self._ahead.popleft() if self._ahead else next(self._demuxed)
        except StopIteration:
            return
        except (av.FFmpegError, OSError):
            last: av.Packet[Stream] = av.Packet()
            last.stream = self._stream
            yield last  # an empty packet flushes the decoder

    def _demux(self) -> Iterator[av.Packet[Stream]]:
        """Every packet of every stream, in continuous time."""
        for packet in demuxed(self._container):
            if self._pipe is not None:
                self._pipe.check()
            jumped_before = self._clock.jumped
            self._clock.correct(packet)
            if self._clock.jumped and not jumped_before:
                log.info("%s: its clock jumps, as in joined recordings; the time goes on without a gap.", self.path)
            self._audio.add(packet)
            yield packet
        self._audio.ended = True

    def _damage(self, what: str) -> SourceError:
        return SourceError(f"{self.path} is damaged or cut off: {what}.{_advice(self._pipe)}")

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            size = f"{width}×{height} pixels"
            raise SourceError(f"{self.path} has pictures of {size}; `max_pixels` allows {self._max_pixels} pixels.")


@dataclass
class AudioInput:
    """The audio of a video.

    Attributes:
        stream: what it is encoded with.
        packets: in order and in continuous time; None where a pipe has sent no more yet.
        container: what must be closed in the end; None if it is the video's own.
    """

    stream: AudioStream
    packets: Iterator[av.Packet[AudioStream] | None]
    container: InputContainer | None = None

    def close(self) -> None:
        if self.container is not None:
            self.container.close()


class _Queue:
    """The audio packets of a pipe, which wait until somebody takes them.

    Args:
        container: the pipe.
        wanted: whether to keep packets until ``start``; from then on they are kept if there is a reader.

    Attributes:
        ended: whether no more packets come.
    """

    def __init__(self, container: InputContainer, *, wanted: bool) -> None:
        self._stream = _audio_stream(container)
        self._early: list[av.Packet[Any]] | None = [] if wanted else None
        self.ended = False
        self._readers: list[deque[av.Packet[AudioStream]]] = []

    def add(self, packet: av.Packet[Any]) -> None:
        if packet.stream is not self._stream or packet.dts is None:
            return
        if self._early is not None:
            self._early.append(packet)
        for reader in self._readers:
            reader.append(_copy(packet))

    @property
    def has_begun(self) -> bool:
        """Whether there was a packet, or none can come."""
        return bool(self._early) or self._stream is None

    def start(self) -> None:
        """No reader is added from now on."""
        self._early = None

    def reader(self) -> AudioInput | None:
        if self._stream is None:
            return None
        waiting = deque(map(_copy, self._early or ()))
        self._readers.append(waiting)

        def packets() -> Iterator[av.Packet[AudioStream] | None]:
            while waiting or not self.ended:
                yield waiting.popleft() if waiting else None

        return AudioInput(self._stream, packets())


def _copy(packet: av.Packet[Any]) -> av.Packet[Any]:
    """A packet of its own for each reader, which may change its times."""
    copy: av.Packet[Any] = av.Packet(bytes(packet))
    copy.stream, copy.time_base = packet.stream, packet.time_base
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy


def _audio_stream(container: InputContainer) -> AudioStream | None:
    """The first audio stream whose codec FFmpeg knows."""
    return next((stream for stream in container.streams.audio if _is_known(stream)), None)


def _is_known(stream: Stream) -> bool:
    return stream.codec_context is not None


def _audio_packets(container: InputContainer, wanted: AudioStream) -> Iterator[av.Packet[AudioStream]]:
    """The packets of a stream, up to where reading fails; the video reports the damage."""
    clock = Clock(container)
    with suppress(av.FFmpegError):
        for packet in demuxed(container):
            clock.correct(packet)
            if packet.stream is wanted:
                yield packet  # type: ignore[misc]


class FrameTimes(NamedTuple):
    """When the frames of a video are shown.

    Attributes:
        times: of all frames, in seconds as ``Frame.time`` has them, in their order.
        keys: of the key frames, from each of which on everything can be decoded.
    """

    times: list[float]
    keys: list[float]


def frame_times(path: str | Path) -> FrameTimes | None:
    """When the frames of a video will be shown, from its packets, without decoding them.

    Returns:
        None if the packets do not say that: they have no times, or the same ones, or the clock of the file jumps.

    Raises:
        SourceError: it cannot be opened, or is not a video.
    """
    with _open_video(Path(path), None) as container:
        stream = _video_stream(container, Path(path))
        start = Fraction(max(container.start_time or 0, 0), 1_000_000)
        clock, times, keys = Clock(container), [], []
        with suppress(av.FFmpegError):  # a stretch that is damaged is found when it is decoded
            for packet in demuxed(container, stream):
                clock.correct(packet)
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or packet.time_base is None:
                    return None
                times.append(max(0.0, float(packet.pts * packet.time_base - start)))
                if packet.is_keyframe:
                    keys.append(times[-1])
    return None if clock.jumped or len({*times}) < len(times) else FrameTimes(sorted(times), sorted(keys))


def demuxed(container: InputContainer, *streams: Stream) -> Iterator[av.Packet[Stream]]:
    """The packets of some streams, or of all that are known from the start, with an empty one of each at the end."""
    # PyAV may fail at the end over a stream that began in the middle. It comes after all others, and has no packets.
    with suppress(IndexError):
        yield from container.demux(*streams)


def open_container(path: Path, pipe: Pipe | None = None) -> InputContainer:
    """A file or pipe, opened by FFmpeg. Raises av.FFmpegError if that fails."""
    # Absolute, because a colon in a relative name would look like a protocol. Titles may be in any encoding.
    return av.open(pipe or str(path.absolute()), "r", metadata_errors="replace")


def _open_video(path: Path, pipe: Pipe | None) -> InputContainer:
    try:
        return _open_checked(path, pipe)
    except BaseException:
        if pipe is not None:
            pipe.close()
        raise


def _open_checked(path: Path, pipe: Pipe | None) -> InputContainer:
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a video; use `image` for a folder of pictures.")
    if pipe is None:
        check_readable(path)
    try:
        container = open_container(path, pipe)
    except (av.FFmpegError, OSError) as error:
        if pipe is not None:
            pipe.check()
        raise SourceError(
            f"{path} cannot be opened as a video: it is not one, or damaged or cut off.{_advice(pipe)}"
        ) from error
    kind = container.format.name
    if kind in ("tty", "image2") or kind.endswith("_pipe"):
        container.close()
        found = "a text file" if kind == "tty" else "a picture: use `image`"
        raise SourceError(f"{path} is not a video but {found}.")
    return container


def _advice(pipe: Pipe | None) -> str:
    """What else may be wrong with a pipe."""
    return "" if pipe is None else " An MP4 in a pipe must have its index at the front (fast start)."


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        is_cover = stream.disposition & Disposition.attached_pic  # of a song; it is a video stream too
        if _is_known(stream) and not is_cover:
            return stream
    if any(not _is_known(stream) for stream in container.streams.video):
        raise SourceError(f"{path} cannot be decoded: FFmpeg does not know how its pictures are compressed.")
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
