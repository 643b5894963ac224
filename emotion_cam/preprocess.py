"""Turns a face in a picture into the input of a network, in the same way at run time, in training and in evaluation."""

from __future__ import annotations

import cv2
import numpy as np

from emotion_cam.pictures import as_picture
from emotion_cam.types import Box, Image, landmarks_of


def extract_face(image: Image, box: Box, size: tuple[int, int], margin: float = 0.0, roll: float = 0.0) -> Image:
    """Crop a face, convert it to gray and resize it to the input size of a network.

    Where the crop extends beyond the picture, the picture's edge pixels are repeated, so a face at the edge is neither
    lost nor squeezed.

    Args:
        image: uint8, (height, width, 3) BGR, or (height, width) gray.
        box: the face as the detector found it; it may extend beyond the picture.
        size: (height, width) of the result.
        margin: added on every side of the box, as a share of its side; negative for a tighter crop.
        roll: by how many degrees the head is turned, clockwise as seen; the crop is turned back around its center.

    Returns:
        Gray, uint8 in [0, 255], of shape ``size``.

    Raises:
        ValueError: the box with its margin is empty or does not overlap the picture.
        TypeError, ValueError: ``image`` is not a picture; see ``pictures.as_picture``.
    """
    image, area = as_picture(image), box.padded(margin)
    face = _upright(image, area, roll) if roll else crop_gray(image, area)
    height, width = size
    # Area averaging prevents aliasing when a face shrinks; it would make an enlarged one blocky.
    method = cv2.INTER_AREA if face.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(reduce_by_halves(face, size), (width, height), interpolation=method), np.uint8)


def roll_to_correct(box: Box, upright_from: float | None) -> float:
    """By how many degrees the crop of a face is to be turned: the ``roll`` for ``extract_face``.

    Args:
        box: the face as the detector found it.
        upright_from: the roll in degrees from which on a crop is turned; None for never. A model's card has it.

    Returns:
        The face's roll, or 0 if it is less, or if the detector did not find landmarks.
    """
    if upright_from is None or (landmarks := landmarks_of(box)) is None:
        return 0.0
    return roll if abs(roll := landmarks.roll) >= upright_from else 0.0


def crop(image: Image, box: Box) -> Image:
    """The part of a picture inside a box; beyond the picture, its edge pixels are repeated.

    Args:
        image: uint8, (height, width, 3) BGR, or (height, width) gray.
        box: in pixels of the image.

    Returns:
        uint8, box.height × box.width, with the channels of ``image``; it may share memory with ``image``.

    Raises:
        ValueError: the box is empty or does not overlap the picture.
    """
    inside = _inside(image, box)
    return _pad(image[inside.y1 : inside.y2, inside.x1 : inside.x2], inside, box)


def crop_gray(image: Image, box: Box) -> Image:
    """As ``crop``, in gray: uint8, (box.height, box.width)."""
    inside = _inside(image, box)
    return _pad(_to_gray(image[inside.y1 : inside.y2, inside.x1 : inside.x2]), inside, box)


def reduce_by_halves(image: Image, size: tuple[int, int]) -> Image:
    """Halve a picture, by averages of 2 × 2 pixels, as long as it is at least twice as high and wide as ``size``.

    A final resize to ``size`` is then fast: OpenCV takes many times as long for other averages.

    Args:
        image: uint8, (height, width), gray.
        size: (height, width) that the picture is going to have.

    Returns:
        uint8, gray. Up to 1.5 % of the picture is cut off on each side, so that its sides can be halved exactly.
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


def _upright(image: Image, box: Box, roll: float) -> Image:
    """As ``crop_gray``, of a box that is turned by so many degrees: what is in it stands upright."""
    around = box.around_turned(roll)
    larger = crop_gray(image, around)
    turn = np.asarray(cv2.getRotationMatrix2D(((around.width - 1) / 2, (around.height - 1) / 2), roll, 1), float)
    turn[:, 2] -= np.array((around.width - box.width, around.height - box.height)) / 2
    turned = cv2.warpAffine(larger, turn, (box.width, box.height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _inside(image: Image, box: Box) -> Box:
    """The part of a box that lies inside a picture."""
    height, width = image.shape[:2]
    inside = box.clipped(width, height)
    if inside.area == 0:
        raise ValueError(f"{box} has no pixel in a picture of {width}×{height}.")
    return inside


def _pad(image: Image, inside: Box, box: Box) -> Image:
    """Enlarge the picture of ``inside`` to that of ``box``."""
    if inside == box:
        return image
    padded = cv2.copyMakeBorder(
        image,
        top=inside.y1 - box.y1,
        bottom=box.y2 - inside.y2,
        left=inside.x1 - box.x1,
        right=box.x2 - inside.x2,
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.asarray(padded, np.uint8)


def _to_gray(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
