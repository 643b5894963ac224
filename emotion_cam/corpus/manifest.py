"""The manifest of a data set: what was done for each video, with what result.

It is a file of JSON Lines to which a line is added whenever a video is done; the last line of a video counts. A run
that is killed loses at most the line it was writing, and that video is done again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from emotion_cam.errors import DatasetError
from emotion_cam.files import write_file

log = logging.getLogger(__name__)

NAME = "manifest.jsonl"

Result: TypeAlias = Literal["done", "damaged", "failed"]


class Settings(msgspec.Struct, frozen=True, tag="settings", tag_field="kind"):
    """What results depend on, besides the video.

    Attributes:
        id: a hash of the rest.
        version: the version of emotion-cam.
        models: the hash of each model, by task.
        options: the options, and hashes of the files that they name.
    """

    id: str
    version: str
    models: dict[str, str]
    options: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, tag="video", tag_field="kind", omit_defaults=True):
    """What was done for a video.

    Attributes:
        id: the video's.
        path: its absolute path.
        size: the bytes of the file.
        mtime: the time of its last change, in nanoseconds.
        hash: what ``fingerprint`` gives for it; empty if it could not be read.
        settings: the id of the settings that it was done with.
        result: "done"; "damaged", if the file itself is the reason; or "failed".
        error: why it is damaged or failed.
        whole: the hash of all its bytes, where a run asked for it.
        duration: the video's length in seconds.
        took: the seconds of work.
        ended: when the work ended, in seconds since 1970.
        frames: its frames.
        frames_with_face: how many of them have a face.
        rows: the rows in the data set.
        tracks: the different faces.
        labels: for each task, how many rows have each label.
        columns: the user's own columns.
    """

    id: str
    path: str
    size: int
    mtime: int
    hash: str
    settings: str
    result: Result
    error: str | None = None
    whole: str | None = None
    duration: float = 0.0
    took: float = 0.0
    ended: float = 0.0
    frames: int = 0
    frames_with_face: int = 0
    rows: int = 0
    tracks: int = 0
    labels: dict[str, dict[str, int]] = {}
    columns: dict[str, Any] = {}


_encode = msgspec.json.Encoder(enc_hook=str).encode  # dates and the like among the user's columns
_decode = msgspec.json.Decoder(Entry | Settings).decode


class Manifest:
    """The manifest of a data set, which is empty where there is none yet.

    Attributes:
        entries: the entry of each video, by its id.
        settings: all settings that were used, by their ids.

    Args:
        folder: the data set.

    Raises:
        DatasetError: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.entries: dict[str, Entry] = {}
        self.settings: dict[str, Settings] = {}
        self._lines, self._damaged = 0, 0
        try:
            with self._path.open("rb") as file:
                for line in file:
                    self._take(line)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise DatasetError(f"{self._path} cannot be read: {error.strerror}.") from error

    def begin(self, settings: Settings) -> None:
        """Open the manifest to add entries with these settings; before that, drop what no longer counts.

        Raises:
            OSError: it cannot be written.
        """
        self.settings[settings.id] = settings
        used = {entry.settings for entry in self.entries.values()} | {settings.id}
        self.settings = {name: each for name, each in self.settings.items() if name in used}
        if self._damaged or self._lines != len(self.entries) + len(self.settings):
            records = [*self.settings.values(), *self.entries.values()]
            write_file(self._path, b"".join(_encode(record) + b"\n" for record in records))
        self._file = self._path.open("ab", buffering=0)

    def add(self, entry: Entry) -> None:
        """Add or replace the entry of a video. Raises OSError if it cannot be written."""
        self.entries[entry.id] = entry
        self._file.write(_encode(entry) + b"\n")

    def close(self) -> None:
        self._file.close()

    def _take(self, line: bytes) -> None:
        self._lines += 1
        try:
            record = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._damaged += 1  # a run was killed while it wrote this line
            return
        if isinstance(record, Settings):
            self.settings[record.id] = record
        else:
            self.entries[record.id] = record
