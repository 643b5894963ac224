"""A whole run of emotion-cam over a clip, as ``emotion-cam --video CLIP --out OUT.mp4`` does it; run by speed.py.

    python whole_run.py CLIP OUT.mp4 [--plain]

With --plain the clip is only decoded and encoded again, without looking at it. Prints as JSON the frames, and the
seconds of wall clock and processor that they took, without imports and loading.
"""

import json
import sys
import time
from collections import Counter

import cv2

from emotion_cam import Annotator, Recognizer, open_sink, open_source, run

cv2.setNumThreads(1)  # as the program does
recognizer, annotate = Recognizer(), Annotator()
counter: Counter[str] = Counter()


def count(_: object) -> None:
    counter["frames"] += 1


wall, cpu = time.perf_counter(), time.process_time()
with open_source(video=sys.argv[1]) as source, open_sink(sys.argv[2], source) as sink:
    if "--plain" in sys.argv:
        run(source, lambda frame: (), lambda image, faces: image, [sink], count)
    else:
        run(source, recognizer.follow(), annotate, [sink], count)
print(json.dumps({**counter, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
