"""The window, played by a stand-in, and once shown on a real display."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from emotion_cam.annotate.draw import Annotator
from emotion_cam.errors import SinkError
from emotion_cam.pipeline import TASK_KEYS, Job, Outcome, do
from emotion_cam.sinks import VideoSink, WindowSink
from emotion_cam.sinks import window as window_module
from emotion_cam.types import Box, ClassMap, Face, Image, Result
from tests.sinks.test_files import prediction, read, result
from tests.sources.test_files import picture


class FakeWindow:
    """Stands in for OpenCV's window: shows nothing, and gets the keys that it is told, None being no key."""

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
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result())
        assert not sink.finished
    np.testing.assert_array_equal(window.shown[0], picture())
    assert not window.open
    assert window.size == (320, 240)


def test_a_large_picture_gets_a_window_that_fits(window: FakeWindow) -> None:
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result(image=np.zeros((2160, 3840, 3), np.uint8)))
    assert window.size == (1280, 720)


def test_the_mirror_draws_after_the_flip(window: FakeWindow) -> None:
    def draw(image: Image, faces: Sequence[Face]) -> Image:
        canvas = image.copy()
        canvas[0, : faces[0].box.x1] = (1, 2, 3)
        return canvas

    face = Face(Box(100, 0, 120, 20))
    with WindowSink(Annotator(), mirror=True) as sink:
        sink.write(Result(result().frame, (face,), draw))
    expected = picture()[:, ::-1].copy()
    expected[0, : 320 - 120] = (1, 2, 3)
    np.testing.assert_array_equal(window.shown[0], expected)


@pytest.mark.parametrize("key", ["q", "Q", "\x1b"])
def test_keys_that_quit(window: FakeWindow, key: str) -> None:
    window.keys = [None, key]
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result(0))
        assert not sink.finished
        sink.write(result(1))
        assert sink.finished


def test_keys_are_heard_while_no_picture_comes(window: FakeWindow) -> None:
    window.keys = ["s", None, "q"]
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.poll()
        assert len(window.keys) == 3  # nothing was shown yet, so that there is nothing to save
        window.keys = [None, None, "q"]
        sink.write(result())
        sink.poll()
        assert not sink.finished
        sink.poll()
        assert sink.finished


def test_closing_the_window_quits(window: FakeWindow) -> None:
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result())
        window.open = False
        sink.write(result())
        assert sink.finished


def test_space_pauses_until_space(window: FakeWindow) -> None:
    window.keys = [" ", None, "x", None, " ", None]
    with WindowSink(Annotator(), mirror=False) as sink:
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
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result())
        assert sink.finished


def test_hold_waits_at_every_frame(window: FakeWindow) -> None:
    window.keys = [None, None, " ", None, "\r"]
    with WindowSink(Annotator(), mirror=False, hold=True) as sink:
        sink.write(result(0))
        assert window.keys == [None, "\r"]
        sink.write(result(1))
        assert window.keys == []


@pytest.mark.parametrize("keys", [["s"], [" ", None, "S", " "]], ids=["running", "paused"])
def test_s_saves_what_is_seen(window: FakeWindow, tmp_path: Path, keys: list[str | None]) -> None:
    messages: list[str] = []
    window.keys = keys
    with WindowSink(Annotator(), mirror=True, show_fps=True, folder=tmp_path, on_message=messages.append) as sink:
        sink.write(result())
    (path,) = tmp_path.iterdir()
    assert messages == [f"Saved {path}."]
    assert re.fullmatch(r"emotion-cam-\d{8}-\d{6}-\d{3}\.png", path.name)
    np.testing.assert_array_equal(cv2.imread(str(path)), picture()[:, ::-1])  # without the frames per second


def test_a_snapshot_that_fails_is_told_and_stops_nothing(window: FakeWindow, tmp_path: Path) -> None:
    messages: list[str] = []
    window.keys = ["s"]
    with WindowSink(Annotator(), mirror=False, folder=tmp_path / "missing", on_message=messages.append) as sink:
        sink.write(result())
        assert not sink.finished
    assert len(messages) == 1
    assert "cannot be written" in messages[0]


def test_frames_per_second_are_refreshed_about_once_a_second(
    window: FakeWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    told: list[str] = []
    monkeypatch.setattr(window_module, "time", clock)
    monkeypatch.setattr(window_module.FPS, "elapsed", lambda fps: 1.0)
    monkeypatch.setattr(window_module, "draw_corner_text", lambda image, text: told.append(text))
    shared = result()
    with WindowSink(Annotator(), mirror=False, show_fps=True) as sink:
        for _ in range(40):
            clock.now += 1 / 16
            sink.write(shared)
    assert told == [""] * 15 + ["16 fps"] * 25


def test_the_rate_is_drawn_on_the_window_alone(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module._Rate, "count", lambda rate: setattr(rate, "text", "20 fps"))
    shared = result()
    with WindowSink(Annotator(), mirror=False, show_fps=True) as sink:
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
)


def drawn(annotator: Annotator, *faces: Face) -> Image:
    return annotator(picture(), faces)


@pytest.mark.parametrize("key", window_module.SWITCHES)
def test_a_switch_changes_what_all_outputs_get(window: FakeWindow, key: str) -> None:
    name = window_module.SWITCHES[key]
    annotator = Annotator()
    before = getattr(annotator, name)
    window.keys = [None, key]
    with WindowSink(annotator, mirror=False) as sink:
        for _ in range(2):
            sink.write(Result(result().frame, (FACE,), annotator))
        later = Result(result().frame, (FACE,), annotator)
        assert getattr(annotator, name) is not before
        window.keys = [key]
        sink.write(later)
        assert getattr(annotator, name) is before
    expected = drawn(Annotator(**{name: not before}), FACE)
    assert (expected != drawn(Annotator(), FACE)).any()
    np.testing.assert_array_equal(later.annotated, expected)
    np.testing.assert_array_equal(window.shown[1], drawn(Annotator(), FACE))
    np.testing.assert_array_equal(window.shown[2], expected)  # at once
    np.testing.assert_array_equal(window.shown[4], drawn(Annotator(), FACE))


def test_a_switch_shows_at_once_during_a_pause(window: FakeWindow) -> None:
    annotator = Annotator()
    window.keys = [" ", None, "a", None, "q"]
    with WindowSink(annotator, mirror=False) as sink:
        sink.write(Result(result().frame, (FACE,), annotator))
    np.testing.assert_array_equal(window.shown[2], drawn(Annotator(bars=False), FACE))


def test_a_task_is_hidden_and_shown_again(window: FakeWindow) -> None:
    annotator = Annotator()
    window.keys = ["g", "g"]
    with WindowSink(annotator, mirror=False, tasks=TASK_KEYS) as sink:
        sink.write(Result(result().frame, (FACE,), annotator))
        assert annotator.hidden == {"gender"}
        sink.write(Result(result().frame, (FACE,), annotator))
        assert annotator.hidden == set()
    without = Face(FACE.box, {"emotion": FACE.predictions["emotion"]})
    np.testing.assert_array_equal(window.shown[0], drawn(Annotator(), FACE))
    np.testing.assert_array_equal(window.shown[1], drawn(Annotator(), without))
    np.testing.assert_array_equal(window.shown[3], drawn(Annotator(), FACE))


def test_m_turns_the_mirror_of_the_window_alone(window: FakeWindow) -> None:
    window.keys = ["m", None, "m"]
    shared = [result(index) for index in range(3)]
    with WindowSink(Annotator(), mirror=True) as sink:
        for each in shared:
            sink.write(each)
    expected = [picture(0)[:, ::-1], picture(0), picture(1), picture(2), picture(2)[:, ::-1]]
    for shown, wanted in zip(window.shown, expected, strict=True):
        np.testing.assert_array_equal(shown, wanted)
    np.testing.assert_array_equal(shared[1].annotated, picture(1))


def test_f_fills_the_screen_and_goes_back(window: FakeWindow) -> None:
    window.keys = ["f", "f"]
    with WindowSink(Annotator(), mirror=False) as sink:
        sink.write(result())
        assert window.full == cv2.WINDOW_FULLSCREEN
        sink.write(result())
        assert window.full == cv2.WINDOW_NORMAL


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is drawn on h."""
    lists: list[dict[str, str]] = []
    draw = window_module.draw_keys
    monkeypatch.setattr(window_module, "draw_keys", lambda image, keys: lists.append(keys) or draw(image, keys))
    return lists


def test_h_lists_every_key(window: FakeWindow, listed: list[dict[str, str]]) -> None:
    window.keys = ["h", None, "h"]
    shared = result(1)
    with WindowSink(Annotator(), mirror=False, tasks=TASK_KEYS) as sink:
        sink.write(result(0))
        sink.write(shared)
        sink.write(result(2))
        does = [key.does for key in sink.keys.values()]
    assert [list(keys.values()) for keys in listed] == [does] * 3
    assert list(listed[0])[:3] == ["q", "space", "s"]
    assert (window.shown[2] != picture(1)).any()
    np.testing.assert_array_equal(shared.annotated, picture(1))
    np.testing.assert_array_equal(window.shown[-1], picture(2))


@pytest.mark.parametrize("without", [[], ["gender"]])
def test_a_task_that_is_not_told_has_no_key(
    window: FakeWindow, listed: list[dict[str, str]], portrait: Image, tmp_path: Path, without: list[str]
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), portrait)
    window.keys = ["h", "q"]
    do(Job(image=tmp_path / "photo.png", show=True, without=frozenset(without)), Outcome())
    assert ("gender" in listed[0].values()) == (not without)


def test_the_readme_lists_the_same_keys(window: FakeWindow) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    with WindowSink(Annotator(), mirror=False, tasks=TASK_KEYS) as sink:
        keys = {"space" if key == " " else key for key in sink.keys}
    assert set(re.findall(r"\*\*(\w+)\*\*", readme[readme.index("In the window") :].split("\n\n")[0])) == {*keys, "Esc"}


# Recording


def record(window: FakeWindow, folder: Path, keys: str, **options: bool) -> list[str]:
    """Show frames at 0, 0.5, 1.5, 1.6 and 5 seconds, each followed by a key or "-"; returns what is told."""
    messages: list[str] = []
    window.keys = [None if key == "-" else key for key in keys]
    with WindowSink(Annotator(), mirror=True, folder=folder, on_message=messages.append, **options) as sink:
        for index, seconds in enumerate([0, 0.5, 1.5, 1.6, 5]):
            sink.write(result(index, seconds))
            if sink.finished:
                break
    return messages


@pytest.mark.parametrize("keys", ["r--r-", "r--q"], ids=["r", "quit"])
def test_r_records_what_is_seen_at_its_own_times(
    window: FakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setattr(window_module._Rate, "count", lambda rate: setattr(rate, "text", "20 fps"))
    messages = record(window, tmp_path, keys, show_fps=True)
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r"emotion-cam-\d{8}-\d{6}-\d{3}\.mp4", path.name)
    assert messages == [f"Recording {path}.", f"Recorded {path}."]
    with av.open(str(path)) as video:
        assert [frame.time for frame in video.decode(video=0)] == pytest.approx([0, 1.0, 1.1], abs=0.001)
    for index, frame in enumerate(read(path)):  # as in a mirror, and without the frames per second
        difference = np.abs(frame.image.astype(int) - picture(index + 1)[:, ::-1])
        assert difference[:20, :60].mean() < 8
        assert difference.mean() < 4


def test_a_dot_says_that_it_is_recording(window: FakeWindow, tmp_path: Path) -> None:
    record(window, tmp_path, "-r-r-")
    red = [bool((image[:16, -16:, 2].astype(int) - image[:16, -16:, 1] > 150).any()) for image in window.shown]
    #              0      1      r     2     3      r      4
    assert red == [False, False, True, True, True, False, False]


def test_a_recording_that_an_error_ends_keeps_what_it_has(window: FakeWindow, tmp_path: Path) -> None:
    messages: list[str] = []
    window.keys = ["r"]
    with (
        pytest.raises(SinkError, match="unplugged"),
        WindowSink(Annotator(), mirror=False, folder=tmp_path, on_message=messages.append) as sink,
    ):
        for index in range(3):
            sink.write(result(index, index / 10))
        raise SinkError("unplugged")
    (path,) = tmp_path.iterdir()
    assert path.name.endswith(".partial.mp4")
    assert messages[-1] == f"Recorded {path}."
    assert len(read(path)) == 2


def test_a_recording_that_cannot_begin_is_told_and_stops_nothing(window: FakeWindow, tmp_path: Path) -> None:
    messages = record(window, tmp_path / "missing", "r----")
    assert len(messages) == 1
    assert "there is no folder" in messages[0]
    assert len(window.shown) == 6


def test_a_recording_that_fails_is_told_and_stops_nothing(
    window: FakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = VideoSink.write

    def fail(sink: VideoSink, each: Result) -> None:
        write(sink, each)
        if each.frame.index == 2:
            raise SinkError("the disk is full.")

    monkeypatch.setattr(VideoSink, "write", fail)
    messages = record(window, tmp_path, "r----")
    (path,) = tmp_path.iterdir()
    assert messages[1:] == ["the disk is full.", f"Recorded {path}."]
    assert path.name.endswith(".partial.mp4")
    assert len(window.shown) == 6


def test_a_recording_without_a_frame_leaves_nothing(window: FakeWindow, tmp_path: Path) -> None:
    record(window, tmp_path, "----r")
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_not_recorded(window: FakeWindow, tmp_path: Path) -> None:
    assert record(window, tmp_path, "r q", hold=True) == ["A picture is not recorded: s saves it."]
    assert list(tmp_path.iterdir()) == []


linux = pytest.mark.skipif(sys.platform != "linux", reason="the display of Linux")


@linux
@pytest.mark.parametrize(
    ("display", "message"),
    [
        (None, "There is no display for a window: DISPLAY is not set; use --out to write a file instead."),
        (":987", "There is no display for a window: :987 cannot be reached; use --out to write a file instead."),
    ],
)
def test_no_display(monkeypatch: pytest.MonkeyPatch, display: str | None, message: str) -> None:
    pytest.importorskip("ctypes").CDLL("libX11.so.6")
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
    with pytest.raises(SinkError) as error:
        WindowSink(Annotator(), mirror=False)
    assert str(error.value) == message


def test_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(title: str, flags: int) -> None:
        raise cv2.error("The function is not implemented.")

    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    monkeypatch.setattr(cv2, "namedWindow", fail)
    with pytest.raises(SinkError, match=r"opencv-python-headless.*: use --out to write a file instead\.$"):
        WindowSink(Annotator(), mirror=False)


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
"""What the button in a window's corner does; no window manager runs here to do it. A program of its own, for Xlib ends
the one that writes to a window which is gone."""

SHOW = """
import itertools
import numpy as np
from emotion_cam.annotate.draw import Annotator
from emotion_cam.sinks import WindowSink
from emotion_cam.types import Frame, Result
image = np.full((240, 320, 3), 90, np.uint8)
with WindowSink(Annotator(), mirror=True, show_fps=True) as sink:
    for index in itertools.count():
        sink.write(Result(Frame(image, index, 0.0), (), lambda image, faces: image))
        if sink.finished:
            break
print("finished")
"""


@pytest.mark.parametrize("way", ["q", "close"])
def test_a_real_window_is_quit(display: str, way: str) -> None:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "wayland"}  # which OpenCV does not have

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
