"""Videos that come through pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.result import Result
from emotion_cam.sinks import open_sink
from emotion_cam.sources import open_source
from emotion_cam.sources.video import VideoSource
from tests.builders import copy_video, read_frames, write_video

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with names")


@contextmanager
def pipe_of(path: Path) -> Iterator[Path]:
    """A path that gives the bytes of a file once, as <(cat FILE) does in a shell."""
    reading, writing = os.pipe()

    def send() -> None:
        with os.fdopen(writing, "wb") as pipe, suppress(BrokenPipeError):
            pipe.write(path.read_bytes())

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        thread.join()


@pytest.fixture(scope="module", params=["clip.ts", "clip.mkv", "front.mp4"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that can be read from front to end."""
    path = tmp_path_factory.mktemp("films") / request.param
    return write_video(path, audio="aac", options={"movflags": "+faststart"} if path.suffix == ".mp4" else {})


def test_a_pipe_gives_the_frames_of_the_file(film: Path) -> None:
    with pipe_of(film) as pipe, VideoSource(pipe) as source:
        assert [frame.time for frame in source] == [frame.time for frame in read_frames(film)]
        assert source.ended


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.dts is not None]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_sound_of_a_pipe_is_kept_in_every_output(film: Path, tmp_path: Path, suffix: str) -> None:
    outputs = [tmp_path / f"{name}{suffix}" for name in ("file", "pipe", "second")]
    with VideoSource(film) as source, open_sink(outputs[0], source) as sink:
        copy_video(source, sink)
    with (
        pipe_of(film) as pipe,
        VideoSource(pipe) as source,
        open_sink(outputs[1], source) as first,
        open_sink(outputs[2], source) as second,
    ):
        for frame in source:
            for sink in (first, second):
                sink.write(Result(frame, ()))
    assert sound(outputs[1]) == sound(outputs[2]) == sound(outputs[0])
    assert len(read_frames(outputs[1])) == 60


def test_a_named_pipe(film: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: pipe.write_bytes(film.read_bytes()))
    thread.start()
    with open_source(video=pipe) as source:
        assert len(list(source)) == 60
    thread.join()


READ_STDIN = "import sys; from emotion_cam.sources import open_source; print(len(list(open_source(video=sys.argv[1]))))"


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("through", ["pipe", "file"])
def test_standard_input(film: Path, name: str, through: str) -> None:
    command = [sys.executable, "-c", READ_STDIN, name]
    if through == "pipe":
        run = subprocess.run(command, input=film.read_bytes(), capture_output=True, check=True)
    else:
        with film.open("rb") as file:
            run = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert (run.stdout.strip(), run.stderr) == (b"60", b"")


def test_an_mp4_with_its_index_at_the_end_can_be_standard_input_but_not_come_through_a_pipe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", codec="mpeg4", size=(1280, 960))  # longer than FFmpeg's buffer
    with path.open("rb") as file:
        run = subprocess.run([sys.executable, "-c", READ_STDIN, "-"], stdin=file, capture_output=True, check=True)
    assert run.stdout.strip() == b"60"
    with pipe_of(path) as pipe, pytest.raises(SourceError, match=r"An MP4 in a pipe must have its index at the front"):
        VideoSource(pipe)


def test_an_empty_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pipe_of(tmp_path / "empty") as pipe, pytest.raises(SourceError, match=r"^/dev/fd/\d+ cannot be opened"):
        VideoSource(pipe)


def test_ctrl_c_while_nothing_comes_through_the_pipe(film: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True); {READ_STDIN}", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        process.stdin.write(film.read_bytes()[:20_000])
        process.stdin.flush()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.wait(10)
    assert process.returncode != 0
