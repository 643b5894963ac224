"""The sizes and rates that a camera offers, asked from Linux without filming (V4L2: linux/videodev2.h)."""

from __future__ import annotations

import itertools
import os
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_ENUM_FMT, _ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = (2, 16), (74, 11), (75, 13)
"""The requests: their numbers, and the number of 32-bit words in their structures, which contain nothing else."""

_CAPTURE, _DISCRETE = 1, 1


class Mode(NamedTuple):
    """A frame size that a camera offers. For a camera that offers a range, the modes are the ends of the range.

    Attributes:
        width: in pixels.
        height: in pixels.
        rates: the frames per second at this size, the highest first.
    """

    width: int
    height: int
    rates: tuple[float, ...]

    def __str__(self) -> str:
        rates = ", ".join(f"{rate:.4g}" for rate in self.rates)
        return f"{self.width}×{self.height}" + f" at {rates} frames a second" * bool(rates)


def camera_modes(path: str) -> list[Mode]:
    """The sizes that a camera offers, the largest first. It may be in use by another program.

    Args:
        path: its device, as in /dev/video0.

    Raises:
        OSError: the device does not answer.
    """
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        rates: dict[tuple[int, int], set[float]] = {}  # over all pixel formats
        for pixel_format in _answers(device, _ENUM_FMT, 0, _CAPTURE):
            code = pixel_format[11]
            for size in _sizes(device, code):
                rates.setdefault(size, set()).update(_rates(device, code, *size))
    finally:
        os.close(device)
    modes = (Mode(*size, tuple(sorted(found, reverse=True))) for size, found in rates.items())
    return sorted(modes, key=lambda mode: (mode.width * mode.height, mode.width), reverse=True)


def _sizes(device: int, pixel_format: int) -> Iterator[tuple[int, int]]:
    for _, _, kind, *sides in _answers(device, _ENUM_FRAMESIZES, 0, pixel_format):
        if kind == _DISCRETE:
            yield sides[0], sides[1]
        else:  # smallest and largest width, its step, then the same for the height
            yield sides[0], sides[3]
            yield sides[1], sides[4]


def _rates(device: int, pixel_format: int, width: int, height: int) -> Iterator[float]:
    for answer in _answers(device, _ENUM_FRAMEINTERVALS, 0, pixel_format, width, height):
        kind, *fractions = answer[4:]  # seconds between frames; the two ends of a range come first
        for numerator, denominator in (fractions[:2], fractions[2:4])[: 1 if kind == _DISCRETE else 2]:
            if numerator:
                yield round(denominator / numerator, 2)


def _answers(device: int, request: tuple[int, int], *question: int) -> Iterator[tuple[int, ...]]:
    """All answers to an enumerating request: the first word of the question is a counter."""
    if sys.platform != "linux":
        return
    import fcntl

    number, words = request
    layout = struct.Struct(f"={words}I")
    code = 3 << 30 | layout.size << 16 | ord("V") << 8 | number  # _IOWR('V', number, …) of asm-generic/ioctl.h
    padding = [0] * (words - len(question))
    for index in itertools.count():
        try:
            answer = fcntl.ioctl(device, code, layout.pack(index, *question[1:], *padding))
        except OSError:  # no more answers
            return
        yield layout.unpack(answer)
