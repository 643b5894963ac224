"""Finds faces: a detector takes a picture and returns boxes.

``haar`` is part of OpenCV and needs nothing else. ``yunet`` and ``blazeface`` are small networks, which also find
tilted heads and dim faces; each needs its model file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion_cam.detect.base import Detector


def open_detector(name: str, detector_model: Path | None = None, **options: Any) -> Detector:
    """Open a detector by its name. It uses as many threads as OpenCV (``cv2.setNumThreads``).

    Several threads may use one detector at the same time.

    >>> from emotion_cam.detect import open_detector
    >>> detector = open_detector("haar", min_face=0.1)
    >>> len(detector(image))
    1

    Args:
        name: a key of ``registry.DETECTORS``: "haar", "yunet" or "blazeface".
        detector_model: the detector's model file. Without it, the file is looked for in an installed package; see
            ``registry.MODEL_FILES``.
        options: parameters of the detector's class, such as ``min_face``.

    Raises:
        DetectorError: there is no such detector, its model file is missing or wrong, or OpenCV has no cascades.
        TypeError, ValueError: an option is of a wrong type or out of range.
    """
    from emotion_cam.detect.registry import DETECTORS, MODEL_FILES, find_model_file
    from emotion_cam.errors import DetectorError

    if name not in DETECTORS:
        raise DetectorError(f"There is no detector “{name}”; the detectors are {', '.join(DETECTORS)}.")
    if name in MODEL_FILES:
        options["model"] = find_model_file(name) if detector_model is None else detector_model
    elif detector_model is not None:
        raise DetectorError(f"The detector “{name}” takes no `detector_model`; {' and '.join(MODEL_FILES)} do.")
    return DETECTORS[name](**options)
