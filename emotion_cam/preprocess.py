"""The one road from a picture to a network's input, shared by the camera, training and evaluation."""

from __future__ import annotations

import cv2
import numpy as np

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
    crop = cut_grey(image, box.padded(margin))
    height, width = size
    # Area averaging keeps a shrunk face free of aliasing; it would make an enlarged one blocky.
    method = cv2.INTER_AREA if crop.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(halved(crop, size), (width, height), interpolation=method), np.uint8)


def cut_grey(image: Image, box: Box) -> Image:
    """What a box frames, grey; what reaches over the edge of the picture is filled with the picture's edge pixels.

    Args:
        image: uint8, (height, width, 3) BGR, or (height, width) grey.
        box: in pixels of the image.

    Returns:
        uint8, (box.height, box.width).

    Raises:
        ValueError: the box is empty or does not touch the picture.
    """
    crop, inside = _inside(image, box)
    return _filled(_grey(crop), inside, box)


def cut(image: Image, box: Box) -> Image:
    """What a box frames, as ``cut_grey`` does it, in the colours of the image."""
    crop, inside = _inside(image, box)
    return _filled(crop, inside, box)


def _inside(image: Image, box: Box) -> tuple[Image, Box]:
    height, width = image.shape[:2]
    inside = box.clipped(width, height)
    if inside.area == 0:
        raise ValueError(f"{box} has no pixel in a picture of {width}×{height}")
    return image[inside.y1 : inside.y2, inside.x1 : inside.x2], inside


def _filled(crop: Image, inside: Box, box: Box) -> Image:
    if inside == box:
        return crop
    filled = cv2.copyMakeBorder(
        crop,
        top=inside.y1 - box.y1,
        bottom=box.y2 - inside.y2,
        left=inside.x1 - box.x1,
        right=box.x2 - inside.x2,
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.asarray(filled, np.uint8)


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def halved(image: Image, size: tuple[int, int]) -> Image:
    """A picture halved, by averages of four pixels, while it is at least twice as high and wide as ``size``.

    What is left to do to reach that size is then cheap: other averages take OpenCV many times as long. Up to 1.5 % of
    the picture is cut off all round, so that it can be halved.
    """
    times = min(image.shape[0] // size[0], image.shape[1] // size[1]).bit_length() - 1
    if times < 1:
        return image
    height, width = (side >> times << times for side in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    image = image[top : top + height, left : left + width]
    for _ in range(times):
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return image
