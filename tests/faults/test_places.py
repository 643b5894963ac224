"""Places that cannot be written to, or are lost while they are written to, and what killed runs leave."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emotion_cam import files
from emotion_cam.errors import SinkError, SourceError
from emotion_cam.files import check_writable, partial_path, temporary_path, write_file
from emotion_cam.sinks.base import FileSink
from emotion_cam.sinks.intervals import IntervalSink
from emotion_cam.sinks.parquet import ParquetSink
from emotion_cam.sinks.pictures import FolderSink, ImageSink
from emotion_cam.sinks.report import ReportSink
from emotion_cam.sinks.spec import OutputSpec, refuse_duplicates
from emotion_cam.sinks.subtitles import SubtitleSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sources.video import VideoSource
from tests.builders import file_names, picture, read_frames, result

MAKERS: dict[str, Callable[[Path], FileSink]] = {
    ".mp4": lambda path: VideoSink(path, fps=30),
    ".mkv": lambda path: VideoSink(path, fps=30),
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".parquet": ParquetSink,
    ".srt": SubtitleSink,
    ".elan.tsv": IntervalSink,
    ".html": ReportSink,
}
every_file = pytest.mark.parametrize("suffix", MAKERS)
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a folder that is in use")


def playable(path: Path) -> int:
    """How many frames of a video, which may be cut off, can be played."""
    count = 0
    try:
        with VideoSource(path) as source:
            for _ in source:
                count += 1
    except SourceError:
        pass
    return count


# The folder goes


@needs_posix
@every_file
@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_folder_that_goes_is_noticed_with_the_next_frame(tmp_path: Path, suffix: str, how: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"a{suffix}"
    with pytest.raises(SinkError) as error, MAKERS[suffix](path) as sink:
        for index in range(10):
            sink.write(result(index, index / 30))
        if how == "removed":
            shutil.rmtree(folder)
        else:
            folder.rename(tmp_path / "other")
        sink.write(result(10, 1))
    assert str(error.value) == f"{path} cannot be written any more: the folder {folder} was removed or renamed."
    assert sink.output is None


@needs_posix
@every_file
def test_a_folder_that_goes_before_the_end(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"a{suffix}"
    with pytest.raises(SinkError, match=r"there is no folder|was removed or renamed"), MAKERS[suffix](path) as sink:
        sink.write(result())
        shutil.rmtree(folder)
    assert not folder.exists()


@needs_posix
def test_the_other_outputs_are_kept_when_a_folder_goes(tmp_path: Path) -> None:
    lost, safe = tmp_path / "lost", tmp_path / "safe"
    lost.mkdir()
    safe.mkdir()
    with pytest.raises(SinkError), VideoSink(safe / "a.mp4", fps=30) as video, CsvSink(lost / "a.csv") as table:
        for index in range(40):
            for sink in (video, table):
                sink.write(result(index, index / 30))
            if index == 30:
                shutil.rmtree(lost)
    assert file_names(safe) == ["a.partial.mp4"]
    assert len(read_frames(safe / "a.partial.mp4")) >= 31


@needs_posix
def test_pictures_of_a_folder_that_goes(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for sink, path in (
        (ImageSink(folder / "a.png", numbered=True), folder / "a-000000.png"),
        (FolderSink(folder), folder / "clip.png"),
    ):
        folder.mkdir(exist_ok=True)
        shutil.rmtree(folder)
        with pytest.raises(SinkError) as error, sink:
            sink.write(result(source="clip.png"))
        assert str(error.value) == f"{path} cannot be written: there is no folder {folder}."


# Names


@every_file
@pytest.mark.parametrize("letter", ["a", "é", "顔"])
def test_a_name_as_long_as_the_system_allows(tmp_path: Path, suffix: str, letter: str) -> None:
    count, rest = divmod(255 - len(suffix), len(letter.encode()))
    name = letter * count + "a" * rest + suffix
    for path in (tmp_path / name, tmp_path / name[1:]):
        with MAKERS[suffix](path) as sink:
            sink.write(result())
        assert sink.output == path
    assert len(file_names(tmp_path)) == 2
    with pytest.raises(SourceError), MAKERS[suffix](tmp_path / name) as sink:
        sink.write(result())
        raise SourceError("lost")
    assert sink.output is not None
    assert sink.output.name.endswith(f".partial{Path(name).suffix}")


@every_file
def test_a_name_that_is_too_long(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / ("a" * 260 + suffix)
    with pytest.raises(SinkError) as error:
        MAKERS[suffix](path)
    assert str(error.value) == f"{path} cannot be written: File name too long."


def test_a_name_that_is_too_long_once_it_has_a_number(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".png")
    with ImageSink(path, numbered=False) as sink:
        sink.write(result())
    assert sink.output == path
    with pytest.raises(SinkError) as error:
        ImageSink(path, numbered=True)
    assert str(error.value) == f"{path} cannot be written: File name too long."


def test_long_names_that_differ_only_at_the_end_stay_apart(tmp_path: Path) -> None:
    first, second = (tmp_path / ("a" * 240 + letter + ".mp4") for letter in "xy")
    assert temporary_path(first) != temporary_path(second)
    assert partial_path(first) != partial_path(second)
    assert temporary_path(tmp_path / "a.mp4").name == f".a.part-{os.getpid()}.mp4"
    assert partial_path(tmp_path / "a.mp4").name == "a.partial.mp4"


@needs_posix
def test_a_link_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "loop.csv"
    path.symlink_to(path)
    refuse_duplicates([path, tmp_path / "b.csv"])
    with pytest.raises(SinkError) as error:
        CsvSink(path)
    assert str(error.value) == f"{path} cannot be written: Too many levels of symbolic links."
    with pytest.raises(SinkError, match="given twice"):
        refuse_duplicates([path, path])


def test_standard_input_names_an_output() -> None:
    assert OutputSpec(out=(Path("{name}.csv"),)).named_after("-") == (Path("stdin.csv"),)


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the permission to mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_was_written_until_a_disk_was_full_plays(small_disk: Path, suffix: str) -> None:
    path = small_disk / f"a{suffix}"
    random = np.random.default_rng(0)
    written = 0
    with pytest.raises(SinkError) as error, VideoSink(path, fps=30) as sink:
        for index in range(500):
            sink.write(result(index, index / 30, image=random.integers(0, 255, (120, 160, 3), np.uint8)))
            written = index
    assert str(error.value) == f"{path} cannot be written: No space left on device."
    assert file_names(small_disk) == [f"a.partial{suffix}"]
    # What the encoder holds back and up to a second in an unfinished fragment are lost.
    assert playable(small_disk / f"a.partial{suffix}") > written - 100
    assert written > 120


def test_a_video_that_leaves_no_room_for_its_copy_stays_in_fragments(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "a.mp4"
    random = np.random.default_rng(0)
    frames = 0
    with VideoSink(path, fps=30, live=True) as sink:  # live, so that the encoder holds nothing back
        while shutil.disk_usage(small_disk).used < 1_200_000:
            for _ in range(5):
                frames += 1
                sink.write(result(frames, frames / 30, image=random.integers(0, 255, (48, 64, 3), np.uint8)))
            for write in sink._queue:
                write.result()
    assert sink.output == path
    assert file_names(small_disk) == ["a.mp4"]
    assert playable(path) == frames
    assert caplog.messages == [
        f"{path} is complete, but its index could not be put at the front: No space left on device."
    ]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_disk_that_cannot_confirm_what_it_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    sink = CsvSink(tmp_path / "a.csv")
    sink.write(result())
    if number == errno.EINVAL:  # some file systems have no such function
        sink.__exit__(None, None, None)
        assert sink.output == tmp_path / "a.csv"
    else:
        with pytest.raises(SinkError, match=r"a\.csv cannot be replaced: Input/output error; see .*\.part-"):
            sink.__exit__(None, None, None)


# Runs that were killed

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sinks.subtitles import SubtitleSink
from emotion_cam.sinks.tables import CsvSink
from tests.builders import result
with VideoSink(Path(sys.argv[1]), fps=30, live=True) as sink:
    for index in range(150):
        sink.write(result(index, index / 30))
    for write in sink._queue:
        write.result()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_posix
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_a_killed_run_had_written_plays_and_is_found_by_the_next_run(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    path = tmp_path / f"a{suffix}"
    run = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False)
    assert run.returncode == -9
    (hidden,) = file_names(tmp_path)
    assert hidden.startswith(".a.part-")
    assert playable(tmp_path / hidden) >= 110  # up to a second may be missing
    with MAKERS[suffix](path) as sink:
        assert caplog.messages == [f"{partial_path(path)} is what an earlier run had written when it was killed."]
        sink.write(result())
    assert file_names(tmp_path) == [f"a{suffix}", f"a.partial{suffix}"]
    assert playable(tmp_path / f"a.partial{suffix}") >= 110


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_newest_unfinished_file_is_kept_and_the_others_are_removed(tmp_path: Path, dead: int) -> None:
    for name, content, age in [
        (f".a.part-{dead}.csv", b"new", 0),
        (f".a.part-{2**62}.csv", b"old", 100),
        (f".a.part-{dead}w.csv", b"a copy", 0),
        (f".b.part-{dead}.csv", b"another output", 0),
        (".a.part-x.csv", b"something else", 0),
    ]:
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    check_writable(tmp_path / "a.csv")
    assert file_names(tmp_path) == [".a.part-x.csv", f".b.part-{dead}.csv", "a.partial.csv"]
    assert (tmp_path / "a.partial.csv").read_bytes() == b"new"


def test_an_empty_unfinished_file_is_removed(tmp_path: Path, dead: int) -> None:
    (tmp_path / f".a.part-{dead}.csv").touch()
    check_writable(tmp_path / "a.csv")
    assert file_names(tmp_path) == []


def test_the_file_of_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / f".a.part-{process.pid}.csv").write_bytes(b"not yet")
        check_writable(tmp_path / "a.csv")
        assert file_names(tmp_path) == [f".a.part-{process.pid}.csv"]
    with CsvSink(tmp_path / "b.csv"):
        check_writable(tmp_path / "b.csv")
        assert len(file_names(tmp_path)) == 2


def test_a_dead_run_with_the_number_of_this_one(tmp_path: Path) -> None:
    """In a container every run may be process 1."""
    temporary_path(tmp_path / "a.csv").write_bytes(b"before")
    with CsvSink(tmp_path / "a.csv") as sink:
        sink.write(result())
    assert file_names(tmp_path) == ["a.csv", "a.partial.csv"]
    assert (tmp_path / "a.partial.csv").read_bytes() == b"before"


def test_unfinished_pictures_are_removed(tmp_path: Path, dead: int) -> None:
    for name in (f".a-000003.part-{dead}.png", f".other.part-{dead}.jpg"):
        (tmp_path / name).write_bytes(b"half")
    ImageSink(tmp_path / "a.png", numbered=True)
    assert file_names(tmp_path) == [f".other.part-{dead}.jpg"]
    FolderSink(tmp_path)
    assert file_names(tmp_path) == []


def test_no_link_is_followed_that_somebody_put_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    monkeypatch.setattr(files, "_rescue", lambda path: None)
    temporary_path(tmp_path / "a.csv").symlink_to(other)
    with CsvSink(tmp_path / "a.csv") as sink:
        sink.write(result())
    assert other.read_bytes() == b"precious"
    assert not (tmp_path / "a.csv").is_symlink()


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".png")
    write_file(path, picture().tobytes())
    assert file_names(tmp_path) == [path.name]
