"""The command that makes reports from a table."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.cli.console import source_progress, stdout


def report(table: Path, /, *, out: tuple[Path, ...], video: tuple[Path, ...] = (), mirror: bool = False) -> None:
    """Make a report from a table: when each face was in view, what it showed, and its strongest moments.

    Args:
        table: A .csv, .jsonl or .parquet file that an earlier run wrote.
        out: A file to write: .html (a page) or .png (a picture). May be repeated.
        video: The video that the table was made from; with it, the report shows pictures of the strongest moments. May
            be repeated.
        mirror: The table is from a run with --mirror.
    """
    from emotion_cam.report.build import write_reports

    write_reports(table, out, video, mirrored=mirror, progress=source_progress)
    for path in out:
        stdout.print(f"Wrote {path}", markup=False)
