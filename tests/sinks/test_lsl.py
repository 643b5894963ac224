"""LslSink, with a real receiver in another process."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.sinks import lsl
from emotion_cam.sinks.lsl import LslSink
from emotion_cam.sinks.spec import OutputSpec
from emotion_cam.sources.base import Source
from emotion_cam.sources.pictures import ImageSource
from emotion_cam.types import Box, Face, Frame
from tests.builders import prediction, result, write_picture

RECEIVER = Path(__file__).parents[1] / "lsl_receiver.py"
LABELS = {"mood": ("happy", "sad"), "gender": ("man", "woman")}


@pytest.fixture(autouse=True)
def _this_machine_only(lsl_configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSLAPICFG", str(lsl_configuration))


class Receiver:
    """The other process."""

    def __init__(self, name: str, samples: int, markers: int) -> None:
        command = [sys.executable, str(RECEIVER), name, str(samples), str(markers)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def received(self) -> dict[str, Any]:
        out, _ = self._process.communicate(timeout=60)
        found: dict[str, Any] = json.loads(out.removeprefix("ready\n"))
        return found


class Live(Source):
    """A camera."""

    name, live, size = "camera 0", True, (320, 240)

    def __init__(self) -> None:
        self.started: float = time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        yield from ()


def face(track: int, mood: str = "happy") -> Face:
    scores = {each: 0.75 if each == mood else 0.25 for each in LABELS["mood"]}
    return Face(Box(10, 20, 30, 44), {"mood": prediction(**scores), "gender": prediction(man=0.25, woman=0.75)}, track)


def test_samples_and_markers_have_the_times_at_which_their_frames_were_taken() -> None:
    source, name = Live(), f"test {os.getpid()}"
    frames = [[face(1)]] * 8 + [[face(1), face(2, "sad")]] * 8 + [[face(2, "sad")]] * 8 + [[]] * 8
    with LslSink(source, name, LABELS) as sink:
        receiver = Receiver(name, samples=40, markers=6)
        receiver.wait_until_ready()
        moments = []
        for index, faces in enumerate(frames):
            time.sleep(0.02)
            moments.append(time.monotonic())
            time.sleep(0.03)  # recognition takes time
            sink.write(result(index, moments[-1] - source.started, faces=faces))
    received = receiver.received()
    assert (received["type"], received["format"]) == ("Face", 1)  # float32
    assert received["labels"] == [
        *("frame", "face", "x1", "y1", "x2", "y2"),
        *("mood/happy", "mood/sad", "gender/man", "gender/woman"),
    ]

    samples = received["scores"]
    nobody = pytest.approx(math.nan, nan_ok=True)
    tracks: list[list[object]] = [[face.track for face in faces] or [nobody] for faces in frames]
    assert [sample[:2] for sample, _ in samples] == [
        [index, track] for index, of_frame in enumerate(tracks) for track in of_frame
    ]
    assert samples[0][0] == [0, 1, 10, 20, 30, 44, 0.75, 0.25, 0.25, 0.75]
    assert all(math.isnan(value) for value in samples[-1][0][1:])
    errors = [abs(moment - moments[int(sample[0])]) for sample, moment in samples]
    assert statistics.median(errors) < 0.02

    markers = received["markers"]
    expected = {
        "face 1/mood/happy": 0,
        "face 1/gender/woman": 0,
        "face 2/mood/sad": 8,
        "face 2/gender/woman": 8,
        "face 1/away": 16,
        "face 2/away": 24,
    }
    assert [marker for (marker,), _ in markers] == [*expected]
    assert all(abs(moment - moments[expected[marker]]) < 0.04 for (marker,), moment in markers)


@pytest.mark.parametrize("is_configured", [True, False])
def test_its_library_is_silent_unless_the_user_has_configured_it(is_configured: bool, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    del environment["LSLAPICFG"]
    if is_configured:
        (tmp_path / "lsl_api.cfg").write_text("[log]\nlevel = 0\n")
    code = "from emotion_cam.sinks.lsl import _library; _library().StreamInfo('a', 'b', 1, 0, 1, 'c')"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert bool(run.stderr) == is_configured


@pytest.mark.parametrize("name", ["", " "])
def test_the_name_is_checked(name: str) -> None:
    with pytest.raises(ValueError, match=r"^`lsl` must be a name\.$"):
        OutputSpec(lsl=name)


def test_pictures_are_refused(tmp_path: Path) -> None:
    source = ImageSource(write_picture(tmp_path / "a.png"))
    with pytest.raises(SinkError, match=r"^a\.png cannot feed a stream of the Lab Streaming Layer: use `camera` or"):
        LslSink(source, "test", LABELS)


@pytest.mark.parametrize("installed", ["without pylsl", "without its library"])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: str) -> None:
    lsl._library.cache_clear()
    monkeypatch.delitem(sys.modules, "pylsl", raising=False)
    if installed == "without pylsl":
        monkeypatch.setitem(sys.modules, "pylsl", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'emotion-cam\[lsl\]'"):
            LslSink(Live(), "test", LABELS)
    else:
        (tmp_path / "pylsl.py").write_text("raise RuntimeError('no library was found')")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(SinkError, match=r"^The Lab Streaming Layer cannot be loaded: no library was found\.$"):
            LslSink(Live(), "test", LABELS)
