"""Class activation maps as a color overlay."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.drawing.regions import region
from emotion_cam.types import Box, Image

OPACITY = 0.6
"""The opacity of the strongest region; the face stays recognizable."""


def draw_activation(image: Image, activation: npt.NDArray[np.float32], box: Box, roll: float = 0.0) -> None:
    """Draw a class activation map over the area it covers, in place: the stronger a region, the more opaque.

    Regions with negative activation stay unchanged. The color map is matplotlib's viridis, whose lightness increases
    evenly and which does not contrast red with green.

    Args:
        image: uint8, (height, width, 3), BGR.
        activation: float32, (rows, columns), in logits; the maximum gets full color if it is above 1.
        box: the area that the map covers; it may extend beyond the picture.
        roll: by how many degrees that area is turned around its center, clockwise as seen.
    """
    if not box.clipped(image.shape[1], image.shape[0]).area:
        return
    smooth = np.asarray(cv2.resize(activation, (box.width, box.height), interpolation=cv2.INTER_CUBIC), np.float32)
    if roll:
        smooth, box = _turned(smooth, box, roll)
    visible = box.clipped(image.shape[1], image.shape[0])
    part = region(smooth, visible.moved(-box.x1, -box.y1))
    strength = np.clip(part * (255 / max(1.0, float(activation.max()))), 0, 255).astype(np.uint8)
    kept, added = (cv2.applyColorMap(strength, table) for table in _color_tables())
    area = region(image, visible)
    area[:] = cv2.add(cv2.multiply(area, kept, scale=1 / 255), added)


def _turned(values: npt.NDArray[np.float32], box: Box, roll: float) -> tuple[npt.NDArray[np.float32], Box]:
    """The values of a turned box as those of the upright box around it: 0 outside of the turned one."""
    around = box.around_turned(roll)
    turn = np.asarray(cv2.getRotationMatrix2D(((box.width - 1) / 2, (box.height - 1) / 2), -roll, 1), float)
    turn[:, 2] += np.array((around.width - box.width, around.height - box.height)) / 2
    return np.asarray(cv2.warpAffine(values, turn, (around.width, around.height)), np.float32), around


@cache
def _color_tables() -> tuple[Image, Image]:
    """For each strength in [0, 255]: the share of a pixel that is kept, in [0, 255], and the color added to it.

    Returns:
        Two tables, uint8, (256, 1, 3), BGR.
    """
    strength = np.arange(256, dtype=np.uint8)[:, None]
    opacity = OPACITY * strength[..., None].repeat(3, axis=2) / 255
    colors = cv2.applyColorMap(strength, cv2.COLORMAP_VIRIDIS)
    return (255 * (1 - opacity)).astype(np.uint8), (colors * opacity).astype(np.uint8)
