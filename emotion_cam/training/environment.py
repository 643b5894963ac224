"""What must be set and installed before Keras and TensorFlow are imported. Light to import."""

from __future__ import annotations

import importlib.util
import os

from emotion_cam.errors import MissingExtraError, TrainingError

PACKAGES = ("keras", "sklearn", "scipy", "matplotlib")
"""What the extra ``train`` installs, besides Keras's backend."""


def prepare() -> None:
    """Set what TensorFlow reads from the environment when it starts, and check that the extra is installed.

    Raises:
        MissingExtraError: a package of the extra ``train`` is missing.
        TrainingError: KERAS_BACKEND names a backend that is not installed.
    """
    # TensorFlow 2.21 corrupts its heap when it trains at 64×64 with oneDNN's AVX-512 kernels; AVX2 is as fast here.
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise MissingExtraError("This command", "train")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if importlib.util.find_spec(backend) is None:
        raise TrainingError(f"KERAS_BACKEND is “{backend}”, which is not installed: pip install {backend}")
