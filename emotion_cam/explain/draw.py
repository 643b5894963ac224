"""Explanations as one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from emotion_cam.drawing.activation import draw_activation
from emotion_cam.explain.explainer import Explanation
from emotion_cam.explain.gradients import Map
from emotion_cam.types import Box, Image

COLUMNS = ("what the network sees", "class activation map", "Grad-CAM", "guided backpropagation", "guided Grad-CAM")

SIDE = 240
"""The longer side of a face in the picture, in pixels."""

_TINY = 1e-9  # the smallest divisor, so that a map of zeros can be drawn


def draw(explanations: Sequence[Explanation]) -> Image:
    """A row for each explanation, with captions, uint8 BGR.

    Maps lie over the face: the more color, the more a region supports the label. Gradients are gray where they are 0,
    bright where a brighter pixel supports the label, and dark where a darker pixel does.
    """
    figure = Figure(figsize=(11, 2.3 * len(explanations) + 0.3), dpi=100, layout="constrained")
    grid = figure.subplots(len(explanations), len(COLUMNS), squeeze=False)
    for axes, caption in zip(grid[0], COLUMNS, strict=True):
        axes.set_title(caption, fontsize=11)
    for row, explanation in zip(grid, explanations, strict=True):
        row[0].set_ylabel(explanation.title, fontsize=11)
        for axes, view in zip(row, _views(explanation), strict=True):
            axes.imshow(view[..., ::-1])
            axes.set(xticks=[], yticks=[])
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture: Image = np.asarray(canvas.buffer_rgba(), np.uint8)[..., 2::-1].copy()
    return picture


def _views(explanation: Explanation) -> Iterator[Image]:
    """The pictures under COLUMNS."""
    face = _enlarged(explanation.face)
    yield face
    yield _with_map(face, explanation.class_map)
    yield _with_map(face, explanation.grad_cam / max(float(explanation.grad_cam.max()), _TINY))
    yield _in_gray(explanation.guided)
    yield _in_gray(explanation.guided_grad_cam)


def _with_map(face: Image, activation: Map) -> Image:
    covered: Image = face.copy()
    draw_activation(covered, activation, Box(0, 0, face.shape[1], face.shape[0]))
    return covered


def _in_gray(gradient: Map) -> Image:
    # A few pixels are far stronger than all others; they are cut off.
    most = max(float(np.percentile(np.abs(gradient), 99)), _TINY)
    return _enlarged(np.clip(127.5 + 127.5 * gradient / most, 0, 255).astype(np.uint8))


def _enlarged(gray: Image) -> Image:
    scale = SIDE / max(gray.shape)
    large = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), np.uint8)
