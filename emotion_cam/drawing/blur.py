"""Blurring faces so that nobody can be recognized."""

from __future__ import annotations

import cv2
import numpy as np

from emotion_cam.drawing.regions import region, whole
from emotion_cam.types import Box, Image

BLUR_SIDE = 24
"""The longer side, in pixels, to which a face is reduced before it is blurred."""


def blur_face(image: Image, box: Box) -> None:
    """Blur a face, including hairline, ears and chin, in place.

    The blur cannot be undone. The standard deviation of the Gaussian is a sixth of the face, which weakens details
    smaller than a quarter of the face to less than the rounding to whole numbers that follows; about eight by eight
    different colors remain. Sharpening cannot restore what was rounded away. Nor can the many frames of a video be
    combined to restore it, as they can for pixelated faces, where each frame samples the details differently.

    Args:
        image: uint8, (height, width, 3), BGR.
        box: the face; it may extend beyond the picture.
    """
    frame = whole(image)
    blurred = box.padded(0.25).clipped(frame.width, frame.height)
    if not blurred.area:
        return
    # The Gaussian needs pixels beyond the blurred area: without them, details would remain at its edge.
    used = blurred.padded(0.35).clipped(frame.width, frame.height)
    scale = min(1.0, BLUR_SIDE / max(box.width, box.height))  # so wide a Gaussian would take long on many pixels
    small_size = max(1, round(used.width * scale)), max(1, round(used.height * scale))
    small = cv2.resize(region(image, used), small_size, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), scale * max(box.width, box.height) / 6, borderType=cv2.BORDER_REFLECT)
    large = cv2.resize(smooth.round().astype(np.uint8), (used.width, used.height), interpolation=cv2.INTER_LINEAR)
    region(image, blurred)[:] = region(large, blurred.moved(-used.x1, -used.y1))
