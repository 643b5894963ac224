"""A clock that never goes back, for files whose own clock does, as joined recordings have it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

# Before av, which loads its own X library: in the other order OpenCV uses that one, and its windows hang.
import cv2  # noqa: F401  # isort: skip
import av
from av.container import InputContainer

_JUMPS_ARE_USUAL = 0x0200
"""FFmpeg's flag AVFMT_TS_DISCONT: a format that is recorded from a broadcast, and whose clock may jump."""


class Clock:
    """Corrects the times of a file's packets so that they go on where its clock jumps, the same for all its streams.

    A clock jumps where it goes back, and where it goes on by more than 10 seconds in a format for broadcasts, or more
    than a day in any other. The limits are nearly those of FFmpeg's program. The first stream that jumps decides how
    far all of them are moved: its first packet follows the last one before.

    Attributes:
        jumped: whether the clock has jumped.
    """

    BACK = 0.1
    """Seconds by which times may go back without a jump: some files are a little out of order."""

    def __init__(self, container: InputContainer) -> None:
        self._longest_gap = 10 if container.format.flags & _JUMPS_ARE_USUAL else 24 * 3600
        self._last: dict[int, tuple[float, float]] = {}  # by stream: start and end of its last packet
        self._moves: dict[int, Fraction] = {}  # by stream: by how much it is moved now
        self._newest_move = Fraction(0)
        self._end = 0.0  # of what was given so far, in corrected time
        self.jumped = False

    def correct(self, packet: av.Packet[Any]) -> None:
        """Correct the times of the next packet of the file."""
        stream, shown = packet.stream, packet.dts if packet.pts is None else packet.pts
        if shown is None or packet.time_base is None or stream.type not in ("video", "audio"):
            return
        tick, duration = float(packet.time_base), packet.duration or 0
        if packet.dts is not None:
            self._follow(stream.index, packet.dts * tick, (packet.dts + duration) * tick, shown * tick)
        move = self._moves.get(stream.index)
        if move:
            ticks = round(move / packet.time_base)
            shown += ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        self._end = max(self._end, (shown + duration) * tick)

    def _follow(self, index: int, start: float, end: float, shown: float) -> None:
        """Choose by how much a stream is moved from now on."""
        if index not in self._last:
            self._moves[index] = self._newest_move
        else:
            last_start, last_end = self._last[index]
            if start < last_start - self.BACK or start > last_end + self._longest_gap:
                self.jumped = True
                # Another stream may have jumped before; then both stay together.
                if self._newest_move == self._moves[index] or abs(shown + float(self._newest_move) - self._end) > 10:
                    self._newest_move = Fraction(self._end - shown)
                self._moves[index] = self._newest_move
        self._last[index] = start, end
