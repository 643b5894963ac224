"""Draws faces into a picture: a box for each face, its labels, and a softmax bar for each label of larger tasks.

No code here knows a task by name. A task with more than two labels gives the box its color and gets bars; a task with
two labels gets its label only, because one score implies the other.

All sizes are derived from one number per face, the height of its rows of text, so that a thumbnail and a 4K frame look
alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from emotion_cam.drawing.activation import draw_activation
from emotion_cam.drawing.blur import blur_face
from emotion_cam.drawing.colors import DARK, WHITE, is_multiclass, plate_color
from emotion_cam.drawing.panels import bar_panels, draw_panels, label_panels
from emotion_cam.drawing.regions import whole
from emotion_cam.drawing.text import row_height
from emotion_cam.drawing.view import View
from emotion_cam.types import Box, Face, Image


def annotate(image: Image, faces: Sequence[Face], view: View = View()) -> Image:
    """Draw faces into a copy of a picture.

    ``view.mirror`` has no effect here: a frame is flipped before it is searched for faces, or with its result.

    Args:
        image: uint8, (height, width, 3), BGR; it is not changed.
        faces: their boxes in pixels of ``image``; the parts beyond its edge are cut off.
        view: what is drawn.

    Returns:
        A new picture of the same shape, uint8, BGR.
    """
    canvas: Image = image.copy() if view.picture else np.full_like(image, DARK)
    frame = whole(image)
    clipped = [_clipped(face, frame, view.hide) for face in faces]
    visible = [face for face in clipped if face.box.area]
    if view.blur and view.picture:
        for face in visible:
            blur_face(canvas, face.box)
    if view.explain:
        for face in visible:
            _draw_explanation(canvas, face)
    for face in visible:
        _draw_outline(canvas, face, frame)
        if view.landmarks:
            _draw_landmarks(canvas, face, frame)

    # Labels matter more than bars, so all labels choose their places first.
    panels = [panel for face in visible for panel in label_panels(face, frame)]
    if view.bars:
        panels += [panel for face in visible for panel in bar_panels(face, frame)]
    draw_panels(canvas, panels, [face.box for face in visible])
    return canvas


def _clipped(face: Face, frame: Box, hide: Sequence[str]) -> Face:
    """The part of a face inside the frame, without the predictions of hidden tasks."""
    predictions = {task: prediction for task, prediction in face.predictions.items() if task not in hide}
    return replace(face, box=face.box.clipped(frame.width, frame.height), predictions=predictions)


def _draw_explanation(canvas: Image, face: Face) -> None:
    """Draw the class activation map of the first prediction with more than two labels, or else of the first one."""
    for prediction in sorted(face.predictions.values(), key=is_multiclass, reverse=True)[:1]:
        if prediction.class_map is not None and prediction.activation is not None:
            draw_activation(canvas, prediction.activation, prediction.class_map.box, prediction.class_map.roll)


def _draw_landmarks(canvas: Image, face: Face, frame: Box) -> None:
    """Draw a white point with a dark ring at each landmark."""
    radius = max(1, row_height(face.box, frame) // 6)
    for x, y in face.landmarks or ():
        # The center of the first pixel is (0.5, 0.5) for a landmark, and (0, 0) for OpenCV.
        center = round(x - 0.5), round(y - 0.5)
        cv2.circle(canvas, center, radius + 1, DARK, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, center, radius, WHITE, cv2.FILLED, cv2.LINE_AA)


def _draw_outline(canvas: Image, face: Face, frame: Box) -> None:
    """Draw a line along the inside of the box, between two dark ones that make it stand out from a bright picture."""
    box = face.box
    color = next((plate_color(p) for p in face.predictions.values() if is_multiclass(p) and p.is_sure), WHITE)
    thickness = max(1, round(row_height(box, frame) / 8))
    lines = [DARK, *[color] * thickness, DARK]
    for inset, line in enumerate(lines[: (min(box.width, box.height) + 1) // 2]):
        cv2.rectangle(canvas, (box.x1 + inset, box.y1 + inset), (box.x2 - 1 - inset, box.y2 - 1 - inset), line)
