"""The whole program on a pretend webcam, in a real window. Runs where gcc, Xvfb and xdotool are."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import av
import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.types import Image

TOOLS = ("gcc", "Xvfb", "xdotool")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or any(shutil.which(tool) is None for tool in TOOLS),
    reason=f"needs Linux with {', '.join(TOOLS)}",
)

SIZE = (640, 480)
SECONDS = 60  # that anything may take, on a busy machine


@pytest.fixture(scope="module")
def camera(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which /dev/video0 is a camera that shows the portrait, off the middle."""
    folder = tmp_path_factory.mktemp("camera")
    library = folder / "pretend_camera.so"
    source = Path(__file__).with_name("pretend_camera.c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    image[:, :480] = portrait[:480, :480]
    (folder / "frames").write_bytes(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_YUY2).tobytes())
    return {
        "LD_PRELOAD": str(library),
        "PRETEND_FRAMES": str(folder / "frames"),
        "PRETEND_SIZE": f"{SIZE[0]}x{SIZE[1]}",
    }


class Program:
    """emotion-cam as a user runs it, in a folder of its own."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, arguments: list[str], folder: Path, **environment: str) -> None:
        self._environment = {**os.environ, **environment}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "emotion_cam", *arguments],
            cwd=folder,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

        self.started.append(self._process)

    def press(self, *keys: str) -> None:
        """Press keys in the window, once it is there."""
        environment = {name: value for name, value in self._environment.items() if name != "LD_PRELOAD"}
        find = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "^emotion-cam$"]
        window = subprocess.run(
            find, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS
        ).stdout.split()[0]
        time.sleep(1)  # some pictures are shown
        for key in keys:
            subprocess.run(["xdotool", "key", "--window", window, key], env=environment, check=True, timeout=SECONDS)
            time.sleep(0.7)

    def wait_for(self, text: str) -> None:
        """Wait until it prints this on standard error."""
        limit = threading.Timer(SECONDS, self._process.kill)
        limit.start()
        assert self._process.stderr
        found = any(text in line for line in self._process.stderr)
        limit.cancel()
        assert found

    def interrupt(self) -> None:
        """The same as Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, once it has ended by itself."""
        out, err = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, out, err


@pytest.fixture(autouse=True)
def _no_program_outlives_its_test() -> Iterator[None]:
    yield
    for process in Program.started:
        with process:
            process.kill()
    Program.started.clear()


def test_a_window_with_keys_while_recording(camera: dict[str, str], display: str, tmp_path: Path) -> None:
    program = Program(["--camera", "0", "--out", "me.mp4", "--out", "me.csv"], tmp_path, DISPLAY=display, **camera)
    # A pause drops frames, in the middle of the recording.
    program.press("s", "r", "space", "space", "r", "q")
    code, out, err = program.end()
    assert (code, err.count("Traceback")) == (0, 0), err
    assert "Wrote me.mp4" in out
    assert [line.split()[0] for line in err.splitlines()] == ["Saved", "Recording", "Recorded"]

    (snapshot,) = tmp_path.glob("emotion-cam-*.png")
    shown = cv2.imread(str(snapshot))
    assert shown is not None
    # In the window the picture is mirrored: the gray strip is on the left, and the portrait is drawn on.
    assert np.abs(shown[200:, 5:100].astype(int) - 90).mean() < 12

    with av.open(str(tmp_path / "me.mp4")) as video:
        recorded = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    # In the file it is not.
    assert np.abs(recorded[0][200:, -100:].astype(int) - 90).mean() < 12
    with (tmp_path / "me.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert any((row["label"], row["top"]) == ("happy", "1") for row in rows)

    (recording,) = tmp_path.glob("emotion-cam-*.mp4")
    with av.open(str(recording)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        frames = list(video.decode(video=0))
    # Real time is kept: the times are those of successive rows of the table, and the pause is among them.
    at = np.array([frame.time for frame in frames])
    every = np.array(sorted({float(row["time"]) for row in rows}))
    runs = np.lib.stride_tricks.sliding_window_view(every, len(at))
    assert np.abs(runs - runs[:, :1] - at).max(axis=1).min() < 0.001
    assert np.diff(at).max() > 0.5
    # It is mirrored as the window was.
    assert np.abs(frames[0].to_ndarray(format="bgr24")[200:, 5:100].astype(int) - 90).mean() < 12


def test_an_unplugged_camera_ends_with_one_clear_line(camera: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--camera", "0", "--no-show", "--out", "me.mp4"]
    code, out, err = Program(arguments, tmp_path, PRETEND_UNPLUG="25", **camera).end()
    assert code == 1
    assert "unplugged" in err
    assert len(err.strip().splitlines()) == 1
    # What was recorded is kept, under a name that says that it is not all.
    assert [file.name for file in tmp_path.iterdir()] == ["me.partial.mp4"]
    assert "me.partial.mp4" in out
    with av.open(str(tmp_path / "me.partial.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 1


def test_a_missing_camera_is_named_with_the_cameras_that_exist(tmp_path: Path) -> None:
    code, _, err = Program(["--camera", "7", "--no-show", "--out", "me.mp4"], tmp_path).end()
    assert code == 1
    assert "amera 7" in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_cameras_are_listed_with_name_path_and_sizes(camera: dict[str, str], tmp_path: Path) -> None:
    code, out, err = Program(["cameras"], tmp_path, **camera).end()
    assert (code, err) == (0, "")
    begin = out.splitlines().index("0  Pretend camera  /dev/video0")
    assert out.splitlines()[begin + 1 : begin + 3] == [
        "   640×480 at 30 frames a second",
        "   320×240 at 30 frames a second",
    ]


@pytest.mark.parametrize(
    ("size", "given", "message"),
    [("320x240", (320, 240), ""), ("1280x720", SIZE, "Camera 0 gives 640×480 instead of 1280×720.")],
    ids=["offered", "not offered"],
)
def test_a_camera_by_name_is_asked_for_a_size(
    camera: dict[str, str], tmp_path: Path, size: str, given: tuple[int, int], message: str
) -> None:
    arguments = ["--camera", "pretend", "--size", size, "--fps", "30", "--no-show", "--out", "me.png"]
    program = Program(arguments, tmp_path, PRETEND_UNPLUG="25", **camera)
    _, _, err = program.end()
    shown = cv2.imread(str(tmp_path / "me-000000.png"))
    assert shown is not None
    assert shown.shape[1::-1] == given
    assert err.splitlines()[:-1] == ([message] if message else [])


def test_a_camera_that_is_plugged_in_again_is_recorded_into_the_same_files(
    camera: dict[str, str], tmp_path: Path
) -> None:
    arguments = ["--camera", "pretend", "--reconnect", "30", "--no-show", "--out", "me.mp4", "--out", "me.jsonl"]
    program = Program(arguments, tmp_path, PRETEND_UNPLUG="25", PRETEND_BACK="1", **camera)
    program.wait_for("Camera 0 stopped sending pictures after")
    program.wait_for("Camera 0 is back after")
    time.sleep(2)
    program.interrupt()
    code, out, _ = program.end()
    assert code == 130
    assert "Wrote me.mp4" in out
    rows = [json.loads(row) for row in (tmp_path / "me.jsonl").read_text().splitlines()]
    times = [row["time"] for row in rows]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert 1 < max(gaps) < 10
    assert min(gaps) > 0
    assert 0 < gaps.index(max(gaps)) < len(gaps) - 1
    assert [row["frame"] for row in rows] == sorted({row["frame"] for row in rows})
    assert rows[-1]["faces"]
    with av.open(str(tmp_path / "me.mp4")) as video:
        assert [frame.time for frame in video.decode(video=0)] == pytest.approx(times, abs=0.02)


def test_the_window_can_be_left_while_the_camera_is_away(camera: dict[str, str], display: str, tmp_path: Path) -> None:
    arguments = ["--camera", "0", "--reconnect", "inf", "--out", "me.mp4"]
    program = Program(arguments, tmp_path, DISPLAY=display, PRETEND_UNPLUG="25", **camera)
    program.wait_for("retrying")
    program.press("q")
    code, out, _ = program.end()
    assert code == 0
    assert "Wrote me.mp4" in out


def test_without_a_display_a_window_is_refused_in_one_line(camera: dict[str, str], tmp_path: Path) -> None:
    code, _, err = Program(["--camera", "0"], tmp_path, DISPLAY="", WAYLAND_DISPLAY="", **camera).end()
    assert code == 1
    assert "display" in err
    assert len(err.strip().splitlines()) == 1


def test_a_person_is_filmed_in_a_window_and_goes_on_later_in_a_terminal(
    camera: dict[str, str], display: str, tmp_path: Path
) -> None:
    gender = str(shipped_models()["gender"])
    arguments = ["enroll", "me", "--camera", "0", "--rounds", "1", "--pictures", "2", "--model", gender]
    program = Program(arguments, tmp_path, DISPLAY=display, **camera)
    program.wait_for("man: 2 pictures (1 of 2)")
    program.press("q")
    code, out, err = program.end()
    assert (code, out) == (0, "")
    assert err.splitlines() == ["1 left; what is finished is in me.", "The same command goes on from there."]
    taken = cv2.imread(str(tmp_path / "me" / "man" / "01-01.png"))
    assert taken is not None
    assert taken.shape[0] == taken.shape[1]
    assert not list((tmp_path / "me" / "woman").iterdir())

    code, out, err = Program([*arguments, "--no-show"], tmp_path, **camera).end()
    assert code == 0, err
    assert err.splitlines() == [
        "1 of 2 are there already.",
        *(f"woman: in {seconds}" for seconds in (3, 2, 1)),
        "woman: 2 pictures (1 of 1)",
    ]
    assert "of 4 pictures" in out


def test_samples_of_a_stream_have_the_times_at_which_the_camera_took_the_pictures(
    camera: dict[str, str], lsl_configuration: Path, tmp_path: Path
) -> None:
    name, log = f"live {os.getpid()}", tmp_path / "log"
    lsl = {"LSLAPICFG": str(lsl_configuration)}
    late = {"PRETEND_FPS": "10", "PRETEND_DELAY": "0.045", "PRETEND_LOG": str(log)}
    program = Program(["--camera", "0", "--no-show", "--lsl", name], tmp_path, **camera, **lsl, **late)
    command = [sys.executable, str(Path(__file__).parents[1] / "lsl_receiver.py"), name, "20", "0"]
    receiver = subprocess.run(
        command, env={**os.environ, **lsl}, stdout=subprocess.PIPE, text=True, check=True, timeout=SECONDS
    )
    program.interrupt()
    assert program.end()[0] == 130
    received = json.loads(receiver.stdout.removeprefix("ready\n"))
    assert {"emotion/happy", "gender/woman"} < {*received["labels"]}
    taken = [float(line.split()[1]) for line in log.read_text().splitlines()]
    # OpenCV leaves out pictures at the start, so numbers do not agree; pictures are 0.1 seconds apart.
    errors = [min(abs(moment - each) for each in taken) for _, moment in received["scores"]]
    assert len(errors) == 20
    assert statistics.median(errors) < 0.02
