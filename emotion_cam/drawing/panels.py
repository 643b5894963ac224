"""Panels: the labels and the softmax bars of a face as small pictures, and where they are placed.

Each panel has several preferred places around its face. It gets the one where it covers least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from emotion_cam.drawing.colors import DARK, GRAY, PALE, PANEL_OPACITY, WHITE, is_multiclass, label_color, plate_color
from emotion_cam.drawing.regions import region
from emotion_cam.drawing.text import BOLD, CAPITAL_HEIGHT, REGULAR, chip, row_height, text_width, to_ascii, write
from emotion_cam.types import Box, Face, Image, Prediction

MAX_LABEL_LENGTH, MAX_NAME_LENGTH = 20, 10
"""The most letters of a label on its plate, and beside its bar."""


class Panel(NamedTuple):
    """A small picture that belongs to a face.

    Attributes:
        picture: uint8, (height, width, 3), BGR.
        opacity: in [0, 1].
        face: the box of the face.
        places: where its top left corner may lie, x and y in pixels, the preferred place first.
    """

    picture: Image
    opacity: float
    face: Box
    places: list[tuple[int, int]]


def label_panels(face: Face, frame: Box) -> Iterator[Panel]:
    """The panel with the labels and the track number of a face; none if it has neither."""
    box, row = face.box, row_height(face.box, frame)
    chips = [chip(_label_text(prediction), plate_color(prediction), row) for prediction in face.predictions.values()]
    if face.track is not None:
        chips.append(chip(f"#{face.track}", GRAY, row))
    if chips:
        picture = _wrapped(chips, frame.width)
        height, width = picture.shape[:2]
        above, below, inside = box.y1 - height, box.y2, box.y1
        places = [(x, y) for y in (above, below, inside) for x in (box.x1, box.x2 - width)]
        yield Panel(picture, 1.0, box, places)


def bar_panels(face: Face, frame: Box) -> Iterator[Panel]:
    """A panel of softmax bars for each prediction with more than two labels."""
    box, row = face.box, row_height(face.box, frame)
    gap, label_height = row // 2, 2 * row
    for prediction in filter(is_multiclass, face.predictions.values()):
        picture = _bars(prediction, row)
        height, width = picture.shape[:2]
        right, left = box.x2 + gap, box.x1 - gap - width
        below, above, below_label = box.y2 + gap, box.y1 - label_height - height, box.y2 + label_height
        places = [(x, y) for y in (box.y1, box.y2 - height) for x in (right, left)]
        places += [(x, y) for y in (below, above, below_label) for x in (box.x1, box.x2 - width)]
        places += [(x, box.y2 - gap - height) for x in (box.x2 - gap - width, box.x1 + gap)]  # inside
        yield Panel(picture, PANEL_OPACITY, box, places)


def draw_panels(image: Image, panels: Sequence[Panel], faces: Sequence[Box]) -> None:
    """Place panels one after the other, and draw them in place, the first one on top.

    Args:
        image: uint8, (height, width, 3), BGR; panels that are larger are left out.
        panels: the most important first, because it can choose from all places.
        faces: the areas to keep free, if possible.
    """
    frame_height, frame_width = image.shape[:2]
    occupied, placed = list(faces), []
    for panel in panels:
        height, width = panel.picture.shape[:2]
        if width <= frame_width and height <= frame_height:
            place = _best_place(panel, occupied, frame_width, frame_height)
            placed.append((panel, place))
            occupied.append(place)
    for panel, place in reversed(placed):
        area = region(image, place)
        area[:] = cv2.addWeighted(panel.picture, panel.opacity, area, 1 - panel.opacity, 0)


def _best_place(panel: Panel, occupied: Sequence[Box], frame_width: int, frame_height: int) -> Box:
    """The place inside the frame where a panel covers least; its own face counts a quarter of anything else."""
    height, width = panel.picture.shape[:2]
    near = np.clip(panel.places, 0, (frame_width - width, frame_height - height))
    far = near + np.array((width, height))
    boxes = np.array([box.xyxy for box in occupied])
    overlap = np.minimum(far[:, None], boxes[:, 2:]) - np.maximum(near[:, None], boxes[:, :2])  # (places, boxes, 2)
    covered = np.maximum(overlap, 0).prod(axis=2)
    best = np.argmin(covered @ [1 if box == panel.face else 4 for box in occupied])
    return Box(*near[best].tolist(), *far[best].tolist())


def _wrapped(chips: Sequence[Image], max_width: int) -> Image:
    """The chips side by side, on as many lines as the width requires."""
    lines = [chips[0]]
    for next_chip in chips[1:]:
        if lines[-1].shape[1] + next_chip.shape[1] <= max_width:
            lines[-1] = np.hstack((lines[-1], next_chip))
        else:
            lines.append(next_chip)
    width = max(line.shape[1] for line in lines)
    picture = np.full((len(lines), lines[0].shape[0], width, 3), DARK, np.uint8)
    for i, line in enumerate(lines):
        picture[i, :, : line.shape[1]] = line
    return picture.reshape(-1, width, 3)


def _label_text(prediction: Prediction) -> str:
    label = to_ascii(prediction.label, MAX_LABEL_LENGTH)
    return f"{label} {prediction.score:.0%}" if prediction.is_sure else label


def _bars(prediction: Prediction, row: int) -> Image:
    """A row for each label: its name, and a bar whose length is its score. The border is half a row wide."""
    names = tuple(to_ascii(label, MAX_NAME_LENGTH) for label in prediction.labels)
    picture: Image = _names_and_empty_bars(names, int(np.argmax(prediction.scores)), row).copy()
    border, thickness, length = row // 2, round(CAPITAL_HEIGHT * row), _bar_length(row)
    left = picture.shape[1] - border - length
    for i, score in enumerate(prediction.scores.tolist()):
        y = border + row * i + (row - thickness) // 2
        picture[y : y + thickness, left : left + round(score * length)] = label_color(i)
    return picture


@lru_cache(maxsize=256)  # text takes long to draw, and is the same in frame after frame
def _names_and_empty_bars(names: tuple[str, ...], top: int, row: int) -> Image:
    border, thickness, length = row // 2, round(CAPITAL_HEIGHT * row), _bar_length(row)
    left = 2 * border + max(text_width(name, row) for name in names)
    picture = np.full((row * len(names) + 2 * border, left + length + border, 3), DARK, np.uint8)
    for i, name in enumerate(names):
        y = border + row * i
        font, color = (BOLD, WHITE) if i == top else (REGULAR, PALE)
        write(picture, name, (border, y + row / 2), row, font=font, color=color)
        picture[y + (row - thickness) // 2 :][:thickness, left : left + length] = GRAY
    return picture


def _bar_length(row: int) -> int:
    """The length in pixels of a bar for a score of 1."""
    return 4 * row
