"""A whole run of emotion-cam on a clip, as ``emotion-cam --video CLIP --out OUT.mp4`` does it. speed.py starts this.

    python whole_run.py CLIP OUT.mp4 [--plain | --detector NAME]

With --plain the clip is only decoded and encoded again. Prints as JSON the number of frames and their seconds of wall
clock and processor time, without imports and loading.
"""

import json
import sys
import time
from collections import Counter

import cv2

from emotion_cam import Recognizer, open_sink, open_source, run
from emotion_cam.detect import open_detector
from emotion_cam.result import Result
from emotion_cam.types import Image


class PlainResult(Result):
    """A result that draws nothing."""

    @property
    def annotated(self) -> Image:
        return self.frame.image


cv2.setNumThreads(1)  # as in the program
detector = sys.argv[sys.argv.index("--detector") + 1] if "--detector" in sys.argv else "haar"
recognizer = Recognizer(detector=open_detector(detector))
counter: Counter[str] = Counter()


def count(_: object) -> None:
    counter["frames"] += 1


wall, cpu = time.perf_counter(), time.process_time()
with open_source(video=sys.argv[1]) as source, open_sink(sys.argv[2], source) as sink:
    if "--plain" in sys.argv:
        for frame in source:
            sink.write(PlainResult(frame, ()))
            count(frame)
    else:
        follower = recognizer.follow()
        run(source, lambda frame: follower(frame.image, frame.time), [sink], on_result=count)
print(json.dumps({**counter, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
