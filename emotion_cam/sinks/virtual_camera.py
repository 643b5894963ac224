"""A camera that other programs can choose, such as those for video calls."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.video import fitted
from emotion_cam.sources import Source
from emotion_cam.types import Result

if TYPE_CHECKING:
    from types import TracebackType


class VirtualCameraSink(Sink):
    """Gives the annotated frames to other programs as a camera, through pyvirtualcam.

    It has the size and the rate of the source; an odd size grows by one pixel, and frames of another size are
    stretched. A video is given out no faster than it was taken.

    Args:
        source: where the frames come from.
        device: which virtual camera, by the name that other programs know it by or its path in /dev; the first that
            there is if none is given.

    Raises:
        MissingExtraError: pyvirtualcam is not installed.
        SinkError: there is no such virtual camera, or the source has pictures that do not move.
    """

    def __init__(self, source: Source, device: str | None = None) -> None:
        if source.size is None:
            raise SinkError(f"{source.name} has no moving pictures for a virtual camera: use --camera or --video.")
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingExtraError("A virtual camera", "virtual-camera") from error
        self._live = source.live
        self._size = width, height = source.size
        try:
            self._camera = pyvirtualcam.Camera(
                width + width % 2,  # which chroma at half the size needs
                height + height % 2,
                source.fps or 30,
                fmt=pyvirtualcam.PixelFormat.BGR,
                device=device,
            )
        except RuntimeError as error:
            raise SinkError(_why_closed(error)) from error

    def write(self, result: Result) -> None:
        try:
            self._camera.send(fitted(result.annotated, self._size))
        except RuntimeError as error:
            raise SinkError(f"The virtual camera took no more pictures: {error}.") from error
        if not self._live:
            self._camera.sleep_until_next_frame()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._camera.close()


def _why_closed(error: RuntimeError) -> str:
    """One sentence from what pyvirtualcam says: for each way that it tried a line, 'NAME' backend: Why. What to do."""
    reasons = re.findall(r"^(?:'.*?' backend: )?(.+?)(?:[.!](?:\s.*)?)?$", str(error), re.MULTILINE)
    way_out = (
        "v4l2loopback makes one (sudo modprobe v4l2loopback exclusive_caps=1)"
        if sys.platform == "linux"
        else "OBS Studio brings one, which must have been started once"
    )
    return f"No virtual camera can be opened ({'; '.join(reasons)}): {way_out}."
