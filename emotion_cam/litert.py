"""Opens networks with LiteRT, and silences the libraries that run networks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def open_interpreter(file: Path, threads: int) -> Any:
    """A LiteRT interpreter that is ready to run. Prints nothing.

    Args:
        file: the network, TFLite.
        threads: the number of threads that it may use.

    Raises:
        ValueError, RuntimeError: the file is damaged or contains no network.
    """
    from ai_edge_litert.interpreter import Interpreter

    with silenced_stderr():
        interpreter = Interpreter(str(file), num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard everything that is written to standard error inside the block, by C++ code too.

    LiteRT and TensorFlow print notices there when they start, and have no setting against it.
    """
    try:
        saved = os.dup(2)
    except OSError:  # the process has no standard error
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
