"""MP4 files that survive a crash: fragments while they are written, an ordinary file at the end."""

from __future__ import annotations

from pathlib import Path

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # noqa: F401  # isort: skip
import av

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


def join_fragments(path: Path, target: Path) -> None:
    """Copy every packet of an MP4 file in fragments into an ordinary one, with its index at the front.

    Raises:
        av.FFmpegError: the file cannot be read, or the target cannot be written, as on a full disk.
    """
    with (
        av.open(str(path.absolute()), metadata_errors="replace") as fragments,
        av.open(str(target.absolute()), "w", container_options={"movflags": "+faststart"}) as whole,
    ):
        copies = {}
        for stream in fragments.streams:
            copies[stream.index] = copy = whole.add_stream_from_template(stream)
            copy.time_base = stream.time_base  # so that no time is rounded
        for packet in fragments.demux():
            if packet.dts is not None:  # the empty packets at the end have no time
                packet.stream = copies[packet.stream.index]
                whole.mux(packet)
