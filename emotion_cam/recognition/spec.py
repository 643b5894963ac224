"""What recognizes faces and how, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_cam.defaults import MIN_FACE, SEARCH_EVERY, SMOOTH

if TYPE_CHECKING:
    from emotion_cam.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class ModelSpec:
    """Which predictions to make, and with what.

    Attributes:
        model: A model folder of your own. It replaces the shipped model of the same task, or adds a task. May be
            repeated.
        without: A task to leave out, as in gender; its model is not even loaded. May be repeated.
        group: Labels under a common name, with the sum of their scores, as in positive=happy,surprise. May be
            repeated.
        adapt: A file of `emotion-cam adapt`, which adapts the model of its task to one person. May be repeated.
        min_confidence: The score below which a label reads “unsure”; 0 for never. Each model's card has its own
            default.
        smooth: How many seconds of a video each face's scores are averaged over; 0 shows every frame's own scores.
        runtime: What runs the networks: litert, or keras (the Keras file itself; needs the extra “train”).
        detector: What finds the faces: haar; or mini, yunet or blazeface, which also find tilted heads and dim faces.
        detector_model: The model file of yunet (ONNX) or blazeface (TFLite). Without it, the file is looked for in
            the installed packages that contain it.
        min_face: The smallest face to find, as a share of the picture's shorter side; larger is faster.
        every: How many seconds a search of a video's whole picture for new faces may take; longer is faster, 0 searches
            every frame. The default is 0.2, or 0 where faces are blurred.
        threads: How many processor cores detection and networks may use.

    Raises:
        ValueError: a value is out of range, or a group is written wrongly.
    """

    model: tuple[Path, ...] = ()
    without: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    adapt: tuple[Path, ...] = ()
    min_confidence: float | None = None
    smooth: float = SMOOTH
    runtime: str = "litert"
    detector: str = "haar"
    detector_model: Path | None = None
    min_face: float = MIN_FACE
    every: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise ValueError(f"`min_confidence` must be between 0 and 1, not {self.min_confidence:g}.")
        if not 0.01 <= self.min_face <= 1:
            raise ValueError(f"`min_face` must be between 0.01 and 1, not {self.min_face:g}.")
        for name, seconds in (("smooth", self.smooth), ("every", self.every)):
            if seconds is not None and not seconds >= 0:
                raise ValueError(f"`{name}` must be at least 0 seconds, not {seconds:g}.")
        if self.threads < 1:
            raise ValueError(f"`threads` must be at least 1, not {self.threads}.")
        parse_groups(self.group)

    def open(self) -> Recognizer:
        """Load the detector and the models.

        Raises:
            DetectorError, ModelError, GroupError, MissingExtraError: something is missing or does not fit.
        """
        import cv2

        from emotion_cam.detect import open_detector
        from emotion_cam.recognition.recognizer import Recognizer

        cv2.setNumThreads(self.threads)
        return Recognizer(
            self.model,
            without=self.without,
            detector=open_detector(self.detector, self.detector_model, min_face=self.min_face),
            runtime=self.runtime,
            threads=self.threads,
            min_confidence=self.min_confidence,
            groups=parse_groups(self.group),
            adapt=self.adapt,
        )

    def search_every(self, *, hides_faces: bool) -> float:
        """How many seconds a search for new faces may take.

        Args:
            hides_faces: whether faces are blurred; then no frame may wait for its share of a search.
        """
        if self.every is not None:
            return self.every
        return 0.0 if hides_faces else SEARCH_EVERY


def parse_groups(entries: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The labels of each group by its name, from entries such as positive=happy,surprise.

    Raises:
        ValueError: an entry is written wrongly, or a name comes twice.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name, _, listed = entry.partition("=")
        labels = tuple(label.strip() for label in listed.split(","))
        if not (name.strip() and all(labels)):
            raise ValueError(f"`group` must be written as in positive=happy,surprise, not “{entry}”.")
        if name.strip() in groups:
            raise ValueError(f"`group` has the name “{name.strip()}” twice.")
        groups[name.strip()] = labels
    return groups
