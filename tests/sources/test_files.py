"""Videos and pictures are made here and then spoilt."""

from __future__ import annotations

import itertools
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer

from emotion_cam.errors import SourceError
from emotion_cam.sources import ImageSource, VideoSource, open_source
from emotion_cam.sources import video as video_module
from emotion_cam.types import Frame, Image

WIDTH, HEIGHT, RATE = 320, 240, 30


def picture(index: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Blue on red, with a white top left corner, and brighter with every index."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 40 + 3 * index
    image[:, width // 2 :, 2] = 40 + 3 * index
    image[: height // 4, : width // 4] = 255
    return image


def write_video(
    path: Path,
    times: Sequence[float] = tuple(index / RATE for index in range(60)),
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = None,
    audio_times: tuple[float, float] = (0.0, 2.0),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict[str, str] | None = None,
) -> Path:
    """A video with a picture at each of ``times``, and with a tone from one time to another."""
    rate = 48_000
    with av.open(str(path), "w", container_options=options or {}) as file:
        video = file.add_stream(codec, RATE)
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        coarse = codec in ("gif", "mpeg4")  # whose clocks are slow
        clock = Fraction(1, 100 if codec == "gif" else RATE if coarse else 90_000)
        video.codec_context.time_base = clock
        sound = file.add_stream(audio, rate) if audio else None
        packets = []
        for index, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="bgr24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(seconds / clock), clock
            packets += video.encode(frame)
        packets += video.encode(None)
        if sound is not None:
            samples = np.arange(round(audio_times[0] * rate), round(audio_times[1] * rate))
            tone = (np.sin(samples * 0.06) * 8000).astype(np.int16)
            for begin in range(0, len(tone), 1024):
                chunk = np.repeat(tone[begin : begin + 1024], 2)[None]
                frame = av.AudioFrame.from_ndarray(chunk, format="s16", layout="stereo")
                frame.rate, frame.pts, frame.time_base = rate, int(samples[begin]), Fraction(1, rate)
                packets += sound.encode(frame)
            packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.duration = packet.duration or round(1 / RATE / packet.time_base)
            file.mux(packet)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with sound, and with the index in front, so that it opens even when cut off."""
    folder = tmp_path_factory.mktemp("clips")
    return write_video(folder / "clip.mp4", audio="aac", options={"movflags": "+faststart"})


def read(path: Path) -> list[Frame]:
    with VideoSource(path) as source:
        return list(source)


def read_until_error(path: Path) -> tuple[list[Frame], str]:
    frames = []
    with VideoSource(path) as source, pytest.raises(SourceError) as error:
        frames += source  # keeps what came before the error
        for frame in source:
            frames.append(frame)
    return frames, str(error.value)


# Videos


def test_video_tells_what_it_is_and_gives_every_frame(clip: Path) -> None:
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
    frames = read(write_video(tmp_path / "slow.mp4", times))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-9)


def test_time_starts_where_the_container_starts(tmp_path: Path) -> None:
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
    assert [frame.time for frame in read(clip)] == pytest.approx([index / RATE for index in range(60)])


@pytest.mark.parametrize(
    ("matrix", "corner", "size"),
    [
        ((0, 1, -1, 0), (0, -1), (HEIGHT, WIDTH)),  # a telephone held upright
        ((-1, 0, 0, -1), (-1, -1), (WIDTH, HEIGHT)),
        ((0, -1, 1, 0), (-1, 0), (HEIGHT, WIDTH)),
    ],
    ids=["right", "upside-down", "left"],
)
def test_rotation_tags_are_obeyed(
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
def test_kinds_of_video(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    times = [index / 10 for index in range(10)]
    frames = read(write_video(tmp_path / name, times, codec=codec, pix_fmt=pix_fmt, size=(64, 48)))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.001)
    assert frames[0].image.shape == (48, 64, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="no file may have such a name")
def test_a_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "http:é.mp4", [0])
    assert len(read(Path("http:é.mp4"))) == 1


@pytest.mark.parametrize("seconds", [0.4, 4.0])
def test_sound_of_another_length_is_no_damage(tmp_path: Path, seconds: float) -> None:
    path = write_video(tmp_path / "clip.mkv", audio="pcm_s16le", audio_times=(0, seconds))
    assert len(read(path)) == 60


# Damage


def cut(path: Path, target: Path, share: float) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: round(len(data) * share)])
    return target


def test_a_video_cut_off_gives_its_good_frames_then_says_so(clip: Path, tmp_path: Path) -> None:
    path = cut(clip, tmp_path / "cut.mp4", 0.6)
    frames, message = read_until_error(path)
    assert 20 < len(frames) < 60
    told = re.fullmatch(rf"{path} is damaged or cut off: it ends after (\d\.\d) of 2\.0 seconds\.", message)
    assert told
    assert float(told[1]) == pytest.approx(frames[-1].time, abs=0.1)


def test_matroska_cut_off(tmp_path: Path) -> None:
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


class Torn:
    """A container that cannot be read on after so many packets."""

    def __init__(self, container: InputContainer, packets: int) -> None:
        self._container = container
        self._packets = packets

    def __getattr__(self, name: str) -> object:
        return getattr(self._container, name)

    def demux(self) -> Iterator[av.Packet[av.stream.Stream]]:
        yield from itertools.islice(self._container.demux(), self._packets)
        raise av.error.OSError(5, "Input/output error")


def test_a_disk_that_fails_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4")
    whole = video_module._open_video
    monkeypatch.setattr(video_module, "_open_video", lambda path: Torn(whole(path), 30))
    frames, message = read_until_error(path)
    assert len(frames) == 30  # with those that the decoder still held
    assert message == f"{path} is damaged or cut off: it ends after 1.0 of 2.0 seconds."


def test_a_video_with_a_hole_gives_what_follows_too(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "hole.mp4"
    data = bytearray(clip.read_bytes())
    half = len(data) // 2
    data[half : half + 2000] = bytes(2000)
    path.write_bytes(data)
    frames, message = read_until_error(path)
    assert frames[-1].time == 59 / RATE
    assert message.startswith(f"{path} is damaged: ")
    assert message.endswith(" of its pictures cannot be decoded.")


# What is no video


def write_song(path: Path) -> None:
    write_video(path.with_suffix(".mkv"), audio="mp3")
    with av.open(str(path.with_suffix(".mkv"))) as video, av.open(str(path), "w") as song:
        stream = song.add_stream_from_template(video.streams.audio[0])
        for packet in video.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                song.mux(packet)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (lambda path: None, "There is no file {}."),
    "empty.mp4": (lambda path: path.touch(), "{} is empty."),
    "folder.mp4": (lambda path: path.mkdir(), "{} is a folder, not a video; pictures in a folder are for --image."),
    "text.mp4": (
        lambda path: path.write_text("hello\n" * 100),
        "{} cannot be opened as a video: it is something else, damaged or cut off.",
    ),
    "notes.txt": (lambda path: path.write_text("hello\n" * 100), "{} is not a video but a text."),
    "photo.jpg": (
        lambda path: cv2.imwrite(str(path), picture()),
        "{} is not a video but a picture: use --image.",
    ),
    "renamed.mp4": (
        lambda path: path.write_bytes(cv2.imencode(".png", picture())[1].tobytes()),
        "{} is not a video but a picture: use --image.",
    ),
    "song.mp3": (write_song, "{} has no pictures in it, only sound or other data."),
    "cut.mp4": (
        lambda path: cut(write_video(path.with_name("whole.mp4")), path, 0.9),  # the index was at the end
        "{} cannot be opened as a video: it is something else, damaged or cut off.",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_no_video_is_told_of_in_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    spoil, message = SPOILT[name]
    spoil(path)
    with pytest.raises(SourceError) as error:
        VideoSource(path)
    assert str(error.value) == message.format(path)


@pytest.mark.parametrize("kind", [VideoSource, ImageSource])
def test_a_file_that_may_not_be_read(
    clip: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], object]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(SourceError, match=r"clip\.mp4 cannot be read: Permission denied\.$"):
        kind(clip)


# Pictures


def test_a_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    source = ImageSource(tmp_path / "photo.png")
    (frame,) = source
    np.testing.assert_array_equal(frame.image, picture())
    assert (frame.index, frame.time, frame.source) == (0, 0.0, "photo.png")
    assert (source.frame_count, source.folder, source.ended) == (1, False, True)


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    for name in ("face10.png", "face2.png", "Face1.PNG", "a.webp", ".hidden.png"):
        (tmp_path / name).write_bytes(cv2.imencode(Path(name).suffix, picture())[1].tobytes())
    (tmp_path / "notes.txt").write_text("no picture")
    source = ImageSource(tmp_path)
    assert (source.frame_count, source.folder) == (4, True)
    assert [(frame.index, frame.source) for frame in source] == [
        (0, "a.webp"),
        (1, "Face1.PNG"),
        (2, "face2.png"),
        (3, "face10.png"),
    ]


@pytest.mark.parametrize(
    "stored",
    [
        np.full((20, 30), 90, np.uint8),
        np.full((20, 30, 4), (90, 90, 90, 128), np.uint8),
        np.full((20, 30), 90 * 257, np.uint16),
    ],
    ids=["grey", "transparent", "16 bits"],
)
def test_every_picture_becomes_bgr(tmp_path: Path, stored: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), stored)
    (frame,) = ImageSource(tmp_path / "picture.png")
    np.testing.assert_array_equal(frame.image, np.full((20, 30, 3), 90, np.uint8))


def test_exif_rotation_is_obeyed(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    turned_right = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + turned_right
    tagged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    (tmp_path / "photo.jpg").write_bytes(tagged)
    (frame,) = ImageSource(tmp_path / "photo.jpg")
    assert frame.image.shape == (WIDTH, HEIGHT, 3)
    assert frame.image[0, -1].min() > 240


def test_a_bad_picture_raises_when_it_is_reached(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    (tmp_path / "2.png").write_text("no picture")
    frames = iter(ImageSource(tmp_path))
    assert next(frames).source == "1.png"
    with pytest.raises(SourceError, match=r"2\.png is not a picture that can be read"):
        next(frames)


def test_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^The folder .* holds no pictures \(\.jpg \.jpeg "):
        ImageSource(tmp_path)
    with pytest.raises(SourceError, match=r"^There is no file .*missing\.png\.$"):
        ImageSource(tmp_path / "missing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(SourceError, match=r"empty\.png is empty\.$"):
        ImageSource(tmp_path / "empty.png")


# open_source


def test_open_source_chooses(clip: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    with open_source(video=clip) as video, open_source(image=str(tmp_path / "photo.png")) as image:
        assert isinstance(video, VideoSource)
        assert isinstance(image, ImageSource)


@pytest.mark.parametrize("given", [{}, {"camera": 0, "video": "clip.mp4"}, {"video": "a", "image": "b"}])
def test_open_source_takes_exactly_one(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        open_source(**given)  # type: ignore[arg-type]
