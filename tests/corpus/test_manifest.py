"""The manifest survives a killed run."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.corpus.manifest import NAME, Entry, Manifest, Settings

SETTINGS = Settings("s1", "0.1.0", {"emotion": "abc"}, {"smooth": 0.5})


def entry(name: str, frames: int = 0) -> Entry:
    return Entry(name, f"/clips/{name}.mp4", 10, 20, "hash", "s1", "done", frames=frames, columns={"site": "north"})


def written(folder: Path, *entries: Entry) -> Manifest:
    manifest = Manifest(folder)
    manifest.begin(SETTINGS)
    for each in entries:
        manifest.add(each)
    manifest.close()
    return manifest


def test_the_last_entry_of_a_video_counts(tmp_path: Path) -> None:
    written(tmp_path, entry("a"), entry("b"), entry("a", 5))
    manifest = Manifest(tmp_path)
    assert manifest.entries == {"a": entry("a", 5), "b": entry("b")}
    assert manifest.settings == {"s1": SETTINGS}


def test_it_grows_by_a_line_and_is_tidied_when_it_is_opened_again(tmp_path: Path) -> None:
    written(tmp_path, entry("a"), entry("b"), entry("a", 5))
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 5 - 1
    written(tmp_path)
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 3


def test_a_line_that_was_not_finished_is_dropped_and_the_next_one_is_not_added_to_it(tmp_path: Path) -> None:
    written(tmp_path, entry("a"), entry("b"))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-20])
    assert Manifest(tmp_path).entries == {"a": entry("a")}
    written(tmp_path, entry("c"))
    assert Manifest(tmp_path).entries == {"a": entry("a"), "c": entry("c")}
