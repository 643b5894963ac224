"""An H.264 video, with the audio of the source video."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from emotion_cam.result import Result
from emotion_cam.sinks.base import FileSink
from emotion_cam.sources.video import VideoSource, packet_end
from emotion_cam.types import Image

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from cv2.typing import MatLike


class VideoSink(FileSink):
    """An H.264 video of the annotated frames at their own times, with the audio of the source video.

    The first frame sets the size; an odd size grows by one pixel, and later frames of another size are stretched.

    Args:
        path: ends in .mp4 or .mkv.
        fps: the nominal rate, which decides how long the last frame lasts; None if unknown.
        audio_from: the video whose audio is copied: all of it if it was read to its end, else up to the last frame.
        live: the frames arrive in real time: compress less, and give the first one the time 0.
    """

    QUEUE_LENGTH = 8
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
        # Frames are encoded while the next ones are recognized, which shortens a run even on two cores.
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._queue: deque[Future[None]] = deque()

    def _add(self, result: Result) -> None:
        image, seconds = result.annotated, result.frame.time
        if self._file is None:
            self._origin = seconds if self._live else 0.0
            self._file = _VideoFile(self._temporary, image, self._fps, self._audio_from, self._live)
        if len(self._queue) == self.QUEUE_LENGTH:
            self._queue.popleft().result()
        self._queue.append(self._encoder.submit(self._file.write, image, seconds - self._origin))

    def _finish(self) -> None:
        try:
            for write in self._queue:
                write.result()
        finally:
            self._encoder.shutdown()
            if self._file is not None:
                self._file.close()


class _VideoFile:
    """A video file that is being written: pictures of the size of ``image``, and the audio of ``audio_from``."""

    CLOCK = 360_000
    """Ticks per second: the usual clocks, 1/1000, 1/24000, 1/30000 and 1/90000 s, are whole numbers of them."""

    COPIED_TO_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
    """The audio codecs that players expect in an MP4 file. Matroska takes nearly all codecs."""

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
        self._reformatter = VideoReformatter()  # one for all frames, because setting it up is slower than using it
        context = self._video.codec_context
        context.time_base = Fraction(1, self.CLOCK)
        if not live:
            context.thread_type = "FRAME"  # several frames are encoded at a time
        # Without these tags, players guess the colors. 1 is BT.709 in ITU-T H.273, and the limited range in FFmpeg.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        self._ticks = -1
        self._last_duration = 1 / fps
        self._audio_from = audio_from
        copied = self.COPIED_TO_MP4 if is_mp4 else self._file.supported_codecs
        self._audio = _audio_packets(audio_from, self._file, copied) if audio_from else None
        self._audio_end = 0.0

    def write(self, image: Image, seconds: float) -> None:
        self._ticks = max(round(seconds * self.CLOCK), self._ticks + 1)
        self._write_audio(until=self._ticks / self.CLOCK)
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(fitted(image, self._size)), format="bgr24")
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._ticks, Fraction(1, self.CLOCK)
        self._file.mux(self._video.encode(frame))

    def close(self) -> None:
        end = self._ticks / self.CLOCK + self._last_duration
        with self._file:
            self._write_audio(until=math.inf if self._audio_from and self._audio_from.ended else end)
            self._file.mux(self._video.encode(None))
        if self._audio is not None:
            self._audio.close()

    def _write_audio(self, until: float) -> None:
        """Write the audio up to a time in seconds, before the pictures from then on, so that no packets pile up."""
        while self._audio is not None and self._audio_end < until:
            packet = next(self._audio, None)
            if packet is None:
                self._audio = None
            else:
                self._audio_end = packet_end(packet)
                self._file.mux(packet)


def fitted(image: Image, size: tuple[int, int]) -> Image:
    """The picture stretched to (width, height), with its last column and row repeated where these are odd."""
    width, height = size
    picture: MatLike = image
    if image.shape[:2] != (height, width):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if width % 2 or height % 2:
        picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(picture, np.uint8)


def _audio_packets(
    source: VideoSource, target: OutputContainer, copied: Collection[str]
) -> Generator[Packet[AudioStream], None, None]:
    """The audio of a video as packets for another file, timed like the frames of the source.

    It is copied if its codec is among ``copied``, else encoded as AAC. The stream is added to the target when the first
    packet is asked for, which must be before anything is written to the target.
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
    """The packets up to where reading fails in a damaged file; the source raises the error about the damage."""
    with suppress(av.FFmpegError):
        yield from packets


def _copied(
    packets: Iterable[Packet[AudioStream]], target: AudioStream, start: Fraction
) -> Iterator[Packet[AudioStream]]:
    last = -math.inf
    for packet in packets:
        # The empty packet at the end has no time, and a packet that goes back in time cannot be written.
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
        with suppress(av.FFmpegError):  # damaged audio is no reason to stop
            frames = packet.decode()
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(start / frame.time_base)
            yield from encoder.encode(frame)
    yield from encoder.encode(None)
