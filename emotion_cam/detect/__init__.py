"""Where the faces are: a detector takes a picture and gives boxes.

``haar`` comes with OpenCV and needs nothing else. ``yunet`` and ``blazeface`` are small networks, which also see tilted
heads and dim faces; their files are the user's, or fetched once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emotion_cam.detect.base import Detector as Detector
from emotion_cam.detect.base import StreamDetector as StreamDetector
from emotion_cam.detect.base import mostly_inside as mostly_inside
from emotion_cam.detect.base import same_face as same_face
from emotion_cam.detect.blazeface import BlazeFaceDetector as BlazeFaceDetector
from emotion_cam.detect.haar import HaarDetector as HaarDetector
from emotion_cam.detect.weights import WEIGHTS, fetched
from emotion_cam.detect.yunet import YuNetDetector as YuNetDetector
from emotion_cam.errors import DetectorError

DETECTORS: dict[str, Callable[..., Detector]] = {
    "haar": HaarDetector,
    "yunet": YuNetDetector,
    "blazeface": BlazeFaceDetector,
}
"""By name. A new detector is a module beside this one and a line here; if it takes a model file, a line in WEIGHTS."""


def open_detector(
    name: str, model: Path | None = None, *, tell: Callable[[str], None] = lambda message: None, **options: Any
) -> Detector:
    """The detector of that name in ``DETECTORS``, on as many threads as OpenCV may use (``cv2.setNumThreads``).

    Args:
        name: which one.
        model: its model file; without one it is fetched, the first time.
        tell: is told in a sentence if something is fetched.
        options: the detector's own.

    Raises:
        DetectorError: there is no such detector, it lacks something, or the file is none of its own.
        MissingExtraError: a file is to be fetched, but the extra ``detectors`` is not installed.
        ValueError: an option is wrong.
    """
    if name not in DETECTORS:
        raise DetectorError(f"There is no detector “{name}”; there are {', '.join(DETECTORS)}.")
    if name in WEIGHTS:
        options["model"] = fetched(name, tell) if model is None else model
    elif model is not None:
        raise DetectorError(f"The detector “{name}” takes no model file; {' and '.join(WEIGHTS)} do.")
    return DETECTORS[name](**options)
