"""Networks, data sets, training, evaluation and export. Needs the extra ``train``; the camera never imports this.

Import this package before Keras: it sets what TensorFlow reads from the environment when it starts.
"""

import importlib.util
import os

from emotion_cam.errors import MissingExtraError, TrainingError

# TensorFlow 2.21 corrupts its heap when it trains at 64×64 with oneDNN's AVX-512 kernels; AVX2 is as fast here.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

for _package in ("keras", "sklearn", "scipy", "matplotlib"):
    if importlib.util.find_spec(_package) is None:
        raise MissingExtraError("This command", "train")

_backend = os.environ.get("KERAS_BACKEND", "tensorflow")
if importlib.util.find_spec(_backend) is None:
    raise TrainingError(f"KERAS_BACKEND is “{_backend}”, which is not installed: pip install {_backend}")
