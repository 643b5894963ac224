"""Long videos and large pictures, for which memory stays within bounds, and crowds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.detect import open_detector
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.result import Result
from emotion_cam.sinks.tables import CsvSink
from emotion_cam.sinks.video import VideoSink
from emotion_cam.tables import read_table
from emotion_cam.types import Frame, Image
from tests.builders import write_picture, write_video

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

COPY = """
import sys
from pathlib import Path
from emotion_cam.result import Result
from emotion_cam.sinks import open_sink
from emotion_cam.sources import open_source

def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

samples = []
with open_source(video=sys.argv[1]) as source:
    with open_sink(sys.argv[2], source) as video, open_sink(sys.argv[3], source) as table:
        for frame in source:
            for sink in (video, table):
                sink.write(Result(frame, ()))
            if frame.index % 100 == 0:
                samples.append(memory())
handles = len(list(Path("/proc/self/fd").iterdir()))
print(len(samples), max(samples[5:10]), max(samples[-5:]), handles)
"""


@pytest.mark.slow
def test_an_hour_long_clip_takes_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "hour.mkv", list(range(3600)), audio="aac", audio_times=(0, 60), size=(64, 48))
    run = subprocess.run(
        [sys.executable, "-c", COPY, clip, tmp_path / "a.mp4", tmp_path / "a.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    count, early, late, handles = map(int, run.stdout.split())
    assert count == 36
    assert late - early < 8_000_000
    assert handles < 12


READ = """
import resource, sys
from emotion_cam.sources import open_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from emotion_cam.sources.pictures import ImageSource
(frame,) = open_source(image=sys.argv[1])
print(frame.image.size // 3, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_large_picture_takes_12_bytes_for_each_pixel(tmp_path: Path, suffix: str) -> None:
    path = write_picture(tmp_path / f"large{suffix}", np.full((6000, 5000, 3), 90, np.uint8))
    run = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True)
    pixels, memory = map(int, run.stdout.split())
    assert pixels == 30_000_000
    assert memory < 12 * pixels + 50_000_000


def test_a_hundred_faces(portrait: Image, tmp_path: Path) -> None:
    one = np.asarray(cv2.resize(portrait[0:260, 90:350], (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    crowd = np.tile(one, (10, 10, 1))
    recognizer = Recognizer(detector=open_detector("haar", min_face=0.03))
    faces = recognizer(crowd)
    assert len(faces) == 100
    assert {face.predictions["gender"].label for face in faces} == {"woman"}
    follower = recognizer.follow()
    with CsvSink(tmp_path / "a.csv") as table, VideoSink(tmp_path / "a.mp4", fps=10) as video:
        for index in range(2):
            found = Result(Frame(crowd, index, index / 10), follower(crowd, index / 10))
            table.write(found)
            video.write(found)
    assert len({face.track for face in found.faces}) == 100
    assert sum(len(frame.faces) for frame in read_table(tmp_path / "a.csv")) == 200
