"""Every error that this package raises on purpose.

EmotionCamError
├── SourceError    a camera, video, stream, picture or table cannot be opened or read
├── SinkError      an output cannot be opened or written
├── DetectorError  a detector does not exist or lacks its model file
├── ModelError     a model folder is missing, incomplete or inconsistent
├── GroupError     label groups do not fit the models
├── DatasetError   a data set is missing or not in its official layout
├── TrainingError  a training run cannot start, continue or be resumed
├── ServeError     a server cannot start
└── MissingExtraError  an optional part of the installation is needed

Each message is one sentence that names the thing and the way out. Parameters stand in backticks, as in `min_face`; the
command line shows them as options. A wrong argument raises ValueError or TypeError, in the same style.
"""

from __future__ import annotations


class EmotionCamError(Exception):
    """The base class of all errors that this package raises on purpose."""


def message_of(error: BaseException) -> str:
    """The message of an error for people; an OSError names its file and the system's reason."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}."
    return str(error)


class SourceError(EmotionCamError):
    """A camera, video, stream, picture or table cannot be opened or read."""


class SinkError(EmotionCamError):
    """An output cannot be opened or written."""


class DetectorError(EmotionCamError):
    """A detector does not exist or lacks its model file."""


class ModelError(EmotionCamError):
    """A model folder is missing, incomplete or inconsistent."""


class GroupError(EmotionCamError):
    """Label groups do not fit the models."""


class DatasetError(EmotionCamError):
    """A data set is missing or not in its official layout."""


class TrainingError(EmotionCamError):
    """A training run cannot start, continue or be resumed."""


class ServeError(EmotionCamError):
    """A server cannot start."""


class MissingExtraError(EmotionCamError):
    """An optional part of the installation is needed.

    Args:
        feature: what needs it, as the message begins.
        extra: its name, as in ``pip install 'emotion-cam[extra]'``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)  # both, or it could not be sent to another process
        self.feature, self.extra = feature, extra

    def __str__(self) -> str:
        return f"{self.feature} needs the extra “{self.extra}”: pip install 'emotion-cam[{self.extra}]'"
