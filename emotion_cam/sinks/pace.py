"""When the frames of a source were taken, for outputs that other programs take as it happens."""

from __future__ import annotations

import time

from emotion_cam.errors import SinkError
from emotion_cam.sources.base import Source


class Pace:
    """The moments of a source's frames. A file is played at its own speed, as if it happened now.

    Args:
        source: where the frames come from.
        output: what they are for, in an error message.

    Raises:
        SinkError: the source is pictures.
    """

    def __init__(self, source: Source, output: str) -> None:
        if source.size is None:
            raise SinkError(f"{source.name} cannot feed {output}: use `camera` or `video` as the input.")
        self._live = source.live
        self._start = source.started

    def moment(self, seconds: float) -> float:
        """When a frame was taken, on the clock of ``time.monotonic``; returns no earlier than then.

        Args:
            seconds: the frame's time in its source.
        """
        if self._start is None:
            self._start = time.monotonic() - seconds
        moment = self._start + seconds
        if not self._live:
            time.sleep(max(0.0, moment - time.monotonic()))
        return moment
