"""Make a picture or a short clip to try emotion-cam on, from scikit-image's portrait of Eileen Collins.

    python tools/portrait.py demo/portrait.png     the portrait itself
    python tools/portrait.py demo/portrait.mp4     six seconds in which a camera moves around it
    python tools/portrait.py demo/portrait.mp4 3   the same three times in a row

The portrait is by NASA and in the public domain. scikit-image contains it, so nothing is downloaded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

from emotion_cam.result import Result
from emotion_cam.sinks.video import VideoSink
from emotion_cam.types import Frame, Image

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 6
FACE = (222, 116)
"""The center of the face in the portrait, in pixels."""


def portrait() -> Image:
    """The portrait, uint8 BGR, (512, 512, 3)."""
    picture: Image = np.array(astronaut()[..., ::-1], np.uint8)  # type: ignore[no-untyped-call]
    return picture


def moving_frames(times: int = 1) -> Iterator[Frame]:
    """The portrait as seen by a camera that moves closer, moves away, and sways, repeated ``times`` times."""
    picture = portrait()
    for index in range(FPS * SECONDS * times):
        angle = 2 * math.pi * index / (FPS * SECONDS)
        zoom = 2.0 - 0.7 * math.cos(angle)
        left, top = (
            _inside(zoom * center - side / 2 - sway, zoom * length - side)
            for center, length, side, sway in (
                (FACE[0], picture.shape[1], WIDTH, 90 * math.sin(2 * angle)),
                (FACE[1], picture.shape[0], HEIGHT, 40 * math.sin(angle)),
            )
        )
        transform = np.array([[zoom, 0, -left], [0, zoom, -top]])
        image = cv2.warpAffine(picture, transform, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        yield Frame(np.asarray(image, np.uint8), index, index / FPS)


def _inside(corner: float, largest: float) -> float:
    """A corner moved so that the camera sees nothing outside the portrait."""
    return min(max(corner, 0.0), largest)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".mp4":
        cv2.imwrite(str(path), portrait())
        return
    with VideoSink(path, fps=FPS) as sink:
        for frame in moving_frames(int(sys.argv[2]) if len(sys.argv) == 3 else 1):
            sink.write(Result(frame, ()))


if __name__ == "__main__":
    main()
