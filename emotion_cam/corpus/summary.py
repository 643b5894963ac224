"""The summary of a data set by video: videos.parquet, videos.csv and report.html."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from emotion_cam.corpus.faces import VIDEO_COLUMNS, whole
from emotion_cam.corpus.manifest import Entry, Manifest
from emotion_cam.corpus.page import page

TABLE, SHEET, PAGE = "videos.parquet", "videos.csv", "report.html"
"""The files of the summary in a data set."""

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "video": VIDEO_COLUMNS["video"],
    "path": VIDEO_COLUMNS["path"],
    "hash": VIDEO_COLUMNS["hash"],
    "result": (pa.string(), "done; damaged, if the file itself is the reason; or failed"),
    "error": (pa.string(), "why it is damaged or failed"),
    "duration": (pa.float64(), "the length of the video in seconds"),
    "frames": (pa.int64(), "the frames of the video"),
    "frames_with_face": (pa.int64(), "how many of them have a face"),
    "tracks": (pa.int64(), "the different faces"),
    "rows": (pa.int64(), "the rows of the video in the data set"),
    "version": VIDEO_COLUMNS["version"],
    "settings": (pa.string(), "the id of the options and models in manifest.jsonl"),
    "took": (pa.float64(), "the seconds of work"),
    "ended": (pa.timestamp("ms", "UTC"), "when the work ended"),
}
"""The type and the meaning of each column. A column for the share of each label, as emotion_happy, and the user's own
columns come after them."""


def write_summary(dataset: Path, manifest: Manifest) -> None:
    """Write the summary. Raises OSError if that fails."""
    table = videos_table(manifest)
    with whole(dataset / TABLE) as hidden:
        pq.write_table(table, hidden, compression="zstd")
    with whole(dataset / SHEET) as hidden:
        pyarrow.csv.write_csv(table, hidden)
    with whole(dataset / PAGE) as hidden:
        hidden.write_text(page(manifest.entries.values()), encoding="utf-8")


def videos_table(manifest: Manifest) -> pa.Table:
    """A row for each video, in the order of their paths."""
    entries = sorted(manifest.entries.values(), key=lambda entry: entry.path)
    versions = {settings.id: settings.version for settings in manifest.settings.values()}
    columns: dict[str, Any] = {name: [] for name in COLUMNS}
    for entry in entries:
        values = {
            "video": entry.id,
            "path": entry.path.encode(errors="backslashreplace").decode(),
            "version": versions.get(entry.settings),
            "ended": datetime.datetime.fromtimestamp(entry.ended, datetime.timezone.utc),
        }
        for name, column in columns.items():
            column.append(values[name] if name in values else getattr(entry, name))
    fields = [pa.field(name, kind, metadata={"description": meaning}) for name, (kind, meaning) in COLUMNS.items()]
    table = pa.table(columns, schema=pa.schema(fields))
    for name, shares in _shares(entries).items():
        table = table.append_column(name, pa.array(shares, pa.float64()))
    for name in dict.fromkeys(name for entry in entries for name in entry.columns if name not in table.column_names):
        column = _as_column([entry.columns.get(name) for entry in entries])
        table = table.append_column(pa.field(name, column.type, metadata={"origin": "list"}), column)
    return table


def _shares(entries: list[Entry]) -> dict[str, list[float | None]]:
    """For each task and label, as in emotion_happy, its share of each video's rows with that task."""
    names = dict.fromkeys(
        (task, label) for entry in entries for task, labels in sorted(entry.labels.items()) for label in sorted(labels)
    )
    return {
        f"{task}_{label}": [
            round(labels.get(label, 0) / sum(labels.values()), 6) if (labels := entry.labels.get(task)) else None
            for entry in entries
        ]
        for task, label in sorted(names)
    }


def _as_column(values: list[Any]) -> pa.Array:
    """Values of a user's column; texts if they are of several types."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
