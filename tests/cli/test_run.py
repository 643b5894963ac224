"""The command line as people use it, on real pictures and videos."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from emotion_cam import __version__
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.sources.devices import CameraInfo
from emotion_cam.types import LANDMARK_COLUMNS, Box, Image
from tests.command import emotion_cam


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def photo(portrait: Image) -> str:
    cv2.imwrite("photo.png", portrait)
    return "photo.png"


def test_a_picture(photo: str) -> None:
    result = emotion_cam("--image", photo, "--out", "out.png", "--out", "out.jsonl")
    assert result.exit_code == 0, result.output
    assert "1 face: happy" in result.stdout
    assert "Wrote out.png" in result.stdout
    before, after = cv2.imread(photo), cv2.imread("out.png")
    assert before is not None
    assert after is not None
    assert 0.005 < (before != after).any(axis=2).mean() < 0.5
    (line,) = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert line["source"] == "photo.png"
    assert line["faces"][0]["predictions"]["emotion"]["label"] == "happy"


def test_a_video(film: Path) -> None:
    result = emotion_cam("--video", film, "--out", "out.mp4", "--out", "out.csv")
    assert result.exit_code == 0, result.output
    assert "20 frames, 11 of them with a face" in result.stdout  # it stays for a moment after it is gone
    with av.open("out.mp4") as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert [frame.time for frame in video.decode(stream)] == pytest.approx([index / 10 for index in range(20)])
    with Path("out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    tops = [row["label"] for row in rows if row["task"] == "emotion" and row["top"] == "1"]
    assert len(tops) == 11
    assert tops.count("happy") >= 9
    assert {row["track"] for row in rows if row["task"]} == {"1"}
    assert [row["frame"] for row in rows if not row["task"]] == [str(index) for index in range(11, 20)]


def test_the_same_file_gives_the_same_table_twice(film: Path) -> None:
    for name in ("a.csv", "b.csv"):
        assert emotion_cam("--video", film, "--out", name).exit_code == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_tables_have_landmarks_with_a_detector_that_finds_them(film: Path) -> None:
    plain = "source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top"
    for detector, header in (("haar", plain), ("mini", f"{plain},{','.join(LANDMARK_COLUMNS)}")):
        assert emotion_cam("--video", film, "--out", "out.csv", "--detector", detector).exit_code == 0
        first, *rows = Path("out.csv").read_text("utf-8").splitlines()
        assert first == header
        assert {row.count(",") for row in rows} == {header.count(",")}


def test_landmarks_are_drawn_on_demand(photo: str) -> None:
    plain, shown = picture("--detector", "mini"), picture("--detector", "mini", "--landmarks")
    assert 5 * 9 < (plain != shown).any(axis=2).sum() < 5 * 250


def test_files_are_mirrored_only_when_asked(photo: str) -> None:
    def box(*options: str) -> list[int]:
        assert emotion_cam("--image", photo, "--out", "out.jsonl", *options).exit_code == 0
        found: list[int] = json.loads(Path("out.jsonl").read_text())["faces"][0]["box"]
        return found

    plain, mirrored = box(), box("--mirror")
    assert 512 - mirrored[2] == pytest.approx(plain[0], abs=12)
    assert box("--no-mirror") == plain


def test_a_folder_of_pictures(photo: str) -> None:
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(Path(photo).read_bytes())
    cv2.imwrite("photos/b.png", np.zeros((90, 120, 3), np.uint8))
    result = emotion_cam("--image", "photos", "--out", "annotated", "--out", "faces.csv")
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in Path("annotated").iterdir()) == ["a.png", "b.png"]
    with Path("faces.csv").open(newline="") as lines:
        assert {row["source"] for row in csv.DictReader(lines)} == {"a.png", "b.png"}


def test_own_models(photo: str, emotion_model: Path) -> None:
    card = json.loads((emotion_model / "model.json").read_text())
    card["labels"][3] = "cheerful"
    (emotion_model / "model.json").write_text(json.dumps(card))
    result = emotion_cam("--image", photo, "--out", "o.png", "--model", emotion_model)
    assert "cheerful" in result.stdout
    result = emotion_cam("--image", photo, "--out", "o.png", "--min-confidence", "1")
    assert result.stdout.startswith("1 picture, 1 face: unsure, unsure\n")


def test_a_model_replaces_the_shipped_one_of_its_task_or_adds_a_task(photo: str, emotion_model: Path) -> None:
    def tasks(*options: str | Path) -> list[str]:
        result = emotion_cam("--image", photo, "--out", "o.jsonl", *options)
        assert result.exit_code == 0, result.output
        return list(json.loads(Path("o.jsonl").read_text())["faces"][0]["predictions"])

    card = json.loads((emotion_model / "model.json").read_text())
    card["labels"] = list("abcdefg")
    (emotion_model / "model.json").write_text(json.dumps(card))
    assert tasks("--model", emotion_model) == ["emotion", "gender"]
    assert "d" in emotion_cam("--image", photo, "--out", "o.png", "--model", emotion_model).stdout.split()
    (emotion_model / "model.json").write_text(json.dumps({**card, "task": "mood"}))
    assert tasks("--model", emotion_model) == ["emotion", "gender", "mood"]
    twice = emotion_cam("--image", photo, "--out", "o.png", "--model", emotion_model, "--model", emotion_model)
    assert (twice.exit_code, twice.stderr.count("\n")) == (1, 1)
    assert "mood" in twice.stderr


def test_groups_of_labels(film: Path) -> None:
    groups = "--group", "positive=happy, surprise", "--group", "negative=angry,disgust,fear,sad"
    result = emotion_cam("--video", film, "--out", "o.csv", *groups)
    assert result.exit_code == 0, result.output
    with Path("o.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["task"] == "emotion"]
    assert [row["label"] for row in rows[:3]] == ["negative", "positive", "neutral"]
    assert sum(row["label"] == "positive" for row in rows if row["top"] == "1") >= 9


def test_the_search_of_a_video_by_option(film: Path, photo: str) -> None:
    def with_a_face(*options: str) -> int:
        result = emotion_cam("--video", film, "--out", "o.csv", *options)
        assert result.exit_code == 0, result.output
        return int(result.stdout.split()[2])

    assert with_a_face("--every", "0", "--threads", "2", "--detector", "haar") >= 10
    assert with_a_face("--min-face", "0.9") == 0  # the face is two fifths of the picture's height
    assert "0 faces" in emotion_cam("--image", photo, "--out", "o.png", "--min-face", "0.9").stdout


def picture(*options: str) -> Image:
    result = emotion_cam("--image", "photo.png", "--out", "o.png", *options)
    assert result.exit_code == 0, result.output
    assert "happy" in result.stdout
    image = cv2.imread("o.png")
    assert image is not None
    return np.asarray(image, np.uint8)


def test_regions_that_support_the_label_are_highlighted_on_demand(photo: str) -> None:
    plain, explained = picture(), picture("--explain")
    changed = (plain != explained).any(axis=2)
    assert changed[80:150, 190:260].mean() > 0.9
    assert not changed[:50].any()
    assert not changed[180:].any()


def test_faces_are_blurred_on_demand_and_keep_their_labels(photo: str, portrait: Image) -> None:
    def faces_in(image: Image) -> int:
        return sum(box.iou(Box(172, 66, 272, 166)) > 0.2 for box in HaarDetector()(image))

    assert faces_in(picture("--no-bars")) == 1
    assert faces_in(picture("--no-bars", "--blur")) == 0
    for options in (("--no-picture",), ("--no-picture", "--explain", "--blur")):
        image = picture(*options)
        assert image.shape == portrait.shape
        assert np.unique(image[200:].reshape(-1, 3), axis=0).shape == (1, 3)
        assert image[:200].max() > 200


def test_with_blur_every_frame_is_searched(portrait: Image) -> None:
    with av.open("clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(15):
            image = np.full((240, 320, 3), 90, np.uint8)
            if index >= 7:
                image = np.ascontiguousarray(portrait[20:260, 60:380])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())

    def first(*options: str) -> int:
        assert emotion_cam("--video", "clip.mp4", "--out", "o.csv", *options).exit_code == 0
        with Path("o.csv").open(newline="") as lines:
            return next(int(row["frame"]) for row in csv.DictReader(lines) if row["face"])

    assert first("--blur") == 7
    assert first("--blur", "--every", "0.2") == first() > 7


def test_a_task_can_be_left_out(photo: str, film: Path) -> None:
    def tasks(*options: str) -> set[str]:
        result = emotion_cam(*options, "--out", "o.csv")
        assert result.exit_code == 0, result.output
        with Path("o.csv").open(newline="") as lines:
            return {row["task"] for row in csv.DictReader(lines) if row["face"]}

    assert tasks("--image", photo, "--without", "gender") == {"emotion"}
    assert tasks("--image", photo, "--without", "emotion") == {"gender"}
    neither = ("--without", "emotion", "--without", "gender")
    assert tasks("--image", photo, *neither) == {""}
    assert tasks("--video", str(film), *neither) == {""}
    result = emotion_cam("--image", photo, "--out", "o.png", *neither)
    assert result.stdout.startswith("1 picture, 1 face\n")


def test_options_with_a_new_name_work_and_say_so(photo: str, emotion_model: Path) -> None:
    (emotion_model / "model.json").write_text((emotion_model / "model.json").read_text().replace("happy", "cheerful"))
    for value in (["--emotion-model", emotion_model], [f"--emotion-model={emotion_model}"]):
        result = emotion_cam("--image", photo, "--out", "o.png", *value, "--no-gender", "--emotion")
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines() == [
            "--emotion-model is now called --model.",
            "--no-gender is now written --without gender.",
            "--emotion is no longer needed.",
        ]
        assert re.match(r"1 picture, 1 face: cheerful \d+%\n", result.stdout)


def test_a_hidden_task_is_not_drawn_and_stays_in_the_table(photo: str) -> None:
    shown, hidden = picture(), picture("--hide", "gender", "--out", "o.csv")
    assert (shown != hidden).any()
    with Path("o.csv").open(newline="") as lines:
        assert {row["task"] for row in csv.DictReader(lines)} == {"emotion", "gender"}


def test_no_camera_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion_cam.sources.devices.list_cameras", list)
    result = emotion_cam("cameras")
    assert (result.exit_code, result.stdout) == (0, "No camera was found.\n")


def test_cameras_without_sizes_are_listed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [CameraInfo(0, "FaceTime [HD]"), CameraInfo(2, "Webcam", "/dev/video99")]
    monkeypatch.setattr("emotion_cam.sources.devices.list_cameras", lambda: found)
    result = emotion_cam("cameras")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "0  FaceTime [HD]",
        "2  Webcam  /dev/video99",
        "   its sizes cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("size", ["1280", "1280x", "0x720", "1280x720x3", "-640x480", "large"])
def test_a_size_written_wrongly(size: str) -> None:
    result = emotion_cam("--camera", "0", f"--size={size}")
    assert result.exit_code == 2
    assert "--size must be a width and a height" in result.stderr


def test_a_size_is_refused_for_a_video(film: Path) -> None:
    result = emotion_cam("--video", film, "--size", "640x480", "--out", "out.csv")
    assert result.exit_code == 1
    assert "--size and --fps are for cameras" in result.stderr
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("option", ["--blur", "--no-picture"])
def test_a_report_shows_no_face_that_is_hidden(photo: str, option: str) -> None:
    assert emotion_cam("--image", photo, "--out", "o.html", option).exit_code == 0
    page = Path("o.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in page
    assert "1 picture, 1 of them with a face · 1 face" in page


def test_a_report_of_pictures(photo: str) -> None:
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        Path("photos", name).write_bytes(Path(photo).read_bytes())
    assert emotion_cam("--image", "photos", "--out", "o.html").exit_code == 0
    page = Path("o.html").read_text(encoding="utf-8")
    assert "2 pictures, 2 of them with a face · 2 faces" in page
    assert "gender: 100% woman" in page
    assert page.count("data:image/jpeg") == 1


def test_version_and_help() -> None:
    assert emotion_cam("--version").stdout == f"emotion-cam {__version__}\n"
    help_ = emotion_cam("--help").stdout
    for word in ("--camera", "--video", "--image", "--out", "report", "train", "evaluate", "export", "explain", "info"):
        assert word in help_


def test_info() -> None:
    result = emotion_cam("info")
    assert result.exit_code == 0
    assert "58,423 parameters, input 48×48" in result.stdout
    assert "52,658 parameters, input 64×64" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--camera", "0", "--video", "a.mp4"],
        ["--nonsense"],
        ["--video", "http://[::1/", "--out", "o.csv"],
        ["--image"],
        ["--image", "photo.png", "--no-show"],
        ["--image", "photo.png", "--min-face", "0"],
        ["--image", "photo.png", "--min-face", "2"],
        ["--image", "photo.png", "--every", "-1"],
        ["--image", "photo.png", "--threads", "0"],
        ["explain", "photo.png"],
        ["--video", "a.mp4", "--out", "o.mp4", "--jobs", "0"],
        ["--image", "photo.png", "--out", "o.png", "--resume"],
        ["--video", "a.mp4", "--resume"],
        ["--video", "a.mp4", "--video", "b.mp4"],
        ["--video", "a.mp4", "--video", "b.mp4", "--out", "o", "--show"],
        ["--video", "a.mp4", "--video", "b.mp4", "--out", "-"],
        ["--video", "a.mp4", "--video", "b.mp4", "--out", "o", "--virtual-camera"],
        ["--image", "photo.png", "--group", "positive"],
        ["--image", "photo.png", "--group", "=happy"],
        ["--image", "photo.png", "--group", "positive=happy,"],
        ["--image", "photo.png", "--group", "positive=happy", "--group", "positive=surprise"],
        ["evaluate", "models", "--data", "fer2013"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert emotion_cam(*arguments).exit_code == 2


BAD = {
    "a missing video": (["--video", "nowhere.mp4", "--out", "o.mp4"], "nowhere.mp4"),
    "an empty video": (["--video", "empty.mp4", "--out", "o.mp4"], "empty"),
    "a text for a video": (["--video", "text.mp4", "--out", "o.mp4"], "text.mp4"),
    "a folder for a video": (["--video", "folder", "--out", "o.mp4"], "folder"),
    "a picture for a video": (["--video", "photo.png", "--out", "o.mp4"], "--image"),
    "a missing picture": (["--image", "nowhere.png", "--out", "o.png"], "nowhere.png"),
    "a text for a picture": (["--image", "text.png", "--out", "o.png"], "text.png"),
    "an empty folder": (["--image", "folder", "--out", "o.csv"], "folder"),
    "nothing to explain": (
        ["--image", "photo.png", "--out", "o.png", "--explain", "--without", "emotion", "--without", "gender"],
        "--explain needs a model",
    ),
    "an unknown task": (["--image", "photo.png", "--out", "o.png", "--without", "age"], "emotion and gender"),
    "an unknown suffix": (["--image", "photo.png", "--out", "o.xyz"], ".mp4"),
    "no suffix": (["--image", "photo.png", "--out", "o"], ".mp4"),
    "no folder to write to": (["--image", "photo.png", "--out", "nowhere/o.png"], "nowhere"),
    "the input as output": (["--image", "photo.png", "--out", "./photo.png"], "photo.png"),
    "standard output twice": (["--image", "photo.png", "--out", "-", "--out", "-"], "twice"),
    "one output twice": (["--image", "photo.png", "--out", "o.csv", "--out", "./o.csv"], "twice"),
    "no display": (["--image", "photo.png", "--show"], "display"),
    "a missing model": (["--image", "photo.png", "--out", "o.png", "--model", "nowhere"], "nowhere"),
    "a group of nothing": (["--image", "photo.png", "--out", "o.png", "--group", "good=hapy"], "surprise, neutral"),
    "an unknown runtime": (["--image", "photo.png", "--out", "o.png", "--runtime", "torch"], "litert and keras"),
    "an unknown detector": (["--image", "photo.png", "--out", "o.png", "--detector", "hare"], "the detectors are haar"),
    "a missing detector": (
        ["--image", "photo.png", "--out", "o.png", "--detector", "yunet", "--detector-model", "nowhere.onnx"],
        "nowhere.onnx",
    ),
    "a text for a detector": (
        ["--image", "photo.png", "--out", "o.png", "--detector", "blazeface", "--detector-model", "text.png"],
        "text.png",
    ),
    "a file for the cascade": (
        ["--image", "photo.png", "--out", "o.png", "--detector-model", "text.png"],
        "yunet and blazeface do",
    ),
    "a folder to open as a model": (["info", "folder"], "model.json"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_gives_one_line(photo: str, film: Path, arguments: list[str], message: str) -> None:
    Path("folder").mkdir()
    Path("clip.mp4").write_bytes(film.read_bytes())
    Path("seen.csv").write_text("source,frame,time,face\na.mp4,0,0,\n")
    Path("empty.mp4").touch()
    for name in ("text.mp4", "text.png", "text.csv"):
        Path(name).write_text("This is a text.\n" * 100)
    before = {file: file.read_bytes() for file in Path().iterdir() if file.is_file()}
    result = emotion_cam(*arguments)
    assert result.exit_code == 1, result.output
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert {file: file.read_bytes() for file in Path().iterdir() if file.is_file()} == before


def test_a_truncated_video_keeps_the_finished_part_under_another_name(film: Path) -> None:
    with av.open(str(film)) as source, av.open("whole.mkv", "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole = Path("whole.mkv").read_bytes()
    Path("cut.mkv").write_bytes(whole[: len(whole) * 19 // 20])
    Path("o.csv").write_text("older")
    result = emotion_cam("--video", "cut.mkv", "--out", "o.csv")
    assert result.exit_code == 1
    assert "cut.mkv" in result.stderr
    assert Path("o.csv").read_text() == "older"
    assert Path("o.partial.csv").read_text().count("\n") > 2
    assert "o.partial.csv" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--task", "emotion", "--data", "fer2013=photo.png", "--out", "mine"],
        ["evaluate", "mine", "--data", "fer2013=photo.png"],
        ["export", "mine", "--data", "fer2013=photo.png"],
        ["explain", "photo.png", "--out", "why.png"],
        ["--image", "photo.png", "--out", "o.png", "--runtime", "keras"],
    ],
)
def test_a_missing_extra_gives_one_line(photo: str, arguments: list[str]) -> None:
    program = "import sys; sys.modules['keras'] = None; from emotion_cam.cli import main; main()"
    process = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "pip install 'emotion-cam[train]'" in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
    assert sorted(file.name for file in Path().iterdir()) == [photo]


def test_standard_output_gets_what_a_file_would(film: Path) -> None:
    result = emotion_cam("--video", film, "--out", "-", "--out", "o.jsonl")
    assert result.exit_code == 0, result.output
    assert result.stdout == Path("o.jsonl").read_text(encoding="utf-8")
    assert len(result.stdout.splitlines()) == 20
    assert result.stderr == "Wrote o.jsonl\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_lines_come_at_once_until_the_pipe_is_closed(long_film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    arguments = ["--video", str(long_film), "--out", "-", "--out", "o.csv"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion_cam", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = json.loads(process.stdout.readline())
    assert first["frame"] == 0
    assert first["faces"][0]["predictions"]["emotion"]["label"] == "happy"
    assert process.poll() is None  # far from its end
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == "Wrote o.csv\n"
    process.stderr.close()
    with Path("o.csv").open(newline="") as lines:
        assert 0 < len({row["frame"] for row in csv.DictReader(lines)}) < 1500
    assert sorted(file.name for file in Path().iterdir()) == ["o.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_standard_output_gives_one_line(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    arguments = [sys.executable, "-m", "emotion_cam", "--image", photo, "--out", "-"]
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr == "emotion-cam: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    "arguments", [["--image", "photo.png", "--out", "o.html"], ["report", "o.csv", "--out", "o.png"]]
)
@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_report_without_its_extra_gives_one_line(photo: str, arguments: list[str], missing: str) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; from emotion_cam.cli import main; main()"
    process = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "pip install 'emotion-cam[report]'" in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
    assert [file.name for file in Path().iterdir()] == [photo]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_after_ctrl_c_outputs_are_whole(long_film: Path, tmp_path: Path, kill: signal.Signals) -> None:
    arguments = ["--video", str(long_film), "--out", "o.mp4", "--out", "o.csv"]
    process = subprocess.Popen(
        [sys.executable, "-m", "emotion_cam", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 20_000 for file in tmp_path.glob(".o*csv")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, kill)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Wrote o.mp4" in out
    with av.open("o.mp4") as video:
        count = sum(1 for _ in video.decode(video=0))
    assert 0 < count < 1500
    with Path("o.csv").open(newline="") as lines:
        assert len({row["frame"] for row in csv.DictReader(lines)}) == pytest.approx(count, abs=1)
    assert not list(tmp_path.glob(".*"))
