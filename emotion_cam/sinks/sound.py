"""The sound of a video, as packets for another file."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, TypeVar

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # noqa: F401  # isort: skip
import av
from av.bitstream import BitStreamFilterContext

from emotion_cam.sources.video import AudioInput, VideoSource, packet_end

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

log = logging.getLogger(__name__)

_Part = TypeVar("_Part")
_Packets: TypeAlias = "Iterable[Packet[AudioStream] | None]"
"""Packets in order; None where a pipe has sent no more yet."""

_REFUSED = (av.FFmpegError, ValueError)
"""What is raised when FFmpeg refuses sound. An OSError among these is about the output, such as a full disk."""


class Sound:
    """The sound of a source for another file: copied or encoded, and left out from where that is impossible.

    Attributes:
        start: the time of its first packet in seconds, by the clock of the frames; None if there is no sound.
    """

    def __init__(self, source: VideoSource, audio: AudioInput) -> None:
        self._name, self._shift = source.name, source.start
        self._stream = audio.stream
        first, self._input = _peeked(audio.packets)
        self.start: float | None = None
        if first is not None and first.dts is not None:
            self.start = float(first.dts * first.time_base - source.start)
        self._output: Iterator[Packet[AudioStream] | None] = iter(())
        self._end = 0.0  # seconds
        self._dropped = self.start is None

    @property
    def codec(self) -> str:
        """The name of its codec."""
        return self._stream.codec_context.codec.canonical_name

    def join(self, file: OutputContainer, copied: Collection[str]) -> None:
        """Add a stream to a file to which nothing was written yet, if there is sound that can be carried.

        Args:
            file: the file.
            copied: the codecs that it takes as they are; others are encoded as AAC.
        """
        if self._dropped:
            return
        try:
            is_copied = self.codec in copied or self._stream.codec_context.codec.name in copied
            self._output = self._copied(file) if is_copied else self._encoded(file)
        except _REFUSED as error:
            self.drop(error)

    def until(self, seconds: float) -> Iterator[Packet[AudioStream]]:
        """The next packets, up to a time in seconds. Raises OSError if something is wrong that is not the sound."""
        while not self._dropped and self._end < seconds:
            try:
                packet = next(self._output, None)
            except _REFUSED as error:
                self.drop(error)
                return
            if packet is None:
                return
            self._end = packet_end(packet)
            yield packet

    def drop(self, error: Exception) -> None:
        """Go on without sound, and log that once. Raises the error again if it is not about the sound."""
        if isinstance(error, OSError):
            raise error
        if not self._dropped:
            reason = getattr(error, "strerror", None) or error
            log.warning("%s: there is no sound from %.1f seconds on: %s.", self._name, abs(self._end), reason)
        self._dropped = True

    def _copied(self, file: OutputContainer) -> Iterator[Packet[AudioStream] | None]:
        packets = self._input
        if self.codec == "aac" and not self._stream.codec_context.extradata:
            packets = _without_headers(packets, BitStreamFilterContext("aac_adtstoasc", self._stream))
        first, packets = _peeked(packets)
        if first is None:  # without a packet, players would not know what the stream contains
            return iter(())
        self._try_in(file.format.name)
        stream = file.add_stream_from_template(self._stream)
        if hasattr(first, "has_sidedata") and first.has_sidedata("new_extradata"):  # PyAV before 15 has it not
            stream.codec_context.extradata = bytes(first.get_sidedata("new_extradata"))
        return _timed(packets, stream, self._shift)

    def _try_in(self, container: str) -> None:
        """Raise FFmpegError if a kind of file cannot carry the sound, such as one whose rate is unknown.

        It is found out with a file in memory, for a file whose header was refused cannot be used any more.
        """
        trial = av.open(io.BytesIO(), "w", format=container)
        trial.add_stream_from_template(self._stream)
        trial.start_encoding()
        with suppress(av.FFmpegError):  # some sound cannot end before its first packet
            trial.close()

    def _encoded(self, file: OutputContainer) -> Iterator[Packet[AudioStream] | None]:
        first, frames = _peeked(_decoded(self._input))
        if first is None:
            return iter(())
        known = self._stream.rate in (av.Codec("aac", "w").audio_rates or [])
        stream = file.add_stream("aac", self._stream.rate if known else 48_000)
        stream.layout = "mono" if self._stream.channels == 1 else "stereo"
        return _encoded(frames, stream, self._shift)


def _peeked(parts: Iterable[_Part | None]) -> tuple[_Part | None, Iterator[_Part | None]]:
    """The first of some parts, and all of them."""
    parts = iter(parts)
    first = next(parts, None)
    return first, parts if first is None else chain([first], parts)


def _without_headers(packets: _Packets, remove: BitStreamFilterContext) -> Iterator[Packet[AudioStream] | None]:
    """AAC packets without the header that each has in a transport stream, and in no other kind of file."""
    for packet in packets:
        if packet is None:
            yield None
        elif packet.dts is not None:
            clock = packet.time_base  # the filter takes the packet's content
            with suppress(av.FFmpegError):  # one damaged header is no reason to lose the rest
                for clean in remove.filter(packet):
                    clean.time_base = clock
                    yield clean


def _timed(packets: _Packets, target: AudioStream, start: Fraction) -> Iterator[Packet[AudioStream] | None]:
    """Packets for another stream, whose time 0 is the time ``start`` of theirs."""
    last = None
    for packet in packets:
        if packet is None:
            yield None
        # The empty packet at the end has no time, and a packet that goes back in time cannot be written.
        elif packet.dts is not None and (last is None or packet.dts > last):
            last = packet.dts
            shift = round(start / packet.time_base)
            packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift
            packet.dts -= shift
            packet.stream = target
            yield packet


def _decoded(packets: _Packets) -> Iterator[AudioFrame | None]:
    for packet in packets:
        if packet is None:
            yield None
            continue
        frames: list[AudioFrame] = []
        with suppress(av.FFmpegError):  # damaged audio is no reason to stop
            frames = packet.decode()
        yield from frames


def _encoded(
    frames: Iterable[AudioFrame | None], encoder: AudioStream, start: Fraction
) -> Iterator[Packet[AudioStream] | None]:
    for frame in frames:
        if frame is None:
            yield None
            continue
        if frame.pts is not None and frame.time_base is not None:
            frame.pts -= round(start / frame.time_base)
        yield from encoder.encode(frame)
    yield from encoder.encode(None)
