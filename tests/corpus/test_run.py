"""A run over a corpus does what is new, changed, failed or asked otherwise, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.corpus.engine import Call, WorkersDiedError
from emotion_cam.corpus.faces import SCHEMA
from emotion_cam.corpus.manifest import Entry, Manifest
from tests.command import Completed, emotion_cam
from tests.corpus.inline import InlineEngine


def run(*more: str) -> Completed:
    return emotion_cam("corpus", "clips", "--out", "data", "--without", "gender", *more)


def entries() -> dict[str, Entry]:
    return {Path(entry.path).name: entry for entry in Manifest(Path("data")).entries.values()}


def files() -> list[Path]:
    return sorted(Path("data", "faces").glob("*/*"))


pytestmark = pytest.mark.usefixtures("inline", "clips")


def test_good_videos_are_done_once_and_broken_ones_are_named() -> None:
    first = run()
    assert first.exit_code == 1
    assert "3 videos: 2 done, 1 failed" in first.stdout
    assert "broken.mp4 cannot be opened as a video" in first.stderr
    made = entries()
    assert {name: entry.result for name, entry in made.items()} == {
        "a.mp4": "done",
        "b.mp4": "done",
        "broken.mp4": "damaged",
    }
    assert (made["a.mp4"].frames, made["a.mp4"].rows, made["a.mp4"].tracks) == (4, 4, 1)
    assert made["a.mp4"].labels == {"emotion": {"happy": 4}}
    assert made["a.mp4"].duration == pytest.approx(0.4)
    before = {path: path.stat().st_mtime_ns for path in files()}
    again = run()
    assert "2 unchanged, 1 damaged before" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in files()} == before
    assert not Path("data", "claim.json").exists()


def test_rows_name_their_video_and_its_model() -> None:
    run()
    a = entries()["a.mp4"]
    table = pq.read_table(Path("data", "faces", a.id[:2], f"{a.id}.parquet"), partitioning=None)
    assert table.schema.equals(SCHEMA)
    row = table.to_pylist()[0]
    assert (row["video"], row["path"], row["hash"]) == (a.id, a.path, a.hash)
    assert (row["source"], row["frame"], row["track"], row["label"]) == ("a.mp4", 0, 1, "happy")
    assert row["model"] == next(iter(Manifest(Path("data")).settings.values())).models["emotion"]


def test_only_what_is_new_or_changed_is_done(short_clip: Path) -> None:
    run()
    shutil.copy(short_clip, "clips/new.mp4")
    with Path("clips/a.mp4").open("ab") as file:
        file.write(b"\0" * 8)
    os.utime("clips/deep/b.mp4")
    assert "3 to do (2 changed, 1 new), 0 unchanged" in run("--dry-run").stdout
    assert "4 videos: 2 done, 1 unchanged, 1 damaged before" in run().stdout
    assert "0 to do, 3 unchanged" in run("--dry-run").stdout


def test_a_file_that_became_damaged_loses_its_rows(short_clip: Path) -> None:
    run()
    Path("clips/a.mp4").write_bytes(short_clip.read_bytes()[:2000])
    assert "1 failed" in run().stdout
    assert [path.stem for path in files()] == [entries()["b.mp4"].id]


def test_other_options_and_rows_that_are_missing_are_work() -> None:
    run()
    assert "3 to do (3 done with other options, models or version)" in run("--dry-run", "--smooth", "0").stdout
    assert "0 to do" in run("--dry-run", "--threads", "2").stdout
    files()[0].unlink()
    assert "1 to do (1 without its rows)" in run("--dry-run").stdout


def test_damaged_videos_are_retried_if_asked() -> None:
    run()
    assert "1 to do (1 damaged before), 2 unchanged" in run("--dry-run", "--retry").stdout


def test_verify_reads_all_bytes() -> None:
    run("--verify")
    assert all(entry.whole for entry in entries().values())
    a = Path("clips/a.mp4")
    status, content = a.stat(), bytearray(a.read_bytes())
    content[-1] ^= 1
    a.write_bytes(content)
    os.utime(a, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "2 unchanged" in run().stdout, "neither size nor time says that it changed"
    assert "3 videos: 1 done, 1 unchanged, 1 failed" in run("--verify").stdout


def test_the_columns_of_a_list_are_carried_along_without_doing_a_video_again() -> None:
    def write(site: str) -> None:
        Path("list.csv").write_text(f"path,site\nclips/a.mp4,{site}\n", encoding="utf-8")

    def rows() -> list[dict[str, object]]:
        table: list[dict[str, object]] = pq.read_table("data/videos.parquet").to_pylist()
        return table

    write("north")
    assert emotion_cam("corpus", "list.csv", "--out", "data").exit_code == 0
    assert [(row["site"], row["result"], row["emotion_happy"]) for row in rows()] == [("north", "done", 1.0)]
    write("south")
    assert "1 unchanged" in emotion_cam("corpus", "list.csv", "--out", "data").stdout
    assert [row["site"] for row in rows()] == ["south"]


def test_what_a_killed_run_left_is_swept_away() -> None:
    run()
    folder = files()[0].parent
    (folder / ".x.part").touch()
    (folder / "0123456789abcdef.parquet").touch()
    Path("data/claim.json").write_text('{"host": "elsewhere", "token": "x"}', encoding="utf-8")
    os.utime("data/claim.json", (0, 0))
    again = run()
    assert "was being worked on by a run that was killed" in again.stderr
    assert len(files()) == 2


def test_annotated_videos_are_written_if_asked() -> None:
    run("--also", "csv")
    made = sorted(path.name for path in Path("data/csv").iterdir())
    assert made == sorted(
        f"{Path(name).stem}-{entry.id}.csv" for name, entry in entries().items() if entry.result == "done"
    )


def test_a_video_that_kills_its_workers_is_named_and_tried_again_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Deadly(InlineEngine):
        def run(self, calls: deque[Call]) -> Iterator[tuple[Call, Any]]:
            for call, outcome in super().run(calls):
                yield call, WorkersDiedError() if "a.mp4" in str(call.arguments) else outcome

    monkeypatch.setattr("emotion_cam.corpus.run.Engine", Deadly)
    first = run()
    assert "a.mp4 was left: every worker that tried it died." in first.stderr
    assert "3 videos: 1 done, 2 failed" in first.stdout
    assert [path.stem for path in files()] == [entries()["b.mp4"].id]
    assert "1 to do (1 failed before)" in run("--dry-run").stdout


def test_a_model_of_a_relative_path_is_found_by_workers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    class Elsewhere(InlineEngine):
        def run(self, calls: deque[Call]) -> Iterator[tuple[Call, Any]]:
            seen.extend(call.arguments[0].work.models.model[0] for call in calls)
            return super().run(calls)

    monkeypatch.setattr("emotion_cam.corpus.run.Engine", Elsewhere)
    shutil.copytree(shipped_models()["emotion"], "mine")
    assert "2 done" in run("--model", "mine").stdout
    assert seen[0] == Path("mine").absolute()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--split", "soon"], "--split must be a time"),
        (["--split", "10m", "--also", "mp4"], "--split and --also do not fit together"),
        (["--also", "exe"], "--also"),
    ],
)
def test_wrong_options_are_refused(more: list[str], message: str) -> None:
    ended = run(*more)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert not Path("data").exists()
