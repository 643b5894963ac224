"""The whole program on a pretend webcam, in a real window. Runs where gcc, Xvfb and xdotool are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

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

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, once it has ended by itself."""
        out, err = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, out, err


def test_a_window_with_keys_while_recording(camera: dict[str, str], display: str, tmp_path: Path) -> None:
    program = Program(["--camera", "0", "--out", "me.mp4", "--out", "me.csv"], tmp_path, DISPLAY=display, **camera)
    program.press("s", "space", "space", "q")
    code, out, err = program.end()
    assert (code, err.count("Traceback")) == (0, 0), err
    assert "Wrote me.mp4" in out

    (snapshot,) = tmp_path.glob("emotion-cam-*.png")
    shown = cv2.imread(str(snapshot))
    assert shown is not None
    # In the window the picture is mirrored: the grey strip is on the left, and the portrait is drawn on.
    assert np.abs(shown[200:, 5:100].astype(int) - 90).mean() < 12

    with av.open(str(tmp_path / "me.mp4")) as video:
        recorded = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    # In the file it is not.
    assert np.abs(recorded[0][200:, -100:].astype(int) - 90).mean() < 12
    rows = (tmp_path / "me.csv").read_text().splitlines()
    assert any(",happy," in row and row.endswith(",1") for row in rows)


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


def test_a_camera_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    code, _, err = Program(["--camera", "7", "--no-show", "--out", "me.mp4"], tmp_path).end()
    assert code == 1
    assert "amera 7" in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_without_a_display_a_window_is_refused_in_one_line(camera: dict[str, str], tmp_path: Path) -> None:
    code, _, err = Program(["--camera", "0"], tmp_path, DISPLAY="", WAYLAND_DISPLAY="", **camera).end()
    assert code == 1
    assert "display" in err
    assert len(err.strip().splitlines()) == 1
