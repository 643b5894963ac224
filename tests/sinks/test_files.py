"""Everything that is written is read again."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from emotion_cam.errors import SinkError, SourceError
from emotion_cam.sinks import (
    CsvSink,
    FileSink,
    FolderSink,
    ImageSink,
    JsonlSink,
    ReportSink,
    Sink,
    StdoutSink,
    VideoSink,
    open_sink,
)
from emotion_cam.sources import ImageSource, Source, VideoSource
from emotion_cam.types import Box, Face, Frame, Image, Prediction, Result
from tests.sources.test_files import picture, write_video


def result(
    index: int = 0,
    time: float = 0.0,
    *,
    image: Image | None = None,
    faces: Sequence[Face] = (),
    source: str = "clip.mp4",
) -> Result:
    """A result whose annotation is the picture itself."""
    frame = Frame(picture(index) if image is None else image, index, time, source)
    return Result(frame, tuple(faces), lambda image, _: image.copy())


def prediction(**scores: float) -> Prediction:
    return Prediction(tuple(scores), np.array(list(scores.values()), np.float32))


FACES = (
    Face(
        Box(10, 20, 30, 44),
        {"emotion": prediction(happy=0.75, sad=0.25), "gender": prediction(man=0.125, woman=0.875)},
        track=7,
    ),
    Face(Box(50, 60, 70, 84)),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of pictures, and half a second more of sound."""
    return write_video(tmp_path_factory.mktemp("clips") / "clip.mp4", audio="aac", audio_times=(0, 2.5))


def copy(source: VideoSource, sink: Sink, frames: int | None = None) -> list[float]:
    """Write the frames of a source as they are, or so many of them; returns their times."""
    times = []
    for frame in source:
        sink.write(Result(frame, (), lambda image, _: image.copy()))
        times.append(frame.time)
        if len(times) == frames:
            break
    return times


def read(path: Path) -> list[Frame]:
    with VideoSource(path) as source:
        return list(source)


def sound(path: Path) -> list[tuple[Fraction, bytes]]:
    """When each packet of sound begins, and what is in it."""
    with av.open(str(path)) as file:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in file.demux(audio=0)
            if packet.pts is not None and packet.time_base is not None
        ]


def seconds(path: Path, kind: str = "video") -> float:
    """How long a stream lasts as the file declares it."""
    with av.open(str(path)) as file:
        (stream,) = file.streams.get(**{kind: 0})
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Videos


def test_a_video_keeps_times_length_and_sound(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    with VideoSource(clip) as source, open_sink(path, source) as sink:
        times = copy(source, sink)
        assert names(tmp_path) != ["copy.mp4"]  # not before it is whole
    assert names(tmp_path) == ["copy.mp4"]
    assert sink.kept == path

    frames = read(path)
    assert [frame.time for frame in frames] == times
    assert len(times) == 60
    assert np.abs(frames[30].image.astype(int) - picture(30)).mean() < 4
    assert seconds(path) == pytest.approx(seconds(clip), abs=0.001)
    assert sound(path) == sound(clip)  # every packet, when it was, though there are more than pictures
    assert seconds(path, "audio") == pytest.approx(seconds(clip, "audio"), abs=0.01)


def test_a_video_can_be_played_before_it_is_loaded(clip: Path, tmp_path: Path) -> None:
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy(source, sink)
    data = (tmp_path / "copy.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_sound_lies_beside_its_pictures(tmp_path: Path) -> None:
    times = [index / 2 for index in range(40)]  # longer than FFmpeg would wait for the sound by itself
    clip = write_video(tmp_path / "clip.mp4", times, audio="aac", audio_times=(0, 20), size=(64, 48))
    with VideoSource(clip) as source, open_sink(tmp_path / "copy.mkv", source) as sink:
        copy(source, sink)
    seen = {"video": 0.0, "audio": 0.0}
    with av.open(str(tmp_path / "copy.mkv")) as file:
        for packet in file.demux():
            if packet.pts is not None and packet.time_base is not None:
                seen[packet.stream.type] = float(packet.pts * packet.time_base)
                assert abs(seen["audio"] - seen["video"]) < 0.6
    assert seen["audio"] > 19.9


def test_variable_rate_is_kept(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.13, 0.5, 0.9, 1.0, 1.7]
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"slow{suffix}"
        with VideoSink(path, fps=10) as sink:
            for index, time in enumerate(times):
                sink.write(result(index, time))
        assert [frame.time for frame in read(path)] == pytest.approx(times, abs=1e-9)
        with av.open(str(path)) as file:
            assert file.duration == pytest.approx(1_800_000, abs=2000)  # the last frame lasts a nominal one
    assert seconds(tmp_path / "slow.mp4") == pytest.approx(1.8)


@pytest.mark.parametrize("step", [1 / 1000, 1001 / 24000, 1001 / 30000, 1 / 25, 123 / 90000])
def test_the_times_of_usual_clocks_are_kept_exactly(tmp_path: Path, step: float) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=1 / step) as sink:
        for index in range(5):
            sink.write(result(index, index * step, image=picture(index, 64, 48)))
    assert [frame.time for frame in read(tmp_path / "a.mp4")] == pytest.approx([i * step for i in range(5)], abs=1e-9)


def test_times_that_stand_still_go_on_by_a_tick(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=None) as sink:
        for index, time in enumerate([0.0, 0.0, 0.5, 0.4, 1.0]):
            sink.write(result(index, time))
    times = [frame.time for frame in read(tmp_path / "a.mp4")]
    assert times == pytest.approx([0, 0, 0.5, 0.5, 1.0], abs=1e-4)
    assert sorted(set(times)) == times


def test_a_live_recording_starts_at_its_first_frame(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30, live=True) as sink:
        for index, time in enumerate([3.5, 3.6, 3.9]):
            sink.write(result(index, time))
    assert [frame.time for frame in read(tmp_path / "a.mp4")] == pytest.approx([0, 0.1, 0.4])
    assert seconds(tmp_path / "a.mp4") == pytest.approx(0.4 + 1 / 30, abs=1e-4)
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.start_time == 0


def test_sound_that_a_file_does_not_take_is_encoded_anew(tmp_path: Path) -> None:
    source_path = write_video(tmp_path / "clip.mkv", audio="pcm_s16le", audio_times=(0, 2.5))
    for suffix, codec in ((".mp4", "aac"), (".mkv", "pcm_s16le")):
        path = tmp_path / f"copy{suffix}"
        with VideoSource(source_path) as source, open_sink(path, source) as sink:
            copy(source, sink)
        with av.open(str(path)) as file:
            assert file.streams.audio[0].codec_context.name == codec
            samples = [frame.to_ndarray() for frame in file.decode(audio=0)]
        assert sum(block.shape[-1] for block in samples) / 48000 == pytest.approx(2.5, rel=0.05) or codec != "aac"
    assert sound(tmp_path / "copy.mkv") == sound(source_path)


@pytest.mark.parametrize("codec", ["mp3", "libopus", "ac3", "flac"])
def test_sound_that_mp4_takes_is_copied(tmp_path: Path, codec: str) -> None:
    source_path = write_video(tmp_path / "clip.mkv", [0, 0.1, 0.2], audio=codec, audio_times=(0, 0.3))
    with VideoSource(source_path) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy(source, sink)
    assert [data for _, data in sound(tmp_path / "copy.mp4")] == [data for _, data in sound(source_path)]


def test_sound_stays_in_step_when_the_clock_does_not_start_at_0(tmp_path: Path) -> None:
    source_path = write_video(tmp_path / "late.mkv", [5.5, 5.6], audio="flac", audio_times=(5.0, 6.0))
    with VideoSource(source_path) as source, open_sink(tmp_path / "copy.mp4", source) as sink:
        copy(source, sink)
    assert read(tmp_path / "copy.mp4")[0].time == pytest.approx(0.5)
    assert float(sound(tmp_path / "copy.mp4")[0][0]) == 0


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, None], ids=["Ctrl-C", "q in the window"])
def test_of_a_run_that_is_stopped_sound_and_pictures_end_together(
    clip: Path, tmp_path: Path, interrupt: type[BaseException] | None
) -> None:
    path = tmp_path / "copy.mp4"

    def run() -> None:
        with VideoSource(clip) as source, open_sink(path, source) as sink:
            copy(source, sink, frames=30)
            if interrupt:
                raise interrupt

    if interrupt:
        with pytest.raises(interrupt):
            run()
    else:
        run()
    assert names(tmp_path) == ["copy.mp4"]
    assert len(read(path)) == 30
    assert seconds(path) == pytest.approx(1)
    assert seconds(path, "audio") == pytest.approx(1, abs=0.05)


def test_after_a_failure_what_there_is_can_be_played_under_another_name(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    path.write_bytes(b"an older one")
    with pytest.raises(SourceError, match="lost"), VideoSource(clip) as source, open_sink(path, source) as sink:
        copy(source, sink, frames=30)
        raise SourceError("lost")
    assert names(tmp_path) == ["copy.mp4", "copy.partial.mp4"]
    assert path.read_bytes() == b"an older one"
    assert sink.kept == tmp_path / "copy.partial.mp4"
    assert len(read(sink.kept)) == 30


def test_an_older_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    path.write_bytes(b"an older one")
    with VideoSink(path, fps=30) as sink:
        sink.write(result())
        assert path.read_bytes() == b"an older one"
    assert len(read(path)) == 1


@pytest.mark.parametrize("size", [(161, 121), (160, 121), (161, 120)])
def test_odd_sizes_grow_by_a_repeated_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    image = picture(20, *size)
    with VideoSink(tmp_path / "odd.mp4", fps=30) as sink:
        sink.write(result(image=image))
    (frame,) = read(tmp_path / "odd.mp4")
    expected = np.pad(image, ((0, size[1] % 2), (0, size[0] % 2), (0, 0)), mode="edge")
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 4
    assert np.abs(frame.image[-1].astype(int) - expected[-1]).mean() < 8
    assert np.abs(frame.image[:, -1].astype(int) - expected[:, -1]).mean() < 8


def test_later_frames_of_another_size_are_fitted(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30) as sink:
        sink.write(result(0, 0.0))
        sink.write(result(1, 0.1, image=picture(1, 160, 90)))
    frames = read(tmp_path / "a.mp4")
    assert [frame.image.shape for frame in frames] == [(240, 320, 3)] * 2
    assert np.abs(frames[1].image.astype(int) - picture(1)).mean() < 5


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 130, 200)], ids=str
)
def test_colours_do_not_shift(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    with VideoSink(tmp_path / "a.mp4", fps=30) as sink:
        sink.write(result(image=np.full((48, 64, 3), colour, np.uint8)))
    (frame,) = read(tmp_path / "a.mp4")
    assert np.abs(frame.image.astype(int) - colour).max() <= 5
    with av.open(str(tmp_path / "a.mp4")) as file:
        tags = file.streams.video[0].codec_context
        assert (tags.colorspace, tags.color_primaries, tags.color_trc, tags.color_range) == (1, 1, 1, 1)


# What holds for every file


MAKERS: dict[str, Callable[[Path], FileSink]] = {
    "out.mp4": lambda path: VideoSink(path, fps=30),
    "out.mkv": lambda path: VideoSink(path, fps=30),
    "out.csv": CsvSink,
    "out.jsonl": JsonlSink,
    "out.html": ReportSink,
}
files = pytest.mark.parametrize("name", MAKERS)


@files
def test_without_a_result_nothing_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with MAKERS[name](path) as sink:
        pass
    assert (sink.kept, names(tmp_path)) == (None, [])
    path.write_bytes(b"an older one")
    with pytest.raises(SourceError), MAKERS[name](path):
        raise SourceError("lost")
    assert names(tmp_path) == [name]
    assert path.read_bytes() == b"an older one"


@files
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, BrokenPipeError, SourceError, RuntimeError])
def test_how_a_run_ends_decides_on_the_name(tmp_path: Path, name: str, error: type[BaseException] | None) -> None:
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
        assert run().kept == tmp_path / name
    whole = error in (None, KeyboardInterrupt, BrokenPipeError)
    assert names(tmp_path) == [name if whole else name.replace(".", ".partial.")]


@files
def test_a_place_that_cannot_be_written_to_is_told_of_at_once(tmp_path: Path, name: str) -> None:
    make = MAKERS[name]
    missing = tmp_path / "missing" / name
    with pytest.raises(SinkError) as error:
        make(missing)
    assert str(error.value) == f"{missing} cannot be written: there is no folder {missing.parent}."
    (tmp_path / name).mkdir()
    with pytest.raises(SinkError) as error:
        make(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name} is a folder: give the name of a file."


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
@pytest.mark.parametrize(
    "make", [*MAKERS.values(), lambda path: ImageSink(path, numbered=False), FolderSink], ids=[*MAKERS, "png", "folder"]
)
def test_a_folder_that_cannot_be_written_to(make: Callable[[Path], Sink]) -> None:
    with pytest.raises(SinkError, match=r"^/proc/self/out\.any cannot be written: .+\.$"):
        make(Path("/proc/self/out.any"))


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "out.html"])  # which is written at the end only
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older one")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    with room_for(100_000), pytest.raises(SinkError) as error, MAKERS[name](path) as sink:
        for index in range(2000):
            sink.write(result(index, index / 30, image=noise, faces=FACES))
    assert str(error.value) == f"{path} cannot be written: File too large."
    assert path.read_bytes() == b"an older one"
    assert all(not name.startswith(".") for name in names(tmp_path))


@files
def test_a_disk_that_is_full_only_at_the_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older one")
    with room_for(100), pytest.raises(SinkError) as error, MAKERS[name](path) as sink:
        sink.write(result(faces=FACES))
    assert str(error.value) == f"{path} cannot be written: File too large."
    assert path.read_bytes() == b"an older one"
    assert sink.kept == tmp_path / name.replace(".", ".partial.")


def test_work_is_not_lost_where_the_older_file_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    path = tmp_path / "out.csv"
    with pytest.raises(SinkError) as error, CsvSink(path) as sink:
        sink.write(result())
    assert sink.kept is not None
    assert str(error.value) == f"{path} cannot be replaced: Permission denied; see {sink.kept} instead."
    assert sink.kept.read_text().startswith("source,frame,")


# Tables


def test_csv_has_a_row_for_each_face_task_and_label(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "faces.csv") as sink:
        sink.write(result(3, 0.1000000004, faces=FACES))
        sink.write(result(4, 1 / 3, source="é, 1.png"))
    assert (tmp_path / "faces.csv").read_bytes().decode() == (
        "source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,emotion,happy,0.750000,1\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,emotion,sad,0.250000,0\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,gender,man,0.125000,0\n"
        "clip.mp4,3,0.1,0,7,10,20,30,44,gender,woman,0.875000,1\n"
        "clip.mp4,3,0.1,1,,50,60,70,84,,,,\n"
        '"é, 1.png",4,0.333333,,,,,,,,,,\n'
    )


def test_no_label_is_on_top_where_the_network_is_unsure(tmp_path: Path) -> None:
    unsure = Face(Box(0, 0, 9, 9), {"gender": Prediction(("man", "woman"), np.array([0.45, 0.55], np.float32), 0.6)})
    with CsvSink(tmp_path / "faces.csv") as table, JsonlSink(tmp_path / "faces.jsonl") as lines:
        for sink in (table, lines):
            sink.write(result(faces=(unsure,)))
    assert [row.split(",")[-1] for row in (tmp_path / "faces.csv").read_text().splitlines()[1:]] == ["0", "0"]
    told = json.loads((tmp_path / "faces.jsonl").read_text())["faces"][0]["predictions"]["gender"]
    assert (told["label"], told["score"]) == ("unsure", 0.55)


def test_jsonl_has_an_object_for_each_frame(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "faces.jsonl") as sink:
        sink.write(result(3, 0.1000000004, faces=FACES))
        sink.write(result(4, 1 / 3, source="é.png"))
    lines = (tmp_path / "faces.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:2]] == [
        {
            "source": "clip.mp4",
            "frame": 3,
            "time": 0.1,
            "faces": [
                {
                    "face": 0,
                    "track": 7,
                    "box": [10, 20, 30, 44],
                    "predictions": {
                        "emotion": {"label": "happy", "score": 0.75, "scores": {"happy": 0.75, "sad": 0.25}},
                        "gender": {"label": "woman", "score": 0.875, "scores": {"man": 0.125, "woman": 0.875}},
                    },
                },
                {"face": 1, "track": None, "box": [50, 60, 70, 84], "predictions": {}},
            ],
        },
        {"source": "é.png", "frame": 4, "time": 0.333333, "faces": []},
    ]
    assert lines[2:] == [""]
    assert "é" in lines[1]


@pytest.mark.parametrize("make", [CsvSink, JsonlSink])
def test_a_name_that_is_no_text_can_be_told(tmp_path: Path, make: Callable[[Path], Sink]) -> None:
    with make(tmp_path / "faces") as sink:
        sink.write(result(source=os.fsdecode(b"\xff.png")))
    assert "\\udcff.png" in (tmp_path / "faces").read_text("utf-8")


def test_a_table_needs_no_drawing(tmp_path: Path) -> None:
    def draw(image: Image, faces: Sequence[Face]) -> Image:
        raise AssertionError

    with CsvSink(tmp_path / "a.csv") as table, JsonlSink(tmp_path / "a.jsonl") as lines:
        for sink in (table, lines):
            sink.write(Result(result().frame, FACES, draw))


@pytest.mark.skipif(not hasattr(select, "poll"), reason="needs pipes that can be looked into")
def test_standard_output_has_every_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout, os.fdopen(reading, "rb", buffering=0) as pipe:
        monkeypatch.setattr("sys.stdout", stdout)
        with StdoutSink() as sink:
            for index in range(3):
                sink.write(result(index, source=os.fsdecode(b"\xff.png")))
                assert select.select([pipe], [], [], 0)[0], "nothing has come"
                line = pipe.read(1000)
                assert line.endswith(b"\n")
                assert json.loads(line)["frame"] == index
        assert sink.kept is None


def test_there_may_be_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as under pythonw
    with pytest.raises(SinkError, match="no standard output"):
        StdoutSink()


# Pictures


def test_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    with ImageSink(path, numbered=False) as sink:
        assert sink.kept is None
        sink.write(result())
    np.testing.assert_array_equal(cv2.imread(str(path)), picture())
    assert (sink.kept, names(tmp_path)) == (path, ["out.png"])


def test_jpeg_quality(tmp_path: Path) -> None:
    with ImageSink(tmp_path / "out.JPG", numbered=False) as sink:
        sink.write(result())
    expected = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    assert (tmp_path / "out.JPG").read_bytes() == expected


def test_several_pictures_are_numbered_by_frame(tmp_path: Path) -> None:
    with ImageSink(tmp_path / "out.png", numbered=True) as sink:
        for index in (0, 12):
            sink.write(result(index))
    assert names(tmp_path) == ["out-000000.png", "out-000012.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out-000012.png")), picture(12))
    assert sink.kept == tmp_path / "out-*.png"


def test_a_picture_that_cannot_be_written_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"an older one")

    def fail(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(SinkError) as error, ImageSink(path, numbered=False) as sink:
        sink.write(result())
    assert str(error.value) == f"{path} cannot be written: No space left on device."
    assert (path.read_bytes(), names(tmp_path)) == (b"an older one", ["out.png"])


def test_a_folder_keeps_the_names(tmp_path: Path) -> None:
    with FolderSink(tmp_path / "out") as sink:
        for index, name in enumerate(["a.png", "b.webp", "c.tif", "d.bmp"]):
            sink.write(result(index, source=name))
    assert names(tmp_path / "out") == ["a.png", "b.webp", "c.tif", "d.bmp"]
    assert sink.kept == tmp_path / "out"
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "c.tif")), picture(2))


# open_sink


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a-000000.png", "b.png"):
        cv2.imwrite(str(folder / name), picture())
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", VideoSink),
        ("a.MKV", VideoSink),
        ("a.png", ImageSink),
        ("a.jpg", ImageSink),
        ("a.jpeg", ImageSink),
        ("a.csv", CsvSink),
        ("a.jsonl", JsonlSink),
        ("a.html", ReportSink),
        ("-", StdoutSink),
    ],
)
def test_the_suffix_decides(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[Sink]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoSource(clip) as source, open_sink(name, source) as sink:
        assert type(sink) is kind


def test_a_picture_goes_into_a_picture_and_a_video_into_many(clip: Path, photos: Path, tmp_path: Path) -> None:
    for source in (ImageSource(photos / "b.png"), VideoSource(clip)):
        with source, open_sink(tmp_path / "out.png", source) as sink:
            sink.write(result())
    assert names(tmp_path) == ["out-000000.png", "out.png", "photos"]


@pytest.mark.parametrize("out", ["new", "new.d/", "existing.d"])
def test_a_folder_of_pictures_goes_into_a_folder(photos: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "existing.d").mkdir()
    with open_sink(f"{tmp_path}/{out}", ImageSource(photos)) as sink:
        assert isinstance(sink, FolderSink)
    assert (tmp_path / out).is_dir()


def test_a_single_picture_goes_into_a_folder_that_is_named_as_one(photos: Path, tmp_path: Path) -> None:
    with open_sink(f"{tmp_path}/new/", ImageSource(photos / "b.png")) as sink:
        assert isinstance(sink, FolderSink)


SUFFIXES = ".mp4 .mkv .png .jpg .jpeg .csv .jsonl .html"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("faces.xyz", f"{{}} is no output: its name must end in one of {SUFFIXES}."),
        ("faces", f"{{}} is no output: its name must end in one of {SUFFIXES}."),
        ("photos", f"{{}} is a folder: add the name of a file, which ends in one of {SUFFIXES}."),
        ("missing/faces.csv", "{} cannot be written: there is no folder {}/missing."),
    ],
)
def test_an_output_that_cannot_be(clip: Path, photos: Path, tmp_path: Path, out: str, message: str) -> None:
    with VideoSource(clip) as source, pytest.raises(SinkError) as error:
        open_sink(tmp_path / out, source)
    assert str(error.value) == message.format(tmp_path / out, tmp_path)


def test_pictures_make_no_video(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SinkError, match=r"out\.mp4 is a video, which pictures do not make: use \.png, \.jpg, or a folder"
    ):
        open_sink(tmp_path / "out.mp4", ImageSource(photos))


def test_the_source_is_never_overwritten(clip: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "same").symlink_to(photos)
    photo = ImageSource(photos / "b.png")
    folder = ImageSource(photos)
    with VideoSource(clip) as video:
        attempts: list[tuple[Source, Path | str]] = [
            (video, clip),
            (video, tmp_path / "link.mp4"),
            (photo, photos / "b.png"),
            (photo, photos),
            (folder, photos),
            (folder, tmp_path / "same"),
            (folder, photos / "b.png"),
            (folder, photos / "a.png"),  # whose first picture would be a-000000.png
        ]
        for source, out in attempts:
            with pytest.raises(SinkError, match=r" is what is read: choose another name for the output\.$"):
                open_sink(out, source)
    assert names(photos) == ["a-000000.png", "b.png"]
