"""What can go wrong, each told in one sentence that names the thing and the way out.

EmotionCamError
├── SourceError    a camera, video, stream, picture or table cannot be opened or read
├── SinkError      an output cannot be opened or written
├── DetectorError  there is no such detector, or it lacks something
├── ModelError     a model folder is missing, incomplete or inconsistent
├── GroupError     labels are grouped in a way that does not fit the models
├── DatasetError   a data set is missing or not in its official layout
├── TrainingError  a training run cannot start, go on or be resumed
└── MissingExtraError  an optional part of the installation is needed

The command line prints the message and exits with 1; nothing else in the package prints or exits.
"""


class EmotionCamError(Exception):
    """The parent of every error that this package raises on purpose."""


def sentence(error: EmotionCamError | OSError) -> str:
    """What an error says to people."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return str(error)


class SourceError(EmotionCamError):
    """A camera, video, stream, picture or table cannot be opened or read."""


class SinkError(EmotionCamError):
    """An output cannot be opened or written."""


class DetectorError(EmotionCamError):
    """There is no such detector, or it lacks something."""


class ModelError(EmotionCamError):
    """A model folder is missing, incomplete or inconsistent."""


class GroupError(EmotionCamError):
    """Labels are grouped in a way that does not fit the models."""


class DatasetError(EmotionCamError):
    """A data set is missing or not in its official layout."""


class TrainingError(EmotionCamError):
    """A training run cannot start, go on or be resumed."""


class MissingExtraError(EmotionCamError):
    """An optional part of the installation is needed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra “{extra}”: pip install 'emotion-cam[{extra}]'")
