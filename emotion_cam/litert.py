"""Opens networks with LiteRT, and keeps what runs networks from talking."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def open_interpreter(file: Path, threads: int) -> Any:
    """A LiteRT interpreter that is ready to run, and silent.

    Args:
        file: the network, TFLite.
        threads: how many it may use.

    Raises:
        ValueError, RuntimeError: the file is damaged or holds no network.
    """
    from ai_edge_litert.interpreter import Interpreter

    with silenced_stderr():
        interpreter = Interpreter(str(file), num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """LiteRT and TensorFlow announce themselves on standard error, from C++ and without a switch to turn it off."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error to keep clean
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
