"""What all visitors of a server share: the recognizer, the workers, the counters, the server's own source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_cam.drawing.view import View
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.result import Result
from emotion_cam.serve.door import Door
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.metrics import Metrics
from emotion_cam.serve.workers import Workers
from emotion_cam.types import Face

if TYPE_CHECKING:
    from emotion_cam.recognition.recognizer import Recognizer
    from emotion_cam.serve.live import LiveSource


@dataclass
class Service:
    """What all visitors share.

    Attributes:
        recognizer: the one recognizer; several threads use it at a time.
        models: how the streams are followed.
        view: what is drawn of the server's own source, and how a page begins.
        limits: what a visitor may send.
        workers: the threads that recognize.
        metrics: the counters.
        door: lets pages with webcams in.
        live: the server's own source; None if it has none.
        most_pages: how many webcams are recognized at a time; None for as many as get their answers in time.
        drawing: is held while a report is drawn: one at a time, because all threads share Matplotlib's settings.
    """

    recognizer: Recognizer
    models: ModelSpec
    workers: Workers
    view: View = View()
    limits: Limits = Limits()
    most_pages: InitVar[int | None] = None
    metrics: Metrics = field(default_factory=Metrics)
    live: LiveSource | None = None
    door: Door = field(init=False)
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self, most_pages: int | None) -> None:
        self.door = Door(most_pages, self.metrics, self.workers.busy)

    def count(self, origin: str, faces: Sequence[Face], started: float) -> None:
        """Count a recognized picture.

        Args:
            origin: "page", "request" or "source".
            faces: the faces in it.
            started: when its recognition began, by ``time.perf_counter``.
        """
        self.metrics.pictures.labels(origin).inc()
        self.metrics.faces.labels(origin).inc(len(faces))
        self.metrics.seconds.labels(origin).observe(time.perf_counter() - started)


def detailed(result: Result, *, maps: bool) -> dict[str, Any]:
    """A result as ``Result.as_dict`` has it, with what a page needs to draw it.

    Args:
        result: the result.
        maps: add to every prediction with a class map the one of its label, as ``map``: its box, rows and columns,
            and its values row by row, from 0 to 255, strongest at 255.

    Returns:
        The result, with the picture's width and height as ``size``.
    """
    table = result.as_dict()
    height, width = result.frame.image.shape[:2]
    table["size"] = [width, height]
    for entry, face in zip(table["faces"], result.faces if maps else (), strict=False):
        for task, prediction in face.predictions.items():
            activation, class_map = prediction.activation, prediction.class_map
            if activation is None or class_map is None:
                continue
            # As in drawing.activation: the maximum gets full color if it is above 1.
            strength = np.clip(activation * (255 / max(1.0, float(activation.max()))), 0, 255)
            entry["predictions"][task]["map"] = {
                "box": list(class_map.box.xyxy),
                "rows": activation.shape[0],
                "columns": activation.shape[1],
                "values": strength.astype(int).ravel().tolist(),
            }
    return table
