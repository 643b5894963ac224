"""emotion-cam: the emotion and perceived gender of each face in a picture, a video or a webcam.

>>> from emotion_cam import Recognizer
>>> recognizer = Recognizer()
>>> for face in recognizer(image):  # image: uint8 BGR, as cv2.imread reads it
...     print(face.predictions["emotion"].label, face.predictions["gender"].label)
happy woman

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotion_cam.version import __version__ as __version__

if TYPE_CHECKING:
    from emotion_cam.corpus.read import read as read
    from emotion_cam.drawing.draw import annotate as annotate
    from emotion_cam.drawing.view import View as View
    from emotion_cam.errors import EmotionCamError as EmotionCamError
    from emotion_cam.loop import run as run
    from emotion_cam.recognition.classifier import Classifier as Classifier
    from emotion_cam.recognition.recognizer import Recognizer as Recognizer
    from emotion_cam.recognition.spec import ModelSpec as ModelSpec
    from emotion_cam.result import Result as Result
    from emotion_cam.sinks.spec import OutputSpec as OutputSpec
    from emotion_cam.sinks.spec import open_sink as open_sink
    from emotion_cam.sources.spec import InputSpec as InputSpec
    from emotion_cam.sources.spec import open_source as open_source
    from emotion_cam.types import Box as Box
    from emotion_cam.types import Face as Face
    from emotion_cam.types import FaceBox as FaceBox
    from emotion_cam.types import Frame as Frame
    from emotion_cam.types import Landmarks as Landmarks
    from emotion_cam.types import Prediction as Prediction

_MODULES = {
    "Box": "types",
    "Classifier": "recognition.classifier",
    "EmotionCamError": "errors",
    "Face": "types",
    "FaceBox": "types",
    "Frame": "types",
    "InputSpec": "sources.spec",
    "Landmarks": "types",
    "ModelSpec": "recognition.spec",
    "OutputSpec": "sinks.spec",
    "Prediction": "types",
    "Recognizer": "recognition.recognizer",
    "Result": "result",
    "View": "drawing.view",
    "annotate": "drawing.draw",
    "open_sink": "sinks.spec",
    "open_source": "sources.spec",
    "read": "corpus.read",
    "run": "loop",
}

_RENAMED = {"Annotator": "annotate(image, faces, View(…))"}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        raise AttributeError(f"{__name__}.{name} is gone: use {_RENAMED[name]}.")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
