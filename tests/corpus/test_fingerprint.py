"""A fingerprint changes with the content of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion_cam.corpus.fingerprint import fingerprint, whole_hash


@pytest.mark.parametrize("size", [0, 1, 70_000, 131_072, 131_073, 1_000_000])
def test_the_start_the_end_and_the_size_count(tmp_path: Path, size: int) -> None:
    path, seen = tmp_path / "file", set()
    content = bytearray(size)
    for change in ({}, {0: 1}, {size - 1: 2}, {size // 2 // 4096 * 4096: 3}):
        for place, value in change.items():
            if 0 <= place < size:
                content[place] = value
        path.write_bytes(content)
        seen.add(fingerprint(path))
    path.write_bytes(content + b"x")
    seen.add(fingerprint(path))
    assert len(seen) >= (4 if size > 1 else 2)
    assert all(len(each) == 32 for each in seen)


def test_samples_between_the_ends_count(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytearray(10_000_000)
    path.write_bytes(content)
    before, before_whole = fingerprint(path), whole_hash(path)
    content[3_000_000:4_000_000] = b"x" * 1_000_000
    path.write_bytes(content)
    assert fingerprint(path) != before
    path.write_bytes(bytearray(10_000_000))
    assert (fingerprint(path), whole_hash(path)) == (before, before_whole)


def test_only_the_whole_hash_sees_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytearray(10_000_000)
    path.write_bytes(content)
    before, before_whole = fingerprint(path), whole_hash(path)
    content[200_000] = 1
    path.write_bytes(content)
    assert fingerprint(path) == before
    assert whole_hash(path) != before_whole
