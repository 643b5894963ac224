"""Long videos and large pictures: memory stays within bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
