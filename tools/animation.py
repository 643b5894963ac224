"""Make the moving picture of the README from the portrait's clip, with what emotion-cam draws.

    python tools/animation.py docs/emotion-cam.webp

The clip runs once. Halfway through, other views are drawn; the line below the picture shows the command for each.
"""

from __future__ import annotations

import sys
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from portrait import FPS, SECONDS, moving_frames

from emotion_cam import Recognizer, View, annotate
from emotion_cam.types import Image

VIEWS = (
    (3.0, "emotion-cam --camera 0", View()),
    (1.0, "emotion-cam --camera 0 --explain", View(bars=False, explain=True)),
    (1.0, "emotion-cam --camera 0 --blur", View(bars=False, blur=True)),
    (1.0, "emotion-cam --camera 0 --no-picture", View(picture=False)),
)
"""Each view: how many seconds it is shown, the command that shows it, and the view."""

STEP, WIDTH, HEIGHT, CAPTION = 2, 480, 360, 36
"""Every how many frames one is kept, the size of a picture, and the height of the line below it, in pixels."""

QUALITY = 70


def pictures() -> list[Image]:
    """The annotated pictures with their captions, uint8 BGR, (HEIGHT + CAPTION, WIDTH, 3)."""
    follower = Recognizer().follow()
    shown = []
    for frame in moving_frames():
        faces = follower(frame.image, frame.time)
        if frame.index % STEP == 0:
            caption, view = view_at(frame.time)
            shown.append(captioned(annotate(frame.image, faces, view), caption))
    return shown


def view_at(time: float) -> tuple[str, View]:
    """The caption and the view at a time of the clip, in seconds."""
    ends = accumulate(seconds for seconds, _, _ in VIEWS)
    return next((caption, view) for end, (_, caption, view) in zip(ends, VIEWS, strict=True) if time < end)


def captioned(picture: Image, caption: str) -> Image:
    """The picture at its final size, with a line of text below it."""
    canvas = np.full((HEIGHT + CAPTION, WIDTH, 3), 24, np.uint8)
    canvas[:HEIGHT] = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    place = 12, HEIGHT + CAPTION - 12
    cv2.putText(canvas, f"$ {caption}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (225, 225, 225), 1, cv2.LINE_AA)
    return canvas


def main() -> None:
    if len(sys.argv) != 2 or sum(seconds for seconds, _, _ in VIEWS) != SECONDS:
        sys.exit(__doc__)
    first, *rest = (PillowImage.fromarray(picture[..., ::-1]) for picture in pictures())
    path = Path(sys.argv[1])
    first.save(
        path, save_all=True, append_images=rest, duration=round(1000 * STEP / FPS), loop=0, quality=QUALITY, method=6
    )
    print(f"{path}: {len(rest) + 1} pictures, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
