"""WindowSink, on a stand-in for OpenCV's window, and once on a real display."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
import pytest

from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.overlays import draw_keys
from emotion_cam.drawing.view import Controls, View
from emotion_cam.errors import SinkError
from emotion_cam.pipeline import RunSpec, RunSummary, execute
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.result import Result
from emotion_cam.sinks import OutputSpec
from emotion_cam.sinks import window as window_module
from emotion_cam.sinks.video import VideoSink
from emotion_cam.sinks.window import WindowSink, task_keys
from emotion_cam.sources import InputSpec
from emotion_cam.types import Box, ClassMap, Face, Image
from tests.builders import LANDMARKS, picture, prediction, read_frames, result

TASKS = ("emotion", "gender")


def controls(view: View = View()) -> Controls:
    return Controls(view)


class FakeWindow:
    """Stands in for OpenCV's window: records what is shown, and presses the keys in its list; None is no key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str | None] = []
        self.shown: list[Image] = []
        self.open = False
        self.size: tuple[int, int] | None = None
        self.full = cv2.WINDOW_NORMAL
        for name in [name for name in vars(FakeWindow) if name[0] != "_"]:
            monkeypatch.setattr(cv2, name, getattr(self, name))
        monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")

    def namedWindow(self, title: str, flags: int) -> None:  # noqa: N802 - OpenCV's names
        self.open = True

    def resizeWindow(self, title: str, width: int, height: int) -> None:  # noqa: N802
        self.size = width, height

    def imshow(self, title: str, image: Image) -> None:
        self.shown.append(image.copy())

    def waitKey(self, milliseconds: int) -> int:  # noqa: N802
        key = self.keys.pop(0) if self.keys else None
        return -1 if key is None else ord(key)

    def getWindowProperty(self, title: str, prop: int) -> float:  # noqa: N802
        return float(self.full if prop == cv2.WND_PROP_FULLSCREEN else self.open)

    def setWindowProperty(self, title: str, prop: int, value: int) -> None:  # noqa: N802
        assert prop == cv2.WND_PROP_FULLSCREEN
        self.full = value

    def destroyWindow(self, title: str) -> None:  # noqa: N802
        if not self.open:
            raise cv2.error("no such window")
        self.open = False


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> FakeWindow:
    return FakeWindow(monkeypatch)


def test_the_window_shows_the_annotated_frame(window: FakeWindow) -> None:
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result())
        assert not sink.finished
    np.testing.assert_array_equal(window.shown[0], picture())
    assert not window.open
    assert window.size == (320, 240)


def test_a_large_picture_gets_a_window_that_fits(window: FakeWindow) -> None:
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result(image=np.zeros((2160, 3840, 3), np.uint8)))
    assert window.size == (1280, 720)


def test_the_mirror_draws_after_the_flip(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(image: Image, faces: Sequence[Face], view: View) -> Image:
        canvas: Image = image.copy()
        canvas[0, : faces[0].box.x1] = (1, 2, 3)
        return canvas

    monkeypatch.setattr("emotion_cam.result.annotate", draw)
    with WindowSink(controls(), mirror=True) as sink:
        sink.write(result(faces=[Face(Box(100, 0, 120, 20))]))
    expected = picture()[:, ::-1].copy()
    expected[0, : 320 - 120] = (1, 2, 3)
    np.testing.assert_array_equal(window.shown[0], expected)


@pytest.mark.parametrize("key", ["q", "Q", "\x1b"])
def test_keys_that_quit(window: FakeWindow, key: str) -> None:
    window.keys = [None, key]
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result(0))
        assert not sink.finished
        sink.write(result(1))
        assert sink.finished


def test_keys_work_while_no_frame_arrives(window: FakeWindow) -> None:
    window.keys = ["s", None, "q"]
    with WindowSink(controls(), mirror=False) as sink:
        sink.idle()
        assert len(window.keys) == 3  # nothing was shown yet, so there is nothing to save
        window.keys = [None, None, "q"]
        sink.write(result())
        sink.idle()
        assert not sink.finished
        sink.idle()
        assert sink.finished


def test_closing_the_window_quits(window: FakeWindow) -> None:
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result())
        window.open = False
        sink.write(result())
        assert sink.finished


def test_space_pauses_until_space(window: FakeWindow) -> None:
    window.keys = [" ", None, "x", None, " ", None]
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result(0))
        assert window.keys == [None]
        sink.write(result(1))
        assert window.keys == []


@pytest.mark.parametrize("key", ["q", "close"])
def test_a_pause_can_be_quit(window: FakeWindow, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    def wait_key(milliseconds: int) -> int:
        if milliseconds == 1:
            return ord(" ")
        window.open = key != "close"
        return -1 if key == "close" else ord(key)

    monkeypatch.setattr(cv2, "waitKey", wait_key)
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result())
        assert sink.finished


def test_hold_waits_at_every_frame(window: FakeWindow) -> None:
    window.keys = [None, None, " ", None, "\r"]
    with WindowSink(controls(), mirror=False, hold=True) as sink:
        sink.write(result(0))
        assert window.keys == [None, "\r"]
        sink.write(result(1))
        assert window.keys == []


@pytest.mark.parametrize("keys", [["s"], [" ", None, "S", " "]], ids=["running", "paused"])
def test_s_saves_what_is_shown(
    window: FakeWindow, tmp_path: Path, caplog: pytest.LogCaptureFixture, keys: list[str | None]
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    window.keys = keys
    with WindowSink(controls(), mirror=True, show_fps=True, folder=tmp_path) as sink:
        sink.write(result())
    (path,) = tmp_path.iterdir()
    assert caplog.messages == [f"Saved {path}."]
    assert re.fullmatch(r"emotion-cam-\d{8}-\d{6}-\d{3}\.png", path.name)
    np.testing.assert_array_equal(cv2.imread(str(path)), picture()[:, ::-1])  # without the frames per second


def test_a_snapshot_that_fails_is_logged_and_the_window_stays(
    window: FakeWindow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window.keys = ["s"]
    with WindowSink(controls(), mirror=False, folder=tmp_path / "missing") as sink:
        sink.write(result())
        assert not sink.finished
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "cannot be written" in record.getMessage()


def test_frames_per_second_are_updated_about_once_a_second(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    texts: list[str] = []
    monkeypatch.setattr(window_module, "time", clock)
    monkeypatch.setattr("emotion_cam.sinks.window.FPS.elapsed", lambda fps: 1.0)
    monkeypatch.setattr(window_module, "draw_corner_text", lambda image, text: texts.append(text))
    shared = result()
    with WindowSink(controls(), mirror=False, show_fps=True) as sink:
        for _ in range(40):
            clock.now += 1 / 16
            sink.write(shared)
    assert texts == [""] * 15 + ["16 fps"] * 25


def test_the_rate_is_drawn_in_the_window_only(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module._Rate, "count", lambda rate: setattr(rate, "text", "20 fps"))
    shared = result()
    with WindowSink(controls(), mirror=False, show_fps=True) as sink:
        sink.write(shared)
    assert (window.shown[0] != picture()).any()
    np.testing.assert_array_equal(shared.annotated, picture())


# Keys that change the picture


FACE = Face(
    Box(120, 60, 200, 140),
    {
        "emotion": replace(
            prediction(happy=0.75, sad=0.125, angry=0.125),
            class_map=ClassMap(np.full((3, 3, 3), 2, np.float32), Box(120, 60, 200, 140)),
        ),
        "gender": prediction(man=0.125, woman=0.875),
    },
    landmarks=LANDMARKS.moved(140, 60),
)


def drawn(view: View, *faces: Face) -> Image:
    return annotate(picture(), faces, view)


@pytest.mark.parametrize("key", window_module.SWITCHES)
def test_a_switch_changes_the_view_of_all_outputs(window: FakeWindow, key: str) -> None:
    name = window_module.SWITCHES[key]
    held = controls()
    before = getattr(held.view, name)
    window.keys = [None, key]
    with WindowSink(held, mirror=False) as sink:
        for _ in range(2):
            sink.write(result(faces=[FACE], view=held.view))
        later = result(faces=[FACE], view=held.view)
        assert getattr(held.view, name) is not before
        window.keys = [key]
        sink.write(later)
        assert getattr(held.view, name) is before
    change: dict[str, Any] = {name: not before}
    expected = drawn(replace(View(), **change), FACE)
    assert (expected != drawn(View(), FACE)).any()
    np.testing.assert_array_equal(later.annotated, expected)
    np.testing.assert_array_equal(window.shown[1], drawn(View(), FACE))
    np.testing.assert_array_equal(window.shown[2], expected)  # at once
    np.testing.assert_array_equal(window.shown[4], drawn(View(), FACE))


def test_a_switch_keeps_the_rest_of_the_view(window: FakeWindow) -> None:
    held = controls(View(picture=False, mirror=True, hide=("age",)))
    window.keys = ["b"]
    with WindowSink(held, mirror=False) as sink:
        sink.write(result(view=held.view))
    assert held.view == View(blur=True, picture=False, mirror=True, hide=("age",))


def test_a_switch_shows_at_once_during_a_pause(window: FakeWindow) -> None:
    window.keys = [" ", None, "a", None, "q"]
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result(faces=[FACE]))
    np.testing.assert_array_equal(window.shown[2], drawn(View(bars=False), FACE))


def test_a_task_is_hidden_and_shown_again(window: FakeWindow) -> None:
    held = controls()
    window.keys = ["g", "g"]
    with WindowSink(held, mirror=False, tasks=TASKS) as sink:
        sink.write(result(faces=[FACE], view=held.view))
        hidden = held.view.hide
        sink.write(result(faces=[FACE], view=held.view))
    assert (hidden, held.view.hide) == (("gender",), ())
    without = Face(FACE.box, {"emotion": FACE.predictions["emotion"]})
    np.testing.assert_array_equal(window.shown[0], drawn(View(), FACE))
    np.testing.assert_array_equal(window.shown[1], drawn(View(), without))
    np.testing.assert_array_equal(window.shown[3], drawn(View(), FACE))


def test_every_task_has_the_first_free_letter_of_its_name_or_a_digit(window: FakeWindow) -> None:
    assert task_keys(["gender", "Age", "gag", "表情", "gaga"], "e") == {
        "g": "gender",
        "a": "Age",
        "1": "gag",
        "2": "表情",
        "3": "gaga",
    }
    assert len(task_keys([str(number) for number in range(20)])) == 10
    with WindowSink(controls(), mirror=False, tasks=TASKS) as sink:
        assert (sink.keys["o"].action, sink.keys["g"].action) == TASKS  # e explains, and m mirrors


def test_m_flips_the_window_only(window: FakeWindow) -> None:
    window.keys = ["m", None, "m"]
    shared = [result(index) for index in range(3)]
    with WindowSink(controls(), mirror=True) as sink:
        for each in shared:
            sink.write(each)
    expected = [picture(0)[:, ::-1], picture(0), picture(1), picture(2), picture(2)[:, ::-1]]
    for shown, wanted in zip(window.shown, expected, strict=True):
        np.testing.assert_array_equal(shown, wanted)
    np.testing.assert_array_equal(shared[1].annotated, picture(1))


def test_f_toggles_full_screen(window: FakeWindow) -> None:
    window.keys = ["f", "f"]
    with WindowSink(controls(), mirror=False) as sink:
        sink.write(result())
        assert window.full == cv2.WINDOW_FULLSCREEN
        sink.write(result())
        assert window.full == cv2.WINDOW_NORMAL


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The lists of keys that were drawn."""
    lists: list[dict[str, str]] = []

    def draw(image: Image, keys: dict[str, str]) -> None:
        lists.append(keys)
        draw_keys(image, keys)

    monkeypatch.setattr(window_module, "draw_keys", draw)
    return lists


def test_h_lists_every_key(window: FakeWindow, listed: list[dict[str, str]]) -> None:
    window.keys = ["h", None, "h"]
    shared = result(1)
    with WindowSink(controls(), mirror=False, tasks=TASKS) as sink:
        sink.write(result(0))
        sink.write(shared)
        sink.write(result(2))
        actions = [key.action for key in sink.keys.values()]
    assert [list(keys.values()) for keys in listed] == [actions] * 3
    assert list(listed[0])[:3] == ["q", "space", "s"]
    assert (window.shown[2] != picture(1)).any()
    np.testing.assert_array_equal(shared.annotated, picture(1))
    np.testing.assert_array_equal(window.shown[-1], picture(2))


@pytest.mark.parametrize("without", [(), ("gender",)])
def test_a_task_that_is_left_out_has_no_key(
    window: FakeWindow, listed: list[dict[str, str]], portrait: Image, tmp_path: Path, without: tuple[str, ...]
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), portrait)
    window.keys = ["h", "q"]
    spec = RunSpec(InputSpec(image=tmp_path / "photo.png"), ModelSpec(without=without), View(), OutputSpec(show=True))
    execute(spec, RunSummary())
    assert "emotion" in listed[0].values()
    assert ("gender" in listed[0].values()) == (not without)


def test_the_docs_list_the_same_keys(window: FakeWindow) -> None:
    docs = (Path(__file__).parents[2] / "docs/live-camera.md").read_text(encoding="utf-8")
    with WindowSink(controls(), mirror=False, tasks=TASKS) as sink:
        keys = {"space" if key == " " else key for key in sink.keys}
    listed = re.findall(r"^\| (\*\*.+?) \|", docs, re.MULTILINE)
    assert {key for cell in listed for key in re.findall(r"\*\*(\w+)\*\*", cell)} == {*keys, "Esc"}


# Recording


Record: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def record(window: FakeWindow, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Record:
    """Shows frames at 0, 0.5, 1.5, 1.6 and 5 seconds, each followed by a key or "-", and returns the messages."""
    caplog.set_level(logging.INFO, "emotion_cam")

    def record(keys: str, folder: Path = tmp_path, *, show_fps: bool = False, hold: bool = False) -> list[str]:
        window.keys = [None if key == "-" else key for key in keys]
        with WindowSink(controls(), mirror=True, folder=folder, show_fps=show_fps, hold=hold) as sink:
            for index, seconds in enumerate([0, 0.5, 1.5, 1.6, 5]):
                sink.write(result(index, seconds))
                if sink.finished:
                    break
        return caplog.messages

    return record


@pytest.mark.parametrize("keys", ["r--r-", "r--q"], ids=["r", "quit"])
def test_r_records_what_is_shown_at_its_own_times(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setattr(window_module._Rate, "count", lambda rate: setattr(rate, "text", "20 fps"))
    messages = record(keys, show_fps=True)
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r"emotion-cam-\d{8}-\d{6}-\d{3}\.mp4", path.name)
    assert messages == [f"Recording {path}.", f"Recorded {path}."]
    with av.open(str(path)) as video:
        assert [frame.time for frame in video.decode(video=0)] == pytest.approx([0, 1.0, 1.1], abs=0.001)
    for index, frame in enumerate(read_frames(path)):  # as in a mirror, and without the frames per second
        difference = np.abs(frame.image.astype(int) - picture(index + 1)[:, ::-1])
        assert difference[:20, :60].mean() < 8
        assert difference.mean() < 4


def test_a_dot_shows_while_it_records(window: FakeWindow, record: Record) -> None:
    record("-r-r-")
    red = [bool((image[:16, -16:, 2].astype(int) - image[:16, -16:, 1] > 150).any()) for image in window.shown]
    #              0      1      r     2     3      r      4
    assert red == [False, False, True, True, True, False, False]


def test_after_an_error_a_partial_recording_is_kept(
    window: FakeWindow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    window.keys = ["r"]
    with (
        pytest.raises(SinkError, match="unplugged"),
        WindowSink(controls(), mirror=False, folder=tmp_path) as sink,
    ):
        for index in range(3):
            sink.write(result(index, index / 10))
        raise SinkError("unplugged")
    (path,) = tmp_path.iterdir()
    assert path.name.endswith(".partial.mp4")
    assert caplog.messages[-1] == f"Recorded {path}."
    assert len(read_frames(path)) == 2


def test_a_recording_that_cannot_begin_is_logged_and_the_window_stays(
    window: FakeWindow, record: Record, tmp_path: Path
) -> None:
    messages = record("r----", tmp_path / "missing")
    assert len(messages) == 1
    assert "there is no folder" in messages[0]
    assert len(window.shown) == 6


def test_a_recording_that_fails_is_logged_and_the_window_stays(
    window: FakeWindow, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = VideoSink.write

    def fail(sink: VideoSink, each: Result) -> None:
        write(sink, each)
        if each.frame.index == 2:
            raise SinkError("the disk is full.")

    monkeypatch.setattr(VideoSink, "write", fail)
    messages = record("r----")
    (path,) = tmp_path.iterdir()
    assert messages[1:] == ["the disk is full.", f"Recorded {path}."]
    assert path.name.endswith(".partial.mp4")
    assert len(window.shown) == 6


def test_a_recording_without_a_frame_leaves_no_file(record: Record, tmp_path: Path) -> None:
    record("----r")
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_not_recorded(record: Record, tmp_path: Path) -> None:
    assert record("r q", hold=True) == ["Pictures are not recorded; s saves one."]
    assert list(tmp_path.iterdir()) == []


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs X11")


@linux
@pytest.mark.parametrize(
    ("display", "message"),
    [
        (None, "There is no display for a window: DISPLAY is not set; use `out` to write a file instead."),
        (":987", "There is no display for a window: :987 cannot be reached; use `out` to write a file instead."),
    ],
)
def test_no_display(monkeypatch: pytest.MonkeyPatch, display: str | None, message: str) -> None:
    pytest.importorskip("ctypes").CDLL("libX11.so.6")
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
    with pytest.raises(SinkError) as error:
        WindowSink(controls(), mirror=False)
    assert str(error.value) == message


def test_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(title: str, flags: int) -> None:
        raise cv2.error("The function is not implemented.")

    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    monkeypatch.setattr(cv2, "namedWindow", fail)
    with pytest.raises(SinkError, match=r"opencv-python-headless.*: use `out` to write a file instead\.$"):
        WindowSink(controls(), mirror=False)


CLOSE = """
import ctypes, sys
x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
x11.XInternAtom.restype = ctypes.c_ulong
display, window = ctypes.c_void_p(x11.XOpenDisplay(None)), int(sys.argv[1])
protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
# XClientMessageEvent (33): type, serial, send_event, display, window, message_type, format, data, each a long.
event = (ctypes.c_long * 24)(33, 0, 0, 0, window, protocols, 32, delete)
x11.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), event)
x11.XCloseDisplay(display)
"""
"""Does what the close button of a window does; no window manager runs here that could do it. This is a program of its
own, because Xlib ends the process that writes to a window which is gone."""

SHOW = """
import itertools
import numpy as np
from emotion_cam.drawing.view import Controls, View
from emotion_cam.result import Result
from emotion_cam.sinks.window import WindowSink
from emotion_cam.types import Frame
controls = Controls(View())
image = np.full((240, 320, 3), 90, np.uint8)
with WindowSink(controls, mirror=True, show_fps=True) as sink:
    for index in itertools.count():
        sink.write(Result(Frame(image, index, 0.0), (), controls.view))
        if sink.finished:
            break
print("finished")
"""


@pytest.mark.parametrize("way", ["q", "close"])
def test_a_real_window_is_quit(display: str, way: str) -> None:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "wayland"}  # OpenCV has no Wayland platform

    def run(*command: str) -> list[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.split()

    process = subprocess.Popen(
        [sys.executable, "-c", SHOW], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            for window in run("xdotool", "search", "--onlyvisible", "--name", f"^{window_module.TITLE}$"):
                if way == "close":
                    run(sys.executable, "-c", CLOSE, window)
                else:
                    run("xdotool", "key", "--window", window, way)
            time.sleep(0.2)
    finally:
        process.kill()
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "finished\n", "")
