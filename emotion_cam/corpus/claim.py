"""One run at a time works on a data set: a run claims it by a file, which works on shared disks too."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from emotion_cam.errors import SinkError

log = logging.getLogger(__name__)

NAME = "claim.json"
"""The file in the data set; it says who works on it."""


class Claim:
    """Claims a folder while the context lasts.

    The file is renewed every few seconds. A claim of a run that was killed counts no more: on the same machine at once,
    on another one after ``OLD`` seconds.

    Attributes:
        taken_over: whether an earlier run was killed and left its claim.

    Raises:
        SinkError: another run works on the folder, or the claim cannot be written.
    """

    RENEW = 10.0
    """Seconds between two renewals."""

    OLD = 90.0
    """Seconds after which a claim of another machine that is not renewed counts no more."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._token = uuid.uuid4().hex
        self._ended = threading.Event()
        self._lost = False
        self.taken_over = False

    def __enter__(self) -> Claim:
        try:
            while not self._create():
                self._remove_old()
        except OSError as error:
            raise SinkError(f"{self._path} cannot be written: {error.strerror}.") from error
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if not self._lost:
            self._path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise SinkError if another run has taken the folder over, as it may after this machine slept."""
        if self._lost:
            raise SinkError(f"{self._path.parent} is now worked on by another run: this one ends.")

    def _create(self) -> bool:
        claim = {"host": socket.gethostname(), "process": os.getpid(), "born": _born(os.getpid()), "token": self._token}
        try:
            with self._path.open("x", encoding="utf-8") as file:
                json.dump({**claim, "since": time.strftime("%Y-%m-%d %H:%M:%S")}, file)
        except FileExistsError:
            return False
        return True

    def _remove_old(self) -> None:
        """Remove the claim of a run that was killed. Raises SinkError if its run goes on."""
        try:
            age = self._now() - self._path.stat().st_mtime
            claim = _read(self._path)
        except FileNotFoundError:
            return
        here = claim.get("host") == socket.gethostname()
        is_over = here and _born(claim.get("process", -1)) != claim.get("born")
        if not is_over and age < self.OLD:
            raise SinkError(
                f"{self._path.parent} is being worked on since {claim.get('since', 'just now')}, by process "
                f"{claim.get('process', '?')} on {claim.get('host', '?')}: wait until it ends, or stop it."
            )
        aside = self._path.with_name(f".{NAME}.{self._token}")
        with contextlib.suppress(FileNotFoundError):  # another run removes it just now
            self._path.rename(aside)
            if _read(aside).get("token") != claim.get("token"):  # and has claimed the folder already
                aside.rename(self._path)
                return
            aside.unlink()
            self.taken_over = True
            log.info("%s was being worked on by a run that was killed; this one goes on from there.", self._path.parent)

    def _now(self) -> float:
        """The time by the clock of the disk, which may be another machine's."""
        probe = self._path.with_name(f".now.{self._token}")
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now

    def _renew(self) -> None:
        while not self._ended.wait(self.RENEW):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if _read(self._path).get("token") == self._token:
                    os.utime(self._path)
                    continue
            self._lost = not self._ended.is_set()
            return


def _read(path: Path) -> dict[str, Any]:
    """A claim; empty if it is just being written."""
    try:
        claim = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return claim if isinstance(claim, dict) else {}


def _born(process: int) -> str | None:
    """What distinguishes a running process from an earlier one with its number; None if there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if os.name == "nt" or Path("/proc/self").exists():  # on Windows, os.kill would end the process
            return None
        try:
            os.kill(process, 0)  # sends nothing
        except OSError as error:
            return "" if isinstance(error, PermissionError) else None
        return ""
    return stat.rpartition(")")[2].split()[19]
