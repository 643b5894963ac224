"""Make a picture or a short clip to try emotion-cam on, from scikit-image's portrait of Eileen Collins.

    python tools/portrait.py demo/portrait.png     the portrait itself
    python tools/portrait.py demo/portrait.mp4     six seconds in which a camera moves about it
    python tools/portrait.py demo/portrait.mp4 3   the same three times over

The portrait is by NASA and in the public domain; scikit-image carries it, so that nothing is downloaded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

from emotion_cam.sinks import VideoSink
from emotion_cam.types import Frame, Image, Result

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 6
FACE = (222, 116)
"""The middle of the face in the portrait, in pixels."""


def portrait() -> Image:
    """The portrait, uint8 BGR, (512, 512, 3)."""
    return np.asarray(astronaut()[..., ::-1], np.uint8).copy()


def moving_frames(times: int = 1) -> Iterator[Frame]:
    """The portrait, seen by a camera that comes closer, goes back, and sways, so many times."""
    picture = portrait()
    for index in range(FPS * SECONDS * times):
        turn = 2 * math.pi * index / (FPS * SECONDS)
        zoom = 2.0 - 0.7 * math.cos(turn)
        corner = [
            _inside(zoom * middle - side / 2 - sway, zoom * length - side)
            for middle, length, side, sway in (
                (FACE[0], picture.shape[1], WIDTH, 90 * math.sin(2 * turn)),
                (FACE[1], picture.shape[0], HEIGHT, 40 * math.sin(turn)),
            )
        ]
        place = np.array([[zoom, 0, -corner[0]], [0, zoom, -corner[1]]])
        image = cv2.warpAffine(picture, place, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        yield Frame(np.asarray(image, np.uint8), index, index / FPS)


def _inside(corner: float, most: float) -> float:
    """A corner moved so that the camera sees nothing outside the portrait."""
    return min(max(corner, 0.0), most)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        cv2.imwrite(str(path), portrait())
        return
    with VideoSink(path, fps=FPS) as sink:
        for frame in moving_frames(int(sys.argv[2]) if len(sys.argv) == 3 else 1):
            sink.write(Result(frame, (), lambda image, _: image))


if __name__ == "__main__":
    main()
