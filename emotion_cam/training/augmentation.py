"""Variation of training pictures: every picture is cropped by extract_face, as in the camera, with a changed box."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Image


@dataclass(frozen=True)
class Augmentation:
    """How much training pictures vary. Shift and scale move the detector's box, as real detectors do.

    Attributes:
        flip: probability of a mirror image.
        shift: largest shift of the box in either direction, as a share of its side.
        scale: largest change of the box's side, as a share of it.
        rotation: largest rotation of the picture, in degrees.
        shear: largest shear of the picture: how far a row moves sideways, as a share of its distance from the box's
            center.
        brightness: largest change of brightness, as a share of the full range.
        contrast: largest change of contrast, as a share of it.
        blur: largest standard deviation of a Gaussian blur, in pixels of the network's input.
        erasing: probability that a random rectangle is replaced by noise.
    """

    flip: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur: float = 0.0
    erasing: float = 0.0


AUGMENTATIONS = {
    "none": Augmentation(),
    "gentle": Augmentation(flip=0.5, shift=0.06, scale=0.08, rotation=8, brightness=0.1, contrast=0.25),
    # Like gentle, with the box moved as far as an evaluation of the framing moves it.
    "framing": Augmentation(flip=0.5, shift=0.08, scale=0.16, rotation=8, brightness=0.1, contrast=0.25),
    # Like framing, with heads that lean as people's do at a webcam, and pictures that are not sharp.
    "webcam": Augmentation(flip=0.5, shift=0.08, scale=0.16, rotation=14, brightness=0.12, contrast=0.3, blur=0.7),
    # Common for fine-tuning networks with ImageNet's weights.
    "shear": Augmentation(flip=0.5, scale=0.2, shear=0.2),
    "strong": Augmentation(
        flip=0.5, shift=0.08, scale=0.15, rotation=12, brightness=0.15, contrast=0.35, blur=1.0, erasing=0.25
    ),
}


def augmented_face(
    image: Image, box: Box, size: tuple[int, int], margin: float, augmentation: Augmentation, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """One training example: extract_face with random variations.

    Args:
        image: uint8, (height, width), gray.
        box: the detector's box.
        size: (height, width) of the result.
        margin: what to add to the box on every side, as a share of its side.
        augmentation: how much it varies.
        rng: source of the randomness.

    Returns:
        float32 in [0, 255], of shape ``size``.
    """
    if augmentation.rotation or augmentation.shear:
        degrees = rng.uniform(-augmentation.rotation, augmentation.rotation) if augmentation.rotation else 0.0
        shear = rng.uniform(-augmentation.shear, augmentation.shear) if augmentation.shear else 0.0
        image = _rotated(image, box, degrees, shear)
    if augmentation.shift or augmentation.scale:
        box = _moved(box, augmentation, rng)
    face = extract_face(image, box, size, margin)
    if rng.random() < augmentation.flip:
        face = face[:, ::-1]
    if augmentation.blur:
        sigma = rng.uniform(0, augmentation.blur)
        if sigma > 0.3:  # a smaller one has no visible effect
            face = np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)
    result = face.astype(np.float32)
    if augmentation.contrast or augmentation.brightness:
        mean = result.mean()
        gain = 1 + rng.uniform(-augmentation.contrast, augmentation.contrast)
        offset = 255 * rng.uniform(-augmentation.brightness, augmentation.brightness)
        result = np.clip((result - mean) * gain + mean + offset, 0, 255)
    if rng.random() < augmentation.erasing:
        _erase(result, rng)
    return result


def _moved(box: Box, augmentation: Augmentation, rng: np.random.Generator) -> Box:
    """The box, randomly shifted and scaled."""
    dx, dy = rng.uniform(-augmentation.shift, augmentation.shift, 2) * (box.width, box.height)
    factor = 1 + rng.uniform(-augmentation.scale, augmentation.scale)
    center_x, center_y = (box.x1 + box.x2) / 2 + dx, (box.y1 + box.y2) / 2 + dy
    half_width, half_height = box.width * factor / 2, box.height * factor / 2
    return Box(
        round(center_x - half_width),
        round(center_y - half_height),
        round(center_x + half_width),
        round(center_y + half_height),
    )


def _rotated(image: Image, box: Box, degrees: float, shear: float) -> Image:
    """The picture sheared and then rotated about the center of the box, which stays in place."""
    height, width = image.shape[:2]
    center = ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
    sheared = np.array([[1, shear, -shear * center[1]], [0, 1, 0], [0, 0, 1]])
    matrix = cv2.getRotationMatrix2D(center, degrees, 1.0) @ sheared
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _erase(face: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Replace a rectangle of 2 to 20 percent of the picture by noise, in place (Zhong et al. 2017)."""
    height, width = face.shape
    area, ratio = rng.uniform(0.02, 0.2) * height * width, rng.uniform(0.5, 2.0)
    h, w = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    face[y : y + h, x : x + w] = rng.uniform(0, 255, (h, w))
