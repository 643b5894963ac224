"""MP4 files that survive a crash: fragments while they are written, an ordinary file at the end."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # noqa: F401  # isort: skip
import av
from av.container import InputContainer, OutputContainer

if TYPE_CHECKING:
    from av.packet import Packet

_LATE = 2.0  # seconds


def fragment_options(sound_start: float | None, codec: str | None) -> dict[str, str]:
    """The options that write an MP4 file in fragments.

    Args:
        sound_start: the time of the first sound in seconds; None without sound.
        codec: how the sound is encoded.
    """
    # The header waits for the first packet of each stream, so that it can state where the sound begins. It cannot wait
    # for sound that begins late: until then, all pictures would stay in memory. AC-3 has no header without packets.
    waits = sound_start is None or sound_start < _LATE or codec in ("ac3", "eac3")
    return {
        # A fragment for each second: what is in it can be played whatever happens afterwards.
        "frag_duration": "1000000",  # microseconds
        # Without the trailer, an index that is not needed here: behind it, FFmpeg would not notice a full disk.
        "movflags": f"+{'delay' if waits else 'empty'}_moov+default_base_moof+skip_trailer",
        "flush_packets": "1",
        # No packet waits for another stream: if FFmpeg refused one that had waited, it would lose those behind it.
        "max_interleave_delta": "1",  # microseconds
    }


def join_fragments(path: Path, target: Path, starts: Mapping[int, float], lengths: Mapping[int, float]) -> None:
    """Copy every packet of an MP4 file in fragments into an ordinary one, with its index at the front.

    Args:
        path: the file in fragments.
        target: the ordinary file.
        starts: the time of the first packet of each stream in seconds; fragments can state a late one only by a first
            packet that is long.
        lengths: how long the last packet of each stream lasts, in seconds; older versions of FFmpeg do not read that.

    Raises:
        av.FFmpegError: the file cannot be read, or the target cannot be written, as on a full disk.
    """
    with av.open(str(path.absolute()), metadata_errors="replace") as fragments:
        clock = fragments.streams.video[0].time_base or Fraction(1, 90_000)
        # With the clock of the fragments, no time is rounded.
        options = {"movflags": "+faststart", "video_track_timescale": str(clock.denominator)}
        with av.open(str(target.absolute()), "w", container_options=options) as whole:
            late = {stream: start for stream, start in starts.items() if start > _LATE}
            _copy(fragments, whole, late, lengths)


def _copy(
    source: InputContainer, target: OutputContainer, late: dict[int, float], lengths: Mapping[int, float]
) -> None:
    # Opaque: they are not to be encoded again.
    copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in source.streams}
    last: dict[int, Packet[Any]] = {}
    for packet in source.demux():
        index = packet.stream.index
        if packet.dts is None:  # the empty packets at the end have no time
            continue
        start = late.pop(index, None)
        if start is not None:
            packet.pts = packet.dts = round(start / packet.time_base)
        if index in last:
            target.mux(last[index])
        packet.stream = copies[index]
        last[index] = packet
    for index, packet in last.items():
        packet.duration = packet.duration or round(lengths.get(index, 0.0) / packet.time_base)
        target.mux(packet)
