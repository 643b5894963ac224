"""Runs fer's own Video.analyze, with its defaults, on a clip. speed.py starts this in fer's environment.

    python fer_analyze.py CLIP FOLDER

Prints as JSON the number of frames and their seconds of wall clock and processor time, without imports and loading.
"""

import json
import sys
import time

from fer.classes import Video
from fer.fer import FER

detector, video = FER(), Video(sys.argv[1], outdir=sys.argv[2])
wall, cpu = time.perf_counter(), time.process_time()
frames = video.analyze(detector, display=False)
print(json.dumps({"frames": len(frames), "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
