"""How a corpus is worked on, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

ALSO = ("mp4", "mkv", "html", "csv", "jsonl")
"""The kinds of files that can be written besides the rows."""

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class CorpusSpec:
    """Where the data set is, what is written for each video, and who does the work.

    Attributes:
        out: The folder of the data set; it is made if it does not exist.
        also: Also write for each video a file of this kind into the data set: mp4 or mkv (annotated), html (a
            report), csv, jsonl. May be repeated.
        split: Cut videos that are longer than this into stretches, which several workers do side by side, as in 10m,
            90s or 1h.
        jobs: How many processes work on this machine, each on one video at a time.
        scheduler: The address of a Dask scheduler that runs, as in tcp://host:8786; its workers do the work.
        verify: Read every file whole to see whether it changed; otherwise its size, its time and samples are compared.
        retry: Try damaged videos again.

    Raises:
        ValueError: a value is out of range, or two do not fit together.
    """

    out: Path
    also: tuple[str, ...] = ()
    split: str | None = None
    jobs: int = 1
    scheduler: str | None = None
    verify: bool = False
    retry: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"`jobs` must be at least 1, not {self.jobs}.")
        for kind in self.also:
            if kind not in ALSO:
                raise ValueError(f"`also` must be one of {', '.join(ALSO)}, not “{kind}”.")
        if self.split is not None:
            parse_duration(self.split)
            if self.also:
                raise ValueError("`split` and `also` do not fit together: a file is written from a whole video.")

    @property
    def split_seconds(self) -> float | None:
        """The longest stretch of a video in seconds; None if videos are not cut."""
        return None if self.split is None else parse_duration(self.split)


def parse_duration(text: str) -> float:
    """The seconds in a text such as 10m, 90s or 1h.

    Raises:
        ValueError: the text is no duration of at least a second.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(parts[1]) * _UNITS[parts[2]] if parts else 0.0
    if not 1 <= seconds < math.inf:
        raise ValueError(f"`split` must be a time of at least a second, as in 10m, 90s or 1h, not “{text}”.")
    return seconds
