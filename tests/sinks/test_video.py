"""VideoSink: every video that it writes is read back."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sinks import open_sink
from emotion_cam.sinks.sound import Sound
from emotion_cam.sinks.video import VideoSink, _VideoFile
from emotion_cam.sources.video import VideoSource
from tests.builders import copy_video, file_names, picture, read_frames, result, write_video


def audio(path: Path) -> list[tuple[Fraction, bytes]]:
    """The start and the content of each audio packet."""
    with av.open(str(path)) as file:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in file.demux(audio=0)
            if packet.pts is not None and packet.time_base is not None
        ]


def seconds(path: Path, kind: str = "video") -> float:
    """The length of a stream that the file declares."""
    with av.open(str(path)) as file:
        (stream,) = file.streams.get(**{kind: 0})
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)


def test_a_video_keeps_times_length_and_audio(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    with VideoSource(clip) as source, open_sink(path, source) as sink:
        times = copy_video(source, sink)
        assert file_names(tmp_path) != ["copy.mp4"]  # not before it is complete
    assert file_names(tmp_path) == ["copy.mp4"]
    assert sink.output == path

    frames = read_frames(path)
    assert [frame.time for frame in frames] == times
    assert len(times) == 60
    assert np.abs(frames[30].image.astype(int) - picture(30)).mean() < 4
    assert seconds(path) == pytest.approx(seconds(clip), abs=0.001)
    assert audio(path) == audio(clip)  # every packet at its own time, also after the last picture
    assert seconds(path, "audio") == pytest.approx(seconds(clip, "audio"), abs=0.01)


def test_a_video_can_be_played_before_it_is_loaded(clip: Path, tmp_path: Path) -> None:
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    data = (tmp_path / "copy.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_audio_is_stored_beside_its_pictures(tmp_path: Path) -> None:
    times = [index / 2 for index in range(40)]  # longer than FFmpeg itself waits for audio
    clip = write_video(tmp_path / "clip.mp4", times, audio="aac", audio_times=(0, 20), size=(64, 48))
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mkv", source) as sink:
        copy_video(source, sink)
    latest = {"video": 0.0, "audio": 0.0}
    with av.open(str(tmp_path / "copy.mkv")) as file:
        for packet in file.demux():
            if packet.pts is not None and packet.time_base is not None:
                latest[packet.stream.type] = float(packet.pts * packet.time_base)
                assert abs(latest["audio"] - latest["video"]) < 0.6
    assert latest["audio"] > 19.9


def test_variable_rate_is_kept(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.13, 0.5, 0.9, 1.0, 1.7]
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"slow{suffix}"
        with VideoSink(path, fps=10) as sink:
            for index, time in enumerate(times):
                sink.write(result(index, time))
        assert [frame.time for frame in read_frames(path)] == pytest.approx(times, abs=1e-9)
        with av.open(str(path)) as file:
            assert file.duration == pytest.approx(1_800_000, abs=2000)  # the last frame lasts a nominal one
    assert seconds(tmp_path / "slow.mp4") == pytest.approx(1.8)


@pytest.mark.parametrize("step", [1 / 1000, 1001 / 24000, 1001 / 30000, 1 / 25, 123 / 90000])
def test_the_times_of_common_clocks_are_kept_exactly(tmp_path: Path, step: float) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=1 / step) as sink:
        for index in range(5):
            sink.write(result(index, index * step, image=picture(index, 64, 48)))
    assert [frame.time for frame in read_frames(tmp_path / "a.mp4")] == pytest.approx(
        [i * step for i in range(5)], abs=1e-9
    )


def test_times_that_do_not_increase_are_moved_by_a_tick(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=None) as sink:
        for index, time in enumerate([0.0, 0.0, 0.5, 0.4, 1.0]):
            sink.write(result(index, time))
    times = [frame.time for frame in read_frames(tmp_path / "a.mp4")]
    assert times == pytest.approx([0, 0, 0.5, 0.5, 1.0], abs=1e-4)
    assert sorted(set(times)) == times


def test_a_live_recording_starts_at_its_first_frame(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30, live=True) as sink:
        for index, time in enumerate([3.5, 3.6, 3.9]):
            sink.write(result(index, time))
    assert [frame.time for frame in read_frames(tmp_path / "a.mp4")] == pytest.approx([0, 0.1, 0.4])
    assert seconds(tmp_path / "a.mp4") == pytest.approx(0.4 + 1 / 30, abs=1e-4)
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.start_time == 0


def test_audio_that_a_format_does_not_take_is_encoded(tmp_path: Path) -> None:
    source_path = write_video(tmp_path / "clip.mkv", audio="pcm_s16le", audio_times=(0, 2.5))
    for suffix, codec in ((".mp4", "aac"), (".mkv", "pcm_s16le")):
        path = tmp_path / f"copy{suffix}"
        with VideoSource(source_path) as source, open_sink(path, source) as sink:
            copy_video(source, sink)
        with av.open(str(path)) as file:
            assert file.streams.audio[0].codec_context.name == codec
            samples = [frame.to_ndarray() for frame in file.decode(audio=0)]
        assert sum(block.shape[-1] for block in samples) / 48000 == pytest.approx(2.5, rel=0.05) or codec != "aac"
    assert audio(tmp_path / "copy.mkv") == audio(source_path)


@pytest.mark.parametrize("codec", ["mp3", "libopus", "ac3", "flac"])
def test_audio_that_mp4_takes_is_copied(tmp_path: Path, codec: str) -> None:
    source_path = write_video(tmp_path / "clip.mkv", [0, 0.1, 0.2], audio=codec, audio_times=(0, 0.3))
    with VideoSource(source_path) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    assert [data for _, data in audio(tmp_path / "copy.mp4")] == [data for _, data in audio(source_path)]


def test_audio_stays_in_sync_when_the_clock_does_not_start_at_0(tmp_path: Path) -> None:
    source_path = write_video(tmp_path / "late.mkv", [5.5, 5.6], audio="flac", audio_times=(5.0, 6.0))
    with VideoSource(source_path) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    assert read_frames(tmp_path / "copy.mp4")[0].time == pytest.approx(0.5)
    assert float(audio(tmp_path / "copy.mp4")[0][0]) == 0


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, None], ids=["Ctrl-C", "q in the window"])
def test_audio_and_pictures_end_together_when_a_run_is_stopped(
    clip: Path, tmp_path: Path, interrupt: type[BaseException] | None
) -> None:
    path = tmp_path / "copy.mp4"

    def run() -> None:
        with VideoSource(clip) as source, open_sink(path, source) as sink:
            copy_video(source, sink, frames=30)
            if interrupt:
                raise interrupt

    if interrupt:
        with pytest.raises(interrupt):
            run()
    else:
        run()
    assert file_names(tmp_path) == ["copy.mp4"]
    assert len(read_frames(path)) == 30
    assert seconds(path) == pytest.approx(1)
    assert seconds(path, "audio") == pytest.approx(1, abs=0.05)


def test_after_an_error_a_partial_video_can_be_played(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    path.write_bytes(b"an older file")
    with pytest.raises(SourceError, match="lost"), VideoSource(clip) as source, open_sink(path, source) as sink:
        copy_video(source, sink, frames=30)
        raise SourceError("lost")
    assert file_names(tmp_path) == ["copy.mp4", "copy.partial.mp4"]
    assert path.read_bytes() == b"an older file"
    assert sink.output == tmp_path / "copy.partial.mp4"
    assert len(read_frames(sink.output)) == 30


def test_an_older_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    path.write_bytes(b"an older file")
    with VideoSink(path, fps=30) as sink:
        sink.write(result())
        assert path.read_bytes() == b"an older file"
    assert len(read_frames(path)) == 1


@pytest.mark.parametrize("size", [(161, 121), (160, 121), (161, 120)])
def test_odd_sizes_grow_by_a_repeated_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    image = picture(20, *size)
    with VideoSink(tmp_path / "odd.mp4", fps=30) as sink:
        sink.write(result(image=image))
    (frame,) = read_frames(tmp_path / "odd.mp4")
    expected = np.pad(image, ((0, size[1] % 2), (0, size[0] % 2), (0, 0)), mode="edge")
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 4
    assert np.abs(frame.image[-1].astype(int) - expected[-1]).mean() < 8
    assert np.abs(frame.image[:, -1].astype(int) - expected[:, -1]).mean() < 8


def test_later_frames_of_another_size_are_stretched(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30) as sink:
        sink.write(result(0, 0.0))
        sink.write(result(1, 0.1, image=picture(1, 160, 90)))
    frames = read_frames(tmp_path / "a.mp4")
    assert [frame.image.shape for frame in frames] == [(240, 320, 3)] * 2
    assert np.abs(frames[1].image.astype(int) - picture(1)).mean() < 5


@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 130, 200)], ids=str
)
def test_colors_do_not_shift(tmp_path: Path, color: tuple[int, int, int]) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30) as sink:
        sink.write(result(image=np.full((48, 64, 3), color, np.uint8)))
    (frame,) = read_frames(tmp_path / "a.mp4")
    assert np.abs(frame.image.astype(int) - color).max() <= 5
    with av.open(str(tmp_path / "a.mp4")) as file:
        tags = file.streams.video[0].codec_context
        assert (tags.colorspace, tags.color_primaries, tags.color_trc, tags.color_range) == (1, 1, 1, 1)


# Gaps, and sound that is damaged


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("gap", [6000, 50_000])
def test_a_recording_keeps_its_times_over_a_gap_of_hours(tmp_path: Path, suffix: str, gap: int) -> None:
    path = tmp_path / f"gap{suffix}"
    with VideoSink(path, fps=25, live=True) as sink:
        for index, time in enumerate([0, 0.04, gap, gap + 1]):
            sink.write(result(index, time))
    frames = read_frames(path)
    assert [frame.time for frame in frames if frame.time not in range(1, gap)][:2] == [0, 0.04]
    assert [frame.time for frame in frames[-2:]] == pytest.approx([gap, gap + 1])
    # MP4 cannot store such a gap: the last picture is repeated every hour.
    repeated = [frame for frame in frames if 0.04 < frame.time < gap]
    assert len(repeated) == gap // 3600
    for frame in repeated:
        assert np.abs(frame.image.astype(int) - picture(1)).mean() < 4


def damaged(path: Path, seed: int) -> Path:
    """A copy of a video with a wrong byte in the header of one of its audio packets."""
    random = np.random.default_rng(seed)
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(audio=0) if packet.pos]
    data = bytearray(path.read_bytes())
    data[random.choice(places[1:]) + random.integers(0, 24)] = random.integers(256)
    copy = path.with_name(f"damaged{path.suffix}")
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".ts", "aac"), (".mkv", "eac3"), (".mkv", "ac3"), (".flv", "aac"), (".mp4", "aac")]
)
def test_a_damaged_byte_in_the_sound_costs_no_picture(tmp_path: Path, suffix: str, codec: str, seed: int) -> None:
    whole = write_video(tmp_path / f"whole{suffix}", [index / 10 for index in range(20)], audio=codec, size=(64, 48))
    path = damaged(whole, seed)
    for out in (tmp_path / "copy.mp4", tmp_path / "copy.mkv"):
        with suppress(SourceError), VideoSource(path) as source, open_sink(out, source) as sink:
            copy_video(source, sink)
        assert sink.output is not None
        assert len(read_frames(sink.output)) == len(frames_of(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_which_nothing_is_known_costs_no_picture(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "clip.mpg", [index / 25 for index in range(20)], audio="mp2", size=(64, 48))
    content = path.read_bytes()
    assert b"\xff\xfd" in content
    path.write_bytes(content.replace(b"\xff\xfd", b"\0\0"))  # what each packet of the sound begins with
    with VideoSource(path) as source, open_sink(tmp_path / f"copy{suffix}", source) as sink:
        copy_video(source, sink)
    assert len(read_frames(tmp_path / f"copy{suffix}")) == len(frames_of(path)) > 0
    assert sum("there is no sound from 0.0 seconds on" in message for message in caplog.messages) <= 1


def frames_of(path: Path) -> list[float]:
    """The times of the frames of a video that may be damaged."""
    times = []
    with suppress(SourceError), VideoSource(path) as source:
        for frame in source:
            times.append(frame.time)  # noqa: PERF401 - what comes before an error counts
    return times


def test_sound_that_a_file_refuses_is_left_out_and_logged_once(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = _VideoFile._write

    def refuse(file: _VideoFile, packet: av.Packet[av.stream.Stream]) -> None:
        with file._sound_errors():
            if packet.stream.type == "audio" and packet.pts is not None and packet.pts > 24_000:
                raise av.error.InvalidDataError(1094995529, "Invalid data found when processing input")
            write(file, packet)

    monkeypatch.setattr(_VideoFile, "_write", refuse)
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    assert len(read_frames(tmp_path / "copy.mp4")) == 60
    assert seconds(tmp_path / "copy.mp4", "audio") == pytest.approx(0.5, abs=0.05)
    (message,) = caplog.messages
    assert re.fullmatch(r"clip\.mp4: there is no sound from 0\.\d seconds on: Invalid data found .*\.", message)


def test_a_full_disk_is_not_blamed_on_the_sound(tmp_path: Path, clip: Path) -> None:
    with VideoSource(clip) as source:
        audio = source.audio()
        assert audio is not None
        sound = Sound(source, audio)
        with pytest.raises(OSError, match="No space"):
            sound.drop(OSError(28, "No space left on device"))
        audio.close()


def test_sound_that_begins_late_keeps_its_time_and_holds_nothing_back(tmp_path: Path) -> None:
    times = [index / 10 for index in range(100)]
    clip = write_video(tmp_path / "clip.mkv", times, audio="aac", audio_times=(8, 9), size=(64, 48))
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    assert audio(tmp_path / "copy.mp4")[0][0] == pytest.approx(audio(clip)[0][0], abs=1e-3)
    assert [frame.time for frame in read_frames(tmp_path / "copy.mp4")] == pytest.approx(times)


def test_joined_recordings_keep_their_sound_beside_their_pictures(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", audio="aac", audio_times=(0, 2), size=(64, 48))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 3)
    with VideoSource(joined) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy_video(source, sink)
    path = tmp_path / "copy.mp4"
    assert len(read_frames(path)) == 180
    assert seconds(path) == pytest.approx(6, abs=0.3)
    assert seconds(path, "audio") == pytest.approx(6, abs=0.3)
    starts = [float(time) for time, _ in audio(path)]
    assert np.diff(starts).max() < 0.2


@pytest.mark.parametrize("fps", [1 / 7200, 1, 240, 1000])
def test_slow_and_fast_videos(tmp_path: Path, fps: float) -> None:
    times = [index / fps for index in range(10 if fps > 0.1 else 2)]
    with VideoSink(tmp_path / "a.mp4", fps=fps) as sink:
        for index, time in enumerate(times):
            sink.write(result(index, time))
    stored = [frame.time for frame in read_frames(tmp_path / "a.mp4")]
    assert [stored[0], stored[-1]] == pytest.approx([times[0], times[-1]], abs=1e-6)
    assert set(np.round(times, 6)) <= set(np.round(stored, 6))
    assert seconds(tmp_path / "a.mp4") == pytest.approx(times[-1] + min(1 / fps, 1001), abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (7680, 4320)], ids=str)
def test_small_and_large_videos(tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30) as sink:
        for index in range(2):
            sink.write(result(index, index / 30, image=np.full((size[1], size[0], 3), 90, np.uint8)))
    frames = read_frames(tmp_path / "a.mp4")
    assert [frame.image.shape for frame in frames] == [(size[1] + size[1] % 2, size[0] + size[0] % 2, 3)] * 2
