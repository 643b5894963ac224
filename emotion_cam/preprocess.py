"""The one road from a picture to a network's input, shared by the camera, training and evaluation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.types import Box, Image


def extract_face(image: Image, box: Box, size: tuple[int, int], margin: float = 0.0) -> Image:
    """Cut a face out, make it grey and bring it to the size that a network expects.

    What reaches over the edge of the picture is filled with the picture's edge pixels, so that a face at the edge
    is kept whole rather than lost or squeezed.

    Args:
        image: uint8, (height, width, 3) BGR, or (height, width) grey.
        box: the face as the detector says; it may reach over the edge.
        size: (height, width) of the result.
        margin: what to add on every side, as a share of the box's side; negative to cut tighter.

    Returns:
        Grey, uint8 in [0, 255], of shape ``size``.

    Raises:
        ValueError: the box with its margin is empty or does not touch the picture.
    """
    picture_height, picture_width = image.shape[:2]
    wanted = box.padded(margin)
    inside = wanted.clipped(picture_width, picture_height)
    if inside.area == 0:
        raise ValueError(f"{box} with margin {margin} has no pixel in a picture of {picture_width}×{picture_height}")

    crop: npt.NDArray[Any] = image[inside.y1 : inside.y2, inside.x1 : inside.x2]
    if crop.ndim == 3:
        crop = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if inside != wanted:
        crop = cv2.copyMakeBorder(
            crop,
            top=inside.y1 - wanted.y1,
            bottom=wanted.y2 - inside.y2,
            left=inside.x1 - wanted.x1,
            right=wanted.x2 - inside.x2,
            borderType=cv2.BORDER_REPLICATE,
        )
    height, width = size
    # Area averaging keeps a shrunk face free of aliasing; it would make an enlarged one blocky.
    method = cv2.INTER_AREA if crop.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (width, height), interpolation=method), np.uint8)
