"""Runs the command line inside the test's own process, which is quicker than a process of its own."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

from emotion_cam.cli import main


class Completed(NamedTuple):
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def emotion_cam(*arguments: str | Path) -> Completed:
    """Run ``emotion-cam`` with these arguments."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
    assert isinstance(code, int)
    return Completed(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))
