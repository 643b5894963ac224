"""FileSink: what holds for every output in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.errors import SinkError, SourceError
from emotion_cam.sinks.base import FileSink, Sink
from emotion_cam.sinks.pictures import FolderSink, ImageSink
from emotion_cam.sinks.report import ReportSink
from emotion_cam.sinks.tables import CsvSink, JsonlSink
from emotion_cam.sinks.video import VideoSink
from tests.builders import FACES, file_names, result

MAKERS: dict[str, Callable[[Path], FileSink]] = {
    "out.mp4": lambda path: VideoSink(path, fps=30),
    "out.mkv": lambda path: VideoSink(path, fps=30),
    "out.csv": CsvSink,
    "out.jsonl": JsonlSink,
    "out.html": ReportSink,
}
every_file = pytest.mark.parametrize("name", MAKERS)


@every_file
def test_without_a_result_no_file_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with MAKERS[name](path) as sink:
        pass
    assert (sink.output, file_names(tmp_path)) == (None, [])
    path.write_bytes(b"an older file")
    with pytest.raises(SourceError), MAKERS[name](path):
        raise SourceError("lost")
    assert file_names(tmp_path) == [name]
    assert path.read_bytes() == b"an older file"


@every_file
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, BrokenPipeError, SourceError, RuntimeError])
def test_the_end_of_the_run_decides_the_name(tmp_path: Path, name: str, error: type[BaseException] | None) -> None:
    def run() -> FileSink:
        with MAKERS[name](tmp_path / name) as sink:
            sink.write(result())
            if error:
                raise error
        return sink

    if error:
        with pytest.raises(error):
            run()
    else:
        assert run().output == tmp_path / name
    complete = error in (None, KeyboardInterrupt, BrokenPipeError)
    assert file_names(tmp_path) == [name if complete else name.replace(".", ".partial.")]


@every_file
def test_a_path_that_cannot_be_written_to_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    make = MAKERS[name]
    missing = tmp_path / "missing" / name
    with pytest.raises(SinkError) as error:
        make(missing)
    assert str(error.value) == f"{missing} cannot be written: there is no folder {missing.parent}."
    (tmp_path / name).mkdir()
    with pytest.raises(SinkError) as error:
        make(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name} is a folder: give the name of a file."


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write to")
@pytest.mark.parametrize(
    "make", [*MAKERS.values(), lambda path: ImageSink(path, numbered=False), FolderSink], ids=[*MAKERS, "png", "folder"]
)
def test_a_folder_that_cannot_be_written_to(make: Callable[[Path], Sink]) -> None:
    with pytest.raises(SinkError, match=r"^/proc/self/out\.any cannot be written: .+\.$"):
        make(Path("/proc/self/out.any"))


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """No file can grow beyond this number of bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "out.html"])  # it is written at the end only
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older file")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    with limited_file_size(100_000), pytest.raises(SinkError) as error, MAKERS[name](path) as sink:
        for index in range(2000):
            sink.write(result(index, index / 30, image=noise, faces=FACES))
    assert str(error.value) == f"{path} cannot be written: File too large."
    assert path.read_bytes() == b"an older file"
    assert all(not name.startswith(".") for name in file_names(tmp_path))


@every_file
def test_a_disk_that_is_full_only_at_the_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older file")
    with limited_file_size(100), pytest.raises(SinkError) as error, MAKERS[name](path) as sink:
        sink.write(result(faces=FACES))
    assert str(error.value) == f"{path} cannot be written: File too large."
    assert path.read_bytes() == b"an older file"
    assert sink.output == tmp_path / name.replace(".", ".partial.")


def test_nothing_is_lost_if_the_older_file_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    path = tmp_path / "out.csv"
    with pytest.raises(SinkError) as error, CsvSink(path) as sink:
        sink.write(result())
    assert sink.output is not None
    assert str(error.value) == f"{path} cannot be replaced: Permission denied; see {sink.output} instead."
    assert sink.output.read_text().startswith("source,frame,")


@every_file
def test_a_second_ctrl_c_does_not_cost_the_file_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    sink = MAKERS[name](tmp_path / name)
    with pytest.raises(KeyboardInterrupt), sink:
        sink.write(result())
        monkeypatch.setattr(os, "fsync", interrupted)
        raise KeyboardInterrupt
    assert sink.output == tmp_path / name
    assert file_names(tmp_path) == [name]
