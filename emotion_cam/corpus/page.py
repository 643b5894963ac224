"""The page of a data set: report.html, with hours, faces, the shares of labels by video, and failures."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from emotion_cam.corpus.manifest import Entry
from emotion_cam.version import __version__

LONGEST = 1000
"""The most videos, and the most failures, that the page lists."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .6rem; text-align: left; vertical-align: top }
th { border-bottom: 2px solid #ccc } tr + tr td { border-top: 1px solid #eee } .n { text-align: right }
.bar { display: flex; height: 1.1rem; min-width: 12rem; border-radius: 3px; overflow: hidden; background: #eee }
.bar span { display: block } .key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem }
dl { display: grid; grid-template-columns: max-content auto; gap: .2rem 1.5rem } dd { margin: 0; font-weight: 600 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } .bar { background: #333 } }
"""

_COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#9c755f", "#bab0ac", "#ff9da7")


def page(entries: Iterable[Entry]) -> str:
    """The page, which needs no other file and no network.

    Args:
        entries: the entries of all videos.
    """
    entries = sorted(entries, key=lambda entry: entry.path)
    good = [entry for entry in entries if entry.result == "done"]
    bad = [entry for entry in entries if entry.result != "done"]
    colors = _colors(good)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Corpus</title>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<style>{_STYLE}</style><h1>Corpus</h1>",
        *_totals(good, bad),
        *_shares(good, colors),
        *_failures(bad),
        *_videos(good, colors),
        f"<p>Made by emotion-cam {__version__}. An expression is not a feeling, and gender is perceived gender.",
    ]
    return "\n".join(parts)


def _totals(good: list[Entry], bad: list[Entry]) -> Iterator[str]:
    frames = sum(entry.frames for entry in good)
    with_face = sum(entry.frames_with_face for entry in good)
    figures = {
        "Videos": f"{len(good):,}",
        "Hours": f"{sum(entry.duration for entry in good) / 3600:,.2f}",
        "Frames": f"{frames:,}",
        "Frames with a face": f"{with_face:,} ({with_face / max(frames, 1):.0%})",
        "Faces (tracks)": f"{sum(entry.tracks for entry in good):,}",
        "Rows": f"{sum(entry.rows for entry in good):,}",
        "Damaged or failed": f"{len(bad):,}",
    }
    yield "<dl>" + "".join(f"<dt>{name}</dt><dd>{figure}</dd>" for name, figure in figures.items()) + "</dl>"


def _colors(good: list[Entry]) -> dict[str, dict[str, str]]:
    """A color for each label of each task."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in good:
        for task, counts in sorted(entry.labels.items()):
            labels[task].update(dict.fromkeys(counts))
    return {
        task: {label: _COLORS[number % len(_COLORS)] for number, label in enumerate(sorted(names))}
        for task, names in labels.items()
    }


def _shares(good: list[Entry], colors: dict[str, dict[str, str]]) -> Iterator[str]:
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in good:
        for task, counts in entry.labels.items():
            totals[task].update(counts)
    yield "<h2>Shares of labels</h2>"
    for task, by_label in colors.items():
        total = sum(totals[task].values())
        key = "".join(
            f"<span style='background:{color}'></span>{html.escape(label)} {totals[task][label] / total:.1%}"
            for label, color in by_label.items()
        )
        yield f"<h3>{html.escape(task)}</h3>{_bar(dict(totals[task]), by_label)}<p class=key>{key}</p>"


def _bar(counts: dict[str, int], colors: dict[str, str]) -> str:
    total = sum(counts.values())
    spans = "".join(
        f"<span title='{html.escape(label, quote=True)} {counts[label] / total:.1%}' "
        f"style='width:{100 * counts[label] / total:.2f}%;background:{color}'></span>"
        for label, color in colors.items()
        if counts.get(label)
    )
    return f"<div class=bar>{spans}</div>"


def _failures(bad: list[Entry]) -> Iterator[str]:
    if bad:
        yield "<h2>Damaged or failed</h2><ul>"
        yield from (f"<li>{_text(entry.error or entry.path)}" for entry in bad[:LONGEST])
        yield f"</ul>{_rest(len(bad))}"


def _videos(good: list[Entry], colors: dict[str, dict[str, str]]) -> Iterator[str]:
    tasks = "".join(f"<th>{html.escape(task)}" for task in colors)
    heads = "<th>Video<th class=n>Minutes<th class=n>Frames with a face<th class=n>Faces"
    yield f"<h2>Videos</h2><table><tr>{heads}{tasks}"
    for entry in good[:LONGEST]:
        bars = "".join(
            f"<td>{_bar(entry.labels[task], colors[task])}" if task in entry.labels else "<td>" for task in colors
        )
        share = entry.frames_with_face / max(entry.frames, 1)
        figures = f"<td class=n>{entry.duration / 60:.1f}<td class=n>{share:.0%}<td class=n>{entry.tracks}"
        yield f"<tr><td>{_text(entry.path)}{figures}{bars}"
    yield f"</table>{_rest(len(good))}"


def _rest(count: int) -> str:
    return f"<p>And {count - LONGEST:,} more: see videos.csv.</p>" if count > LONGEST else ""


def _text(text: str) -> str:
    return html.escape(text.encode(errors="backslashreplace").decode())
