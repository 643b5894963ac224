"""VideoSource, on videos that are made here and then damaged."""

from __future__ import annotations

import itertools
import logging
import re
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer

from emotion_cam.errors import SourceError
from emotion_cam.sources import video as video_module
from emotion_cam.sources.video import VideoSource, demuxed
from emotion_cam.types import Frame
from tests.builders import HEIGHT, RATE, WIDTH, picture, read_frames, write_picture, write_video


def read_until_error(path: Path) -> tuple[list[Frame], str]:
    """The frames of a damaged video, and the message of the error after them."""
    frames: list[Frame] = []
    with VideoSource(path) as source, pytest.raises(SourceError) as error:
        frames += source  # keeps what came before the error
        for frame in source:
            frames.append(frame)
    return frames, str(error.value)


def test_attributes_and_every_frame(clip: Path) -> None:
    with VideoSource(clip) as source:
        assert (source.name, source.live, source.size) == ("clip.mp4", False, (WIDTH, HEIGHT))
        assert (source.fps, source.frame_count, source.paths) == (RATE, 60, (clip,))
        frames = list(source)
        assert source.ended
    assert [frame.index for frame in frames] == list(range(60))
    assert [frame.time for frame in frames] == [index / RATE for index in range(60)]
    assert {frame.source for frame in frames} == {"clip.mp4"}
    for index in (0, 30, 59):
        image = frames[index].image
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert np.abs(image.astype(int) - picture(index)).mean() < 4  # so blue is blue, and the frame is the right one


def test_a_video_left_early_has_not_ended(clip: Path) -> None:
    with VideoSource(clip) as source:
        next(iter(source))
        assert not source.ended


def test_variable_rate_is_kept(tmp_path: Path) -> None:
    times = [0, 0.1, 0.13, 0.5, 0.9, 1.0, 1.7]
    frames = read_frames(write_video(tmp_path / "slow.mp4", times))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-9)


def test_time_starts_at_the_start_of_the_container(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.mkv", [5.04, 5.14], audio="pcm_s16le", audio_times=(5.0, 5.2))
    with VideoSource(path) as source:
        assert source.start == 5
        assert [frame.time for frame in source] == pytest.approx([0.04, 0.14], abs=1e-9)


def test_frames_without_a_time_follow_at_the_nominal_rate(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = VideoSource._decoded

    def without_times(source: VideoSource) -> Iterator[av.VideoFrame]:
        for frame in decode(source):
            frame.pts = None
            yield frame

    monkeypatch.setattr(VideoSource, "_decoded", without_times)
    assert [frame.time for frame in read_frames(clip)] == pytest.approx([index / RATE for index in range(60)])


@pytest.mark.parametrize(
    ("matrix", "corner", "size"),
    [
        ((0, 1, -1, 0), (0, -1), (HEIGHT, WIDTH)),  # a phone held upright
        ((-1, 0, 0, -1), (-1, -1), (WIDTH, HEIGHT)),
        ((0, -1, 1, 0), (-1, 0), (HEIGHT, WIDTH)),
    ],
    ids=["right", "upside-down", "left"],
)
def test_rotation_tags_are_applied(
    tmp_path: Path, matrix: tuple[int, int, int, int], corner: tuple[int, int], size: tuple[int, int]
) -> None:
    path = write_video(tmp_path / "turned.mp4", [0, 0.1])
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # after version, flags, times, number, duration, layer and volume
    a, b, c, d = (number << 16 for number in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)

    with VideoSource(path) as source:
        image = next(iter(source)).image
        assert source.size == size
    assert image.shape[:2] == size[::-1]
    assert image.flags.c_contiguous
    assert image[corner].min() > 240
    assert image[corner[0], -1 - corner[1]].min() < 30  # the other end of that edge is not white


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("clip.mkv", "libx264", "yuv420p"),
        ("clip.mov", "libx264", "yuv420p"),
        ("clip.webm", "libvpx", "yuv420p"),
        ("clip.avi", "mpeg4", "yuv420p"),
        ("clip.gif", "gif", "rgb8"),
    ],
)
def test_video_formats(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    times = [index / 10 for index in range(10)]
    frames = read_frames(write_video(tmp_path / name, times, codec=codec, pix_fmt=pix_fmt, size=(64, 48)))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.001)
    assert frames[0].image.shape == (48, 64, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such file name")
def test_a_file_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "http:é.mp4", [0])
    assert len(read_frames(Path("http:é.mp4"))) == 1


@pytest.mark.parametrize("seconds", [0.4, 4.0])
def test_audio_of_another_length_is_not_damage(tmp_path: Path, seconds: float) -> None:
    path = write_video(tmp_path / "clip.mkv", audio="pcm_s16le", audio_times=(0, seconds))
    assert len(read_frames(path)) == 60


# Damage


def cut(path: Path, target: Path, share: float) -> Path:
    """Write the beginning of a file, a share of its bytes, to another one."""
    data = path.read_bytes()
    target.write_bytes(data[: round(len(data) * share)])
    return target


def test_a_video_that_is_cut_off_gives_its_good_frames_then_an_error(clip: Path, tmp_path: Path) -> None:
    path = cut(clip, tmp_path / "cut.mp4", 0.6)
    frames, message = read_until_error(path)
    assert 20 < len(frames) < 60
    match = re.fullmatch(rf"{path} is damaged or cut off: it ends after (\d\.\d) of 2\.0 seconds\.", message)
    assert match
    assert float(match[1]) == pytest.approx(frames[-1].time, abs=0.1)


def test_matroska_that_is_cut_off(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", audio="aac")
    path = cut(whole, tmp_path / "cut.mkv", 0.6)
    frames, message = read_until_error(path)
    assert 20 < len(frames) < 60
    assert message.startswith(f"{path} is damaged or cut off: it ends after 1.")
    assert message.endswith(" of 2.0 seconds.")


def test_a_video_whose_second_half_was_never_written(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "zeros.mp4"
    data = clip.read_bytes()
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    frames, message = read_until_error(path)
    assert 10 < len(frames) < 60
    assert message.startswith(f"{path} is damaged or cut off: it ends after ")


class FailingContainer:
    """A container that fails to read after some packets."""

    def __init__(self, container: InputContainer, packets: int) -> None:
        self._container = container
        self._packets = packets

    def __getattr__(self, name: str) -> object:
        return getattr(self._container, name)

    def demux(self) -> Iterator[av.Packet[av.stream.Stream]]:
        yield from itertools.islice(self._container.demux(), self._packets)
        raise av.error.OSError(5, "Input/output error")


def test_a_disk_that_fails_in_the_middle_of_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4")
    open_video = video_module._open_video
    monkeypatch.setattr(video_module, "_open_video", lambda *given: FailingContainer(open_video(*given), 30))
    frames, message = read_until_error(path)
    assert len(frames) == 30  # including those that the decoder still had
    assert message == f"{path} is damaged or cut off: it ends after 1.0 of 2.0 seconds."


def test_a_video_with_a_hole_gives_the_frames_after_it(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "hole.mp4"
    data = bytearray(clip.read_bytes())
    half = len(data) // 2
    data[half : half + 2000] = bytes(2000)
    path.write_bytes(data)
    frames, message = read_until_error(path)
    assert frames[-1].time == 59 / RATE
    assert message.startswith(f"{path} is damaged: ")
    assert message.endswith(" of its pictures cannot be decoded.")


# Files that are not videos


def write_song(path: Path) -> None:
    """Write an MP3 file."""
    write_video(path.with_suffix(".mkv"), audio="mp3")
    with av.open(str(path.with_suffix(".mkv"))) as video, av.open(str(path), "w") as song:
        stream = song.add_stream_from_template(video.streams.audio[0])
        for packet in video.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                song.mux(packet)


NOT_VIDEOS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (lambda path: None, "There is no file {}."),
    "empty.mp4": (lambda path: path.touch(), "{} is empty."),
    "folder.mp4": (lambda path: path.mkdir(), "{} is a folder, not a video; use `image` for a folder of pictures."),
    "text.mp4": (
        lambda path: path.write_text("hello\n" * 100),
        "{} cannot be opened as a video: it is not one, or damaged or cut off.",
    ),
    "notes.txt": (lambda path: path.write_text("hello\n" * 100), "{} is not a video but a text file."),
    "photo.jpg": (
        write_picture,
        "{} is not a video but a picture: use `image`.",
    ),
    "renamed.mp4": (
        lambda path: path.write_bytes(cv2.imencode(".png", picture())[1].tobytes()),
        "{} is not a video but a picture: use `image`.",
    ),
    "song.mp3": (write_song, "{} has no pictures in it, only audio or other data."),
    "cut.mp4": (
        lambda path: cut(write_video(path.with_name("whole.mp4")), path, 0.9),  # the index was at the end
        "{} cannot be opened as a video: it is not one, or damaged or cut off.",
    ),
}
"""By file name: how to make the file, and the error message for its path."""


@pytest.mark.parametrize("name", NOT_VIDEOS)
def test_the_error_for_a_file_that_is_not_a_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make, message = NOT_VIDEOS[name]
    make(path)
    with pytest.raises(SourceError) as error:
        VideoSource(path)
    assert str(error.value) == message.format(path)


# Files from elsewhere


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".avi", "mpeg4"), (".mp4", "libx264"), (".mov", "libx264"), (".mkv", "libx264"), (".flv", "libx264")],
)
def test_a_title_that_is_not_utf_8(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"clip{suffix}", [0, 0.1], codec=codec, title="MXnchen", size=(64, 48))
    data = path.read_bytes()
    assert b"MXnchen" in data
    path.write_bytes(data.replace(b"MXnchen", b"M\xfcnchen"))
    assert len(read_frames(path)) == 2


def joined(path: Path, *parts: Path) -> Path:
    """Write files one after the other, as recorders do; returns the path."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("starts", [(0, 0), (50, 2), (2, 50), (100, 0), (0, 90_000)], ids=str)
def test_joined_transport_streams_go_on_from_the_last_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, starts: tuple[float, float]
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    parts = [
        write_video(
            tmp_path / f"{number}.ts",
            [start + index / RATE for index in range(60)],
            audio="aac",
            audio_times=(start, start + 2),
            size=(64, 48),
        )
        for number, start in enumerate(starts)
    ]
    with VideoSource(joined(tmp_path / "joined.ts", *parts)) as source:
        times = [frame.time for frame in source]
    assert len(times) == 120
    steps = np.diff(times)
    assert (steps > 0).all()
    assert np.delete(steps, 59) == pytest.approx(1 / RATE, abs=1e-3)
    assert steps[59] == pytest.approx(1 / RATE, abs=0.15)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert caplog.messages[0].endswith(
        "joined.ts: its clock jumps, as in joined recordings; the time goes on without a gap."
    )


def test_a_long_picture_in_an_ordinary_file_is_no_jump(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = read_frames(write_video(tmp_path / "slides.mkv", [0, 7200, 7201]))
    assert [frame.time for frame in frames] == [0, 7200, 7201]
    assert caplog.messages == []


def test_times_never_go_back(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = VideoSource._decoded

    def out_of_order(source: VideoSource) -> Iterator[av.VideoFrame]:
        for index, frame in enumerate(decode(source)):
            if index == 30 and frame.pts is not None:
                frame.pts -= 1 << 16
            yield frame

    monkeypatch.setattr(VideoSource, "_decoded", out_of_order)
    times = [frame.time for frame in read_frames(clip)]
    assert times == sorted(times)


def test_a_video_whose_codec_nobody_knows(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", [0, 0.1], codec="mpeg4", size=(64, 48))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQQQ"))
    with pytest.raises(SourceError, match="FFmpeg does not know how its pictures are compressed"):
        VideoSource(path)


def test_pictures_that_are_too_large_are_refused(clip: Path) -> None:
    with VideoSource(clip, max_pixels=WIDTH * HEIGHT) as source:
        assert len(list(source)) == 60
    with pytest.raises(SourceError) as error:
        VideoSource(clip, max_pixels=WIDTH * HEIGHT - 1)
    assert str(error.value) == f"{clip} has pictures of 320×240 pixels; `max_pixels` allows 76799 pixels."


def test_a_header_that_claims_years_for_a_picture_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "years.avi", [index / 25 for index in range(6)], codec="mpeg4")
    data = bytearray(path.read_bytes())
    header = data.index(b"strh") + 8  # the stream's header of AVI: at 20 its scale, at 24 its rate
    data[header + 20 : header + 28] = (533_515_469).to_bytes(4, "little") + (2).to_bytes(4, "little")
    path.write_bytes(data)
    with VideoSource(path) as source:
        assert source.fps is None
        times = [frame.time for frame in source]
    assert len(times) >= 5
    assert times == pytest.approx([index / 30 for index in range(len(times))])


def test_a_stream_that_begins_in_the_middle_does_not_end_the_run() -> None:
    class Container:
        """As PyAV's, which at the end looks for a stream that was not there when it was opened."""

        def demux(self, *streams: Any) -> Iterator[Any]:
            yield from ("first", "last")
            raise IndexError("list index out of range")

    packets: list[Any] = list(demuxed(cast("InputContainer", Container())))
    assert packets == ["first", "last"]
