"""Whether the content of a file changed, found without reading all of it, or by reading all of it."""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

_EDGE = 64 * 1024
"""The bytes that are read at the start and at the end."""

_SAMPLES, _SAMPLE = 16, 4 * 1024
"""How many pieces are read in between, and their bytes."""

_BLOCK = 4 * 1024 * 1024


def fingerprint(path: str | Path) -> str:
    """A hash of a file's size, start, end, and 16 samples in between: 32 hexadecimal digits (XXH3, 128 bits).

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a worker may get a text
        size = os.fstat(file.fileno()).st_size
        digest = xxhash.xxh3_128(str(size).encode())
        between = size - 2 * _EDGE
        places = [(0, _EDGE)]
        if between > 0:
            step = between / _SAMPLES
            places += [(_EDGE + int(step * index), _SAMPLE) for index in range(_SAMPLES)]
            places += [(size - _EDGE, _EDGE)]
        elif size > _EDGE:
            places += [(_EDGE, size - _EDGE)]
        for start, length in places:
            file.seek(start)
            digest.update(file.read(length) or b"")
    return digest.hexdigest()


def whole_hash(path: str | Path) -> str:
    """A hash of all bytes of a file: 32 hexadecimal digits (XXH3, 128 bits). Raises OSError if it cannot be read."""
    digest = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
