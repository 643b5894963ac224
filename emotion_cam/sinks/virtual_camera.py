"""A camera that other programs can use, such as those for video calls."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from emotion_cam.errors import MissingExtraError, SinkError
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.sinks.video import fitted
from emotion_cam.sources.base import Source

if TYPE_CHECKING:
    from types import TracebackType


class VirtualCameraSink(Sink):
    """Offers the annotated frames to other programs as a camera, through pyvirtualcam.

    It has the size and the rate of the source; an odd size grows by one pixel, and frames of another size are
    stretched. A video is played at its own speed.

    Args:
        source: where the frames come from.
        device: the virtual camera to use, by the name that other programs show or its path in /dev; None for the first
            one.

    Raises:
        MissingExtraError: pyvirtualcam is not installed.
        SinkError: there is no such virtual camera, or the source is pictures.
    """

    def __init__(self, source: Source, device: str | None = None) -> None:
        if source.size is None:
            raise SinkError(f"{source.name} cannot feed a virtual camera: use `camera` or `video` as the input.")
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingExtraError("A virtual camera", "virtual-camera") from error
        self._live = source.live
        self._size = width, height = source.size
        try:
            self._camera = pyvirtualcam.Camera(
                width + width % 2,  # chroma at half the size needs even sides
                height + height % 2,
                source.fps or 30,
                fmt=pyvirtualcam.PixelFormat.BGR,
                device=device,
            )
        except RuntimeError as error:
            raise SinkError(_message(error)) from error

    def write(self, result: Result) -> None:
        try:
            self._camera.send(fitted(result.annotated, self._size))
        except RuntimeError as error:
            raise SinkError(f"The virtual camera stopped taking pictures: {error}.") from error
        if not self._live:
            self._camera.sleep_until_next_frame()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._camera.close()


def _message(error: RuntimeError) -> str:
    """One sentence from the error of pyvirtualcam, which has a line for each backend: 'NAME' backend: Why. Advice."""
    reasons = re.findall(r"^(?:'.*?' backend: )?(.+?)(?:[.!](?:\s.*)?)?$", str(error), re.MULTILINE)
    advice = (
        "v4l2loopback provides one (sudo modprobe v4l2loopback exclusive_caps=1)"
        if sys.platform == "linux"
        else "OBS Studio provides one, after it was started once"
    )
    return f"No virtual camera can be opened ({'; '.join(reasons)}): {advice}."
