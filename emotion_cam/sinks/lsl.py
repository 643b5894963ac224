"""Streams of the Lab Streaming Layer, which laboratories record together with EEG, gaze and other signals."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.changes import SHORTEST, Change, LabelChanges
from emotion_cam.sinks.pace import Pace
from emotion_cam.sources.base import Source
from emotion_cam.types import Face
from emotion_cam.version import __version__

if TYPE_CHECKING:
    from types import TracebackType

    import pylsl

BOX = ("x1", "y1", "x2", "y2")

_CONFIGURATIONS = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where LSL looks for the user's configuration."""

_FLUSH = 0.2  # seconds in which the last samples are sent


class LslSink(Sink):
    """Two streams of the Lab Streaming Layer: NAME with the scores, and “NAME labels” with a marker for each change.

    The stream of scores, of type “Face”, has a sample for each face in a frame: the frame's number, the face's track
    number, its box in pixels, and the scores of each task, all float32. A frame without a face is one sample with
    nothing but the frame's number, and NaN. The channels' labels are in the stream's description, as in emotion/happy.

    A marker is a text such as “face 1/emotion/happy”, or “face 1/away”. As in all outputs of changes, what lasts for
    less than SHORTEST is left out. So a marker comes that much later; its time is that of the change.

    Times are those at which the frames were taken: the time that recognition takes is no part of them.

    Args:
        source: where the frames come from. A file is played at its own speed.
        name: the name of the stream.
        labels: the labels of each task, by its name.

    Raises:
        MissingExtraError: pylsl is not installed.
        SinkError: its library cannot be loaded, or the source is pictures.
    """

    def __init__(self, source: Source, name: str, labels: Mapping[str, Sequence[str]]) -> None:
        self._pace = Pace(source, "a stream of the Lab Streaming Layer")
        self._labels = labels
        self._changes = LabelChanges(SHORTEST)
        self._zero = 0.0  # the time of the source's start, on the clock of LSL
        units = {"frame": "number", "face": "number", **dict.fromkeys(BOX, "pixels")}
        units |= {f"{task}/{label}": "score" for task, names in labels.items() for label in names}
        self._width = len(units)
        lsl = _library()
        self._clock = lsl.local_clock
        self._scores = _open(lsl, _info(lsl, name, "Face", lsl.cf_float32, units), source)
        self._markers = _open(lsl, _info(lsl, f"{name} labels", "Markers", lsl.cf_string, {"label": "text"}), source)

    def write(self, result: Result) -> None:
        seconds = result.frame.time
        moment = self._pace.moment(seconds)
        stamp = self._clock() - time.monotonic() + moment
        samples = [self._sample(face) for face in result.faces] or [[math.nan] * (self._width - 1)]
        for number, sample in enumerate(samples, start=1):
            self._scores.push_sample([result.frame.index, *sample], stamp, pushthrough=number == len(samples))
        self._zero = stamp - seconds
        self._mark(self._changes.add(seconds, result.faces))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mark(self._changes.finish())
        if self._scores.have_consumers() or self._markers.have_consumers():
            time.sleep(_FLUSH)
        del self._scores, self._markers

    def _sample(self, face: Face) -> list[float]:
        sample = [math.nan if face.track is None else face.track, *face.box.xyxy]
        for task, names in self._labels.items():
            prediction = face.predictions.get(task)
            sample += [math.nan] * len(names) if prediction is None else prediction.scores.tolist()
        return sample

    def _mark(self, changes: Sequence[Change]) -> None:
        # A face that leaves does so for all of its tasks, and gets one marker.
        for text, seconds in dict.fromkeys((_marker(change), change.time) for change in changes):
            self._markers.push_sample([text], self._zero + seconds)


def _marker(change: Change) -> str:
    return f"face {change.track}/" + ("away" if change.label is None else f"{change.task}/{change.label}")


def _info(lsl: ModuleType, name: str, kind: str, form: int, units: Mapping[str, str]) -> pylsl.StreamInfo:
    """What a stream says of itself, with the label and unit of each channel."""
    # By the same identifier, a recorder finds the stream again after the program was started anew.
    identifier = f"emotion-cam {platform.node()} {name}"
    info = lsl.StreamInfo(name, kind, len(units), lsl.IRREGULAR_RATE, form, identifier)
    channels = info.desc().append_child("channels")
    for label, unit in units.items():
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    return info


def _open(lsl: ModuleType, info: pylsl.StreamInfo, source: Source) -> pylsl.StreamOutlet:
    software = info.desc().append_child("acquisition")
    software.append_child_value("manufacturer", f"emotion-cam {__version__}")
    software.append_child_value("source", source.name)
    return lsl.StreamOutlet(info)


@cache
def _library() -> ModuleType:
    """The module pylsl, whose library is silent unless the user has configured it."""
    try:
        import pylsl
    except ImportError as error:
        raise MissingExtraError("A stream of the Lab Streaming Layer", "lsl") from error
    except (OSError, RuntimeError) as error:  # the module is there without the library
        raise SinkError(f"The Lab Streaming Layer cannot be loaded: {error}.") from error
    if "LSLAPICFG" not in os.environ and not any(Path(file).expanduser().exists() for file in _CONFIGURATIONS):
        pylsl.set_config_content("[log]\nlevel = -2\n")
    module: ModuleType = pylsl
    return module
