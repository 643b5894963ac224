"""Runs the real command line on a hostile input, in a process of its own with limits, and names what went wrong.

A new process is a copy (fork) of one that has everything imported. So a run takes a fraction of a second, and still
cannot harm the next one. Its standard error has two parts: what C libraries write goes to the file descriptor, and so
into one file; what Python writes goes through ``sys.stderr``, and so into another. The first has to stay empty.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

import av
import cv2
import numpy as np

from emotion_cam.errors import EmotionCamError
from emotion_cam.tables import read_table
from tests.fuzz.cases import SECRET, Case
from tests.fuzz.visits import visit

SECONDS = 60
"""That a run may take, on a busy machine. Most take less than one."""

MEMORY = 8 << 30
"""Bytes of address space that a run may take."""

_GRACE = 3.0
"""Seconds in which threads and processes may end after the program."""

_ANSWER_SECONDS = 20.0
"""In which a server answers, after all that was sent to it."""

_FOREIGN = re.compile(r"Traceback|\w+Warning: |Exception ignored|^FOREIGN|^\[\w+ @|\[ ?WARN|\[ ?ERROR", re.MULTILINE)


def preload() -> None:
    """Import what the command line imports, and nothing that starts a thread."""

    import emotion_cam.cli
    import emotion_cam.loop
    import emotion_cam.recognition.recognizer
    import emotion_cam.report.build
    import emotion_cam.report.page
    import emotion_cam.report.sheet
    import emotion_cam.serve.server
    import emotion_cam.sinks.registry
    import emotion_cam.sources.video  # noqa: F401


def run_case(case: Case) -> tuple[int | str, list[str]]:
    """Run a case; returns its exit code, or what ended it, and in words what went wrong."""
    logs = case.folder.with_name(case.folder.name + ".log")
    logs.mkdir()
    before = set(case.folder.rglob("*"))
    process = os.fork()
    if not process:
        _be_the_program(case, logs)
    visited = _visit_all(process, logs / "out", case) if case.visits else []
    status = _wait(process)
    out, err, foreign = (_read(logs / name) for name in ("out", "err", "foreign"))
    good = (130,) if case.visits else (0, 1, 2)
    faults = visited if status in good else [*visited, f"crash: it ended with {status}"]
    if _group_is_left(process):
        faults.append("process left: the program has ended, and one that it started has not")
    if status == "hang":
        faults = [*visited, f"hang: it ran for more than {SECONDS} seconds"]
    if foreign:
        faults.append(f"foreign line: {foreign.strip().splitlines()[0][:200]}")
    if match := _FOREIGN.search(err + out):
        kind = "traceback" if match[0] == "Traceback" else "foreign line"
        faults.append(f"{kind}: {err.strip().splitlines()[-1][:300] if err else out[:300]}")
    elif status in (1, 2) and not err.strip():
        faults.append("no message: it failed without a word")
    elif status in (1, 2) and not err.strip().splitlines()[-1].startswith("emotion-cam: "):
        faults.append(f"foreign line: {err.strip().splitlines()[-1][:200]}")
    if SECRET in out + err + foreign:
        faults.append("secret: the password is shown")
    return status, faults + _broken_files(set(case.folder.rglob("*")) - before)


def _be_the_program(case: Case, logs: Path) -> NoReturn:
    """In the new process: run the command line as a user would have started it."""
    code: object = 70
    try:
        os.setsid()
        os.chdir(case.folder)
        _limit_memory()
        out, err = ((logs / name).open("w", encoding="utf-8") for name in ("out", "err"))
        foreign = os.open(logs / "foreign", os.O_CREAT | os.O_WRONLY, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(foreign, 1)
        os.dup2(foreign, 2)
        sys.stdout, sys.stderr = out, err
        logging.lastResort = logging.StreamHandler(err)
        logging.lastResort.setFormatter(logging.Formatter("FOREIGN %(name)s: %(message)s"))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _exit_code(case.arguments)
        if left := _threads_left():
            print(f"FOREIGN thread left: {left}", file=err)
        for stream in (out, err):
            stream.flush()
    finally:
        os._exit(code if isinstance(code, int) else 71)


def _exit_code(arguments: list[str]) -> object:
    from emotion_cam.cli import main

    try:
        main(arguments)
    except SystemExit as error:
        return error.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _threads_left() -> list[str]:
    """The threads that do not end within a moment."""
    deadline = time.monotonic() + _GRACE
    while True:
        left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _wait(process: int) -> int | str:
    """The exit code of a process, the name of the signal that ended it, or "hang"."""
    deadline = time.monotonic() + SECONDS
    pause = 0.005
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else signal.Signals(-code).name
        time.sleep(pause)
        pause = min(0.05, pause * 1.3)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "hang"


def _group_is_left(process: int) -> bool:
    """Whether a process that has ended leaves others, which are then killed."""
    deadline = time.monotonic() + _GRACE
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process, 0)
            time.sleep(0.01)
        os.killpg(process, signal.SIGKILL)
        return True
    return False


def _visit_all(process: int, out: Path, case: Case) -> list[str]:
    """Wait until a server is ready, send it everything, look whether it still answers, and end it with Ctrl-C."""
    deadline = time.monotonic() + SECONDS / 2
    while not (ready := re.search(r"Serving on http://127\.0\.0\.1:(\d+)/", _read(out))):
        if time.monotonic() > deadline or os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return ["answer: it does not serve"]
        time.sleep(0.02)
    port, faults = int(ready[1]), []
    try:
        for one in case.visits:
            faults += visit(port, one)
        with socket.create_connection(("127.0.0.1", port), _ANSWER_SECONDS) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if b" 200 " not in connection.recv(1000):
                faults.append("answer: it is not well any more")
    except OSError as error:
        faults.append(f"answer: it answers no more: {error}")
    os.kill(process, signal.SIGINT)
    return faults


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="backslashreplace") if path.exists() else ""


def _broken_files(new: set[Path]) -> list[str]:
    """What is wrong with the files that a run has written."""
    faults = []
    for path in sorted(path for path in new if path.is_file() and not path.is_symlink()):
        name = path.name
        if ".part-" in name and name.startswith("."):
            faults.append(f"half file: {name!r} is left")
        elif ".partial." not in name and (problem := _problem(path)):
            faults.append(f"half file: {name!r} is not whole: {problem}")
    return faults


def _problem(path: Path) -> str | None:
    suffix = path.suffix.lower()
    try:
        if suffix in (".mp4", ".mkv"):
            with av.open(str(path)) as file:
                file.streams.video[0].thread_type = "NONE"
                if not sum(1 for _ in file.decode(video=0)):
                    return "it has no frame"
        elif suffix in (".csv", ".jsonl"):
            for _ in read_table(path):
                pass
        elif suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            return "it ends early"
        elif suffix in (".png", ".jpg") and cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is None:
            return "it is no picture"
    except (EmotionCamError, OSError, ValueError, av.FFmpegError) as error:
        return str(error)[:200]
    return None
