"""Opens networks with LiteRT, and silences the libraries that run networks."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MOST_NUMBERS = 100_000_000
"""The most numbers of a tensor. A damaged file may ask for so many that the system stands still."""


def open_interpreter(file: Path, threads: int) -> Any:
    """A LiteRT interpreter that is ready to run. Prints nothing. One thread at a time may use it.

    Args:
        file: the network, TFLite.
        threads: the number of threads that it may use.

    Raises:
        Exception: the file is damaged or contains no network; LiteRT raises errors of many kinds.
    """
    from ai_edge_litert.interpreter import Interpreter

    # Not by its name: then a file that is replaced while it is in use would end the process.
    content = file.read_bytes()
    with silenced_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        if any(math.prod(map(int, tensor["shape"])) > _MOST_NUMBERS for tensor in interpreter.get_tensor_details()):
            raise ValueError("a tensor is larger than any face needs: the file is damaged")
        interpreter.allocate_tensors()
    return interpreter


class _Silence:
    """Standard error, which belongs to the whole process: the first block silences it, the last one restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._saved: int | None = None

    def begin(self) -> None:
        with self._lock:
            self._blocks += 1
            if self._blocks > 1:
                return
            try:
                self._saved = os.dup(2)
            except OSError:  # the process has no standard error
                return
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks and self._saved is not None:
                os.dup2(self._saved, 2)
                os.close(self._saved)
                self._saved = None


_silence = _Silence()


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard everything that is written to standard error inside the block, by C++ code and other threads too.

    LiteRT and TensorFlow print notices there when they start, and have no setting against it. Blocks of several threads
    may overlap.
    """
    _silence.begin()
    try:
        yield
    finally:
        _silence.end()
