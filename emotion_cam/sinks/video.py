"""An H.264 video, with the audio of the source video."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # isort: skip
import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from emotion_cam.files import temporary_path
from emotion_cam.result import Result
from emotion_cam.sinks.base import FileSink
from emotion_cam.sinks.mp4 import fragment_options, join_fragments
from emotion_cam.sinks.sound import Sound
from emotion_cam.sources.video import AudioInput, VideoSource
from emotion_cam.types import Image

if TYPE_CHECKING:
    from av.packet import Packet
    from cv2.typing import MatLike


log = logging.getLogger(__name__)

CLUSTERS = {"cluster_time_limit": "1000", "flush_packets": "1"}
"""The options that write Matroska files in pieces of a second, each of which can be played when it is written."""


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
        self._audio = audio_from.audio() if audio_from else None  # now, before a pipe's first picture is taken
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
            self._file = _VideoFile(self._temporary, image, self._fps, self._live, self._audio_from, self._audio)
        if len(self._queue) == self.QUEUE_LENGTH:
            self._queue.popleft().result()
        self._queue.append(self._encoder.submit(self._file.write, image, seconds - self._origin))

    def _finish(self) -> None:
        with ExitStack() as stack:  # from the last to the first
            if self._audio is not None:
                stack.callback(self._audio.close)
            if self._file is not None:
                stack.callback(self._file.close)
            stack.callback(self._encoder.shutdown)
            for write in self._queue:
                write.result()
        if self._file is not None and self.path.suffix.lower() == ".mp4":
            self._join_fragments(self._file)

    def _join_fragments(self, file: _VideoFile) -> None:
        whole = temporary_path(self.path, "w")
        try:
            join_fragments(self._temporary, whole, file.starts, file.lengths)
            whole.replace(self._temporary)
        except OSError as error:
            # The fragments are complete and can be played: a full disk is no reason to fail now.
            reason = error.strerror or error
            log.warning("%s is complete, but its index could not be put at the front: %s.", self.path, reason)
        finally:
            whole.unlink(missing_ok=True)


class _VideoFile:
    """A video file that is being written: pictures of the size of ``image``, and the sound of the source, if any.

    Attributes:
        starts: the time of the first packet of each stream, in seconds.
        lengths: how long the last packet of each stream lasts, in seconds; known at the end.
    """

    CLOCK = 360_000
    """Ticks per second: the usual clocks, 1/1000, 1/24000, 1/30000 and 1/90000 s, are whole numbers of them."""

    LONGEST = 3600 * CLOCK
    """The longest time between two pictures, in ticks; then the last one is repeated. MP4 cannot store 2³¹ or more."""

    COPIED_TO_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
    """The audio codecs that players expect in an MP4 file. Matroska takes nearly all codecs."""

    def __init__(
        self, path: Path, image: Image, fps: float, live: bool, source: VideoSource | None, audio: AudioInput | None
    ) -> None:
        self._is_mp4 = is_mp4 = path.suffix.lower() == ".mp4"
        self._source = source
        self._sound = Sound(source, audio) if source is not None and audio is not None else None
        start, codec = (self._sound.start, self._sound.codec) if self._sound else (None, None)
        options = fragment_options(start, codec) if is_mp4 else CLUSTERS
        self._file = av.open(str(path.absolute()), "w", container_options=options)
        # Without B-frames the frames are stored in the order of their times, which keeps a variable rate exact.
        quality = {"preset": "veryfast", "crf": "20", "bf": "0"} | ({"tune": "zerolatency"} if live else {})
        rate = Fraction(fps).limit_denominator(1001) or Fraction(1, 1001)
        self._video = self._file.add_stream("libx264", rate, quality)
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
        self._last: av.VideoFrame | None = None
        self.starts: dict[int, float] = {}
        self.lengths: dict[int, float] = {}
        self._waiting: dict[int, Packet[Any]] = {}  # by stream
        self._last_duration = float(1 / rate)
        if self._sound is not None:
            self._sound.join(self._file, self.COPIED_TO_MP4 if is_mp4 else self._file.supported_codecs)
        self._file.start_encoding()  # now: an error would be taken for one of the sound later

    def write(self, image: Image, seconds: float) -> None:
        ticks = max(round(seconds * self.CLOCK), self._ticks + 1)
        self._write_sound(until=ticks / self.CLOCK)
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(fitted(image, self._size)), format="bgr24")
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        while self._last is not None and ticks - self._ticks > self.LONGEST:
            self._encode(self._last, self._ticks + self.LONGEST)
        self._encode(frame, ticks)

    def close(self) -> None:
        end = self._ticks / self.CLOCK + self._last_duration
        try:
            self._write_sound(until=math.inf if self._source and self._source.ended else end)
            self._mux(self._video.encode(None))
            for packet in self._waiting.values():
                if not packet.duration:  # PyAV before 15 sets none
                    packet.duration = round(self._last_duration / packet.time_base)
                self.lengths[packet.stream.index] = float(packet.duration * packet.time_base)
                self._write(packet)
        finally:
            with self._sound_errors():
                self._file.close()

    def _encode(self, frame: av.VideoFrame, ticks: int) -> None:
        frame.pts, frame.time_base = ticks, Fraction(1, self.CLOCK)
        self._mux(self._video.encode(frame))
        self._ticks, self._last = ticks, frame

    def _write_sound(self, until: float) -> None:
        """Write the sound up to a time in seconds, before the pictures from then on, so that no packets pile up."""
        if self._sound is not None:
            for packet in self._sound.until(until):
                self._mux([packet])

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        """Write packets, to MP4 each when the next one of its stream is known: in fragments, lengths must be exact."""
        for packet in packets:
            if packet.dts is not None and packet.time_base is not None:
                self.starts.setdefault(packet.stream.index, float(packet.dts * packet.time_base))
            before = self._waiting.pop(packet.stream.index, None)
            if before is not None and packet.dts is not None and before.dts is not None:
                before.duration = packet.dts - before.dts
                self._write(before)
            if self._is_mp4:
                self._waiting[packet.stream.index] = packet
            else:
                self._write(packet)

    def _write(self, packet: Packet[Any]) -> None:
        with self._sound_errors():
            self._file.mux(packet)

    @contextmanager
    def _sound_errors(self) -> Iterator[None]:
        """Go on without sound where FFmpeg refuses it, which may be later, when pictures are written."""
        try:
            yield
        except av.FFmpegError as error:
            if self._sound is None:
                raise
            self._sound.drop(error)


def fitted(image: Image, size: tuple[int, int]) -> Image:
    """The picture stretched to (width, height), with its last column and row repeated where these are odd."""
    width, height = size
    picture: MatLike = image
    if image.shape[:2] != (height, width):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if width % 2 or height % 2:
        picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(picture, np.uint8)
