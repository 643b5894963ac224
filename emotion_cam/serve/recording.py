"""Records for the report that a visitor asks for."""

from __future__ import annotations

import threading

import msgspec

from emotion_cam.errors import EmotionCamError, message_of
from emotion_cam.report import render
from emotion_cam.report.history import History
from emotion_cam.result import Result
from emotion_cam.serve.service import Service


class Recorder:
    """What one visitor records. Several threads may use it, and ``report`` belongs to the event loop.

    Args:
        service: what all visitors share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._recording: _Recording | None = None
        self._lock = threading.Lock()

    @property
    def is_recording(self) -> bool:
        return self._recording is not None

    def start(self, *, at: float | None = None) -> None:
        """Record from now on, and forget what was recorded.

        Args:
            at: the time that is 0 in the report; None for the time of the first result.
        """
        limits = self._service.limits
        with self._lock:
            self._recording = _Recording(limits.report_faces, limits.report_tracks, at)

    def drop(self) -> None:
        """Forget what was recorded, and record no more."""
        with self._lock:
            self._recording = None

    def add(self, result: Result, *, with_picture: bool) -> None:
        """Add a result, if there is a recording."""
        with self._lock:
            if self._recording is not None:
                self._recording.add(result, with_picture=with_picture)

    async def report(self) -> str:
        """End the recording; returns the message with its report, or with the reason why there is none."""
        with self._lock:
            recording, self._recording = self._recording, None
        answer: dict[str, object] = {"type": "report"}
        if recording is None or recording.is_empty:
            answer["error"] = "Nothing was recorded for a report."
        else:
            try:
                async with self._service.drawing:
                    page = await self._service.workers.run(recording.page)
                answer |= {"page": page, "complete": recording.is_complete}
            except EmotionCamError as error:
                answer["error"] = message_of(error)
        return msgspec.json.encode(answer).decode()


class _Recording:
    """What a report is made of: numbers, and thumbnails of strongest moments; no frame is kept.

    Attributes:
        is_empty: whether nothing was recorded.
        is_complete: whether everything found a place.
    """

    def __init__(self, most_faces: int, most_tracks: int, start: float | None) -> None:
        self._history = History()
        self._faces_left = most_faces
        self._most_tracks = most_tracks
        self._start = start
        self._time = 0.0  # of the latest result, from the start
        self.is_empty = True
        self.is_complete = True

    def add(self, result: Result, *, with_picture: bool) -> None:
        """Record a result; once the limits are reached, nothing more."""
        frame = result.frame
        tracks = sum(len(source.faces) for source in self._history.sources.values())
        self._faces_left -= 1 + len(result.faces)
        if self._faces_left < 0 or tracks > self._most_tracks:
            self.is_complete = False
            return
        if self._start is None or frame.time < self._start + self._time:  # the first one, or a file that starts over
            self._start = frame.time - self._time
        self._time = frame.time - self._start
        image = frame.image if with_picture else None
        self._history.add(frame.source, frame.index, self._time, result.faces, image)
        self.is_empty = False

    def page(self) -> str:
        """The report as a page."""
        return render(self._history, ".html").decode()
