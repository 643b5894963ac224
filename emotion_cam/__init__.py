"""emotion-cam: what each face in a picture, a video or a webcam shows.

    from emotion_cam import Recognizer

    faces = Recognizer()(image)                       # image: uint8 BGR, as cv2.imread gives it
    for face in faces:
        print(face.box, face.predictions["emotion"].label, face.predictions["gender"].label)

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from emotion_cam.annotate.draw import Annotator as Annotator
    from emotion_cam.recognition.classifier import Classifier as Classifier
    from emotion_cam.errors import EmotionCamError as EmotionCamError
    from emotion_cam.loop import run as run
    from emotion_cam.recognition.recognizer import Recognizer as Recognizer
    from emotion_cam.sinks import open_sink as open_sink
    from emotion_cam.sources import open_source as open_source
    from emotion_cam.types import Box as Box
    from emotion_cam.types import Face as Face
    from emotion_cam.types import Frame as Frame
    from emotion_cam.types import Prediction as Prediction
    from emotion_cam.types import Result as Result

_HOMES = {
    "Annotator": "annotate.draw",
    "Classifier": "recognition.classifier",
    "EmotionCamError": "errors",
    "run": "loop",
    "Recognizer": "recognition.recognizer",
    "open_sink": "sinks",
    "open_source": "sources",
    "Box": "types",
    "Face": "types",
    "Frame": "types",
    "Prediction": "types",
    "Result": "types",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
