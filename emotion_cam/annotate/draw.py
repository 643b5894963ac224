"""Draws what the program sees: a box for each face, its labels, and a softmax bar for each class.

Nothing here knows a task by name. A prediction with more than two classes colours its label by the class and shows
every score as a bar; one with two classes is told by its label alone, for the other score is the rest.

Every size follows from one number per face, the height of its rows of text, so that a thumbnail and a 4K frame look
alike. Labels and bars are panels, small pictures of their own: each tries the places it likes, the best first, and
takes the one where it hides least.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.types import Box, Face, Image, Prediction

if TYPE_CHECKING:
    from cv2.typing import MatLike

Colour: TypeAlias = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (0x00, 0x5E, 0xD5),  # vermillion
    (0x73, 0x9E, 0x00),  # bluish green
    (0xA7, 0x79, 0xCC),  # reddish purple
    (0x42, 0xE4, 0xF0),  # yellow
    (0xB2, 0x72, 0x00),  # blue
    (0xE9, 0xB4, 0x56),  # sky blue
    (0xD8, 0xD8, 0xD8),  # light grey where theirs is black, which would not show on a dark plate
    (0x00, 0x9F, 0xE6),  # orange
)
"""Okabe and Ito's colours, BGR, which colour-blind people can tell apart too; a class has the one at its index."""

WHITE: Colour = (255, 255, 255)
PALE: Colour = (205, 205, 205)
GREY: Colour = (64, 64, 64)
DARK: Colour = (24, 24, 24)
RED: Colour = (40, 40, 230)
BARS_OPACITY = 0.85  # the picture shines through, and white letters still stand out on a white one
ACTIVATION_OPACITY = 0.6  # of the strongest part: the face stays recognisable
BLUR_SIDE = 24  # to how many pixels a face is shrunk before it is blurred

REGULAR, BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX
CAPITAL = 0.6  # the height of a capital letter, in rows
LONGEST_LABEL, LONGEST_NAME = 20, 10  # letters of a class's name in a label, and beside its bar


@dataclass
class Annotator:
    """Draws faces into a copy of a picture: ``annotator(image, faces)``.

    Its attributes may change at any time, as the keys of the window do it; the next picture is drawn by them.

    Attributes:
        bars: whether predictions with more than two classes get a bar for each class.
        explain: whether to show which parts of a face speak for its label: that of the first prediction with more than
            two classes, or else of the first.
        blur: whether to hide the faces (see ``blur_face``).
        picture: whether to draw on the picture, or else on a dark ground in its place.
        hidden: the tasks of which nothing is drawn.
    """

    bars: bool = True
    explain: bool = False
    blur: bool = False
    picture: bool = True
    hidden: set[str] = field(default_factory=set)

    @property
    def shows_faces(self) -> bool:
        """Whether faces can be recognised in what it draws."""
        return self.picture and not self.blur

    def __call__(self, image: Image, faces: Sequence[Face]) -> Image:
        """Draw the faces into a copy of a picture.

        Args:
            image: uint8, (height, width, 3), BGR; it stays as it is.
            faces: their boxes in pixels of ``image``; what reaches over its edge is cut off.

        Returns:
            A new picture of the same shape, uint8, BGR.
        """
        canvas: Image = image.copy() if self.picture else np.full_like(image, DARK)
        frame = _frame(image)
        clipped = [self._shown(face, frame) for face in faces]
        visible = [face for face in clipped if face.box.area]
        if self.blur and self.picture:
            for face in visible:
                blur_face(canvas, face.box)
        if self.explain:
            for face in visible:
                _draw_explanation(canvas, face)
        for face in visible:
            _draw_outline(canvas, face, frame)

        # Labels matter more than bars: all of them choose a place first, and are drawn last.
        panels = [panel for face in visible for panel in _label_panel(face, frame)]
        if self.bars:
            panels += [panel for face in visible for panel in _bar_panels(face, frame)]
        taken = [face.box for face in visible]
        placed = []
        for panel in panels:
            height, width = panel.picture.shape[:2]
            if width <= frame.width and height <= frame.height:
                spot = _best_spot(panel, taken, frame)
                placed.append((panel, spot))
                taken.append(spot)
        for panel, spot in reversed(placed):
            area = _crop(canvas, spot)
            area[:] = cv2.addWeighted(panel.picture, panel.opacity, area, 1 - panel.opacity, 0)
        return canvas

    def _shown(self, face: Face, frame: Box) -> Face:
        """What is drawn of a face: no task that is hidden, and nothing outside the frame."""
        predictions = {task: p for task, p in face.predictions.items() if task not in self.hidden}
        return replace(face, box=face.box.clipped(frame.width, frame.height), predictions=predictions)


def draw_corner_text(image: Image, text: str) -> None:
    """Write a line on a plate into the top left corner of a picture, in place; what has no room is cut off.

    Args:
        image: uint8, (height, width, 3), BGR.
        text: one line; letters that have no likeness in ASCII become question marks.
    """
    frame = _frame(image)
    plate = _chip(_ascii(text, 80), DARK, _row_height(frame, frame))[: frame.height, : frame.width]
    image[: plate.shape[0], : plate.shape[1]] = plate


def blur_face(image: Image, box: Box) -> None:
    """Make a face unrecognisable, with its hair line, ears and chin, in place.

    It cannot be undone, for few numbers remain. A Gaussian with a standard deviation of a sixth of the face makes
    details finer than a quarter of it fainter than the rounding to whole numbers that follows; what is left would fit
    into some eight by eight colours. No sharpening brings back what was rounded away. Nor do the many frames of a
    video together, as they may for faces that are cut into squares, where every frame tells of the details anew.

    Args:
        image: uint8, (height, width, 3), BGR.
        box: the face; it may reach over the edge.
    """
    frame = _frame(image)
    hidden = box.padded(0.25).clipped(frame.width, frame.height)
    if not hidden.area:
        return
    # The Gaussian reaches further than what is hidden: cut off at an edge it would let details through.
    seen = hidden.padded(0.35).clipped(frame.width, frame.height)
    scale = min(1.0, BLUR_SIDE / max(box.width, box.height))  # on many pixels so wide a Gaussian would take long
    few = max(1, round(seen.width * scale)), max(1, round(seen.height * scale))
    small = cv2.resize(_crop(image, seen), few, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), scale * max(box.width, box.height) / 6, borderType=cv2.BORDER_REFLECT)
    large = cv2.resize(smooth.round().astype(np.uint8), (seen.width, seen.height), interpolation=cv2.INTER_LINEAR)
    _crop(image, hidden)[:] = _crop(large, hidden.moved(-seen.x1, -seen.y1))


def draw_activation(image: Image, activation: npt.NDArray[np.float32], box: Box) -> None:
    """Lay a class activation map over what it covers, in place: the more a part speaks for the class, the more of it.

    What speaks against the class leaves the picture as it is. The colours are matplotlib's viridis, which gets brighter
    evenly and does without red against green.

    Args:
        image: uint8, (height, width, 3), BGR.
        activation: float32, (rows, columns), in logits; the strongest part has full colour, if it is above 1.
        box: what the map covers; it may reach over the edge.
    """
    inside = box.clipped(image.shape[1], image.shape[0])
    if not inside.area:
        return
    smooth = cv2.resize(activation, (box.width, box.height), interpolation=cv2.INTER_CUBIC)
    part = _crop(smooth, inside.moved(-box.x1, -box.y1))
    strength = np.clip(part * (255 / max(1.0, float(activation.max()))), 0, 255).astype(np.uint8)
    kept, added = (cv2.applyColorMap(strength, table) for table in _activation_tables())
    area = _crop(image, inside)
    area[:] = cv2.add(cv2.multiply(area, kept, scale=1 / 255), added)


@cache
def _activation_tables() -> tuple[Image, Image]:
    """By the strength of an activation in [0, 255]: how much of a pixel is kept, in [0, 255], and what is added to it.

    Returns:
        Two tables, uint8, (256, 1, 3), BGR.
    """
    strength = np.arange(256, dtype=np.uint8)[:, None]
    opacity = ACTIVATION_OPACITY * strength[..., None].repeat(3, axis=2) / 255
    colours = cv2.applyColorMap(strength, cv2.COLORMAP_VIRIDIS)
    return (255 * (1 - opacity)).astype(np.uint8), (colours * opacity).astype(np.uint8)


def draw_recording_dot(image: Image) -> None:
    """Put a red dot on a plate into the top right corner of a picture, in place: what is seen is being recorded.

    Args:
        image: uint8, (height, width, 3), BGR.
    """
    frame = _frame(image)
    row = _row_height(frame, frame)
    side = row + row // 2
    plate = np.full((side, side, 3), DARK, np.uint8)
    cv2.circle(plate, (side // 2, side // 2), row // 2, RED, cv2.FILLED, cv2.LINE_AA)
    corner = image[:side, max(0, frame.width - side) :]
    corner[:] = plate[: corner.shape[0], : corner.shape[1]]


def draw_keys(image: Image, keys: Mapping[str, str]) -> None:
    """List keys on a panel in the bottom left corner of a picture, in place; it shrinks to fit into a small one.

    Args:
        image: uint8, (height, width, 3), BGR.
        keys: what each does, by its name.
    """
    frame = _frame(image)
    panel: MatLike = _key_panel(tuple(keys.items()), _row_height(frame, frame))
    height, width = panel.shape[:2]
    scale = min(1.0, frame.height / height, frame.width / width)
    if scale < 1:
        size = max(1, int(width * scale)), max(1, int(height * scale))
        panel = cv2.resize(panel, size, interpolation=cv2.INTER_AREA)
    area = image[frame.height - panel.shape[0] :, : panel.shape[1]]
    area[:] = cv2.addWeighted(panel, BARS_OPACITY, area, 1 - BARS_OPACITY, 0)


@lru_cache(maxsize=8)  # letters take long to draw
def _key_panel(keys: tuple[tuple[str, str], ...], row: int) -> Image:
    border, line = row, row + row // 2
    left = 2 * border + max(_text_width(name, row) for name, _ in keys)
    width = left + max(_text_width(does, row) for _, does in keys) + border
    picture = np.full((line * len(keys) + border, width, 3), DARK, np.uint8)
    for i, (name, does) in enumerate(keys):
        middle = (border + line) / 2 + line * i
        _write(picture, name, (border, middle), row, ink=WHITE)
        _write(picture, does, (left, middle), row, font=REGULAR, ink=PALE)
    return picture


class _Panel(NamedTuple):
    """A small picture to lay over the frame near a face, and places for its top left corner, the best first."""

    picture: Image
    opacity: float
    home: Box
    corners: list[tuple[int, int]]


def _label_panel(face: Face, frame: Box) -> Iterator[_Panel]:
    box, row = face.box, _row_height(face.box, frame)
    chips = [_chip(_label_text(prediction), _plate(prediction), row) for prediction in face.predictions.values()]
    if face.track is not None:
        chips.append(_chip(f"#{face.track}", GREY, row))
    if chips:
        picture = _flow(chips, frame.width)
        height, width = picture.shape[:2]
        above, below, inside = box.y1 - height, box.y2, box.y1
        corners = [(x, y) for y in (above, below, inside) for x in (box.x1, box.x2 - width)]
        yield _Panel(picture, 1.0, box, corners)


def _bar_panels(face: Face, frame: Box) -> Iterator[_Panel]:
    box, row = face.box, _row_height(face.box, frame)
    gap, label = row // 2, 2 * row
    for prediction in filter(_is_graded, face.predictions.values()):
        picture = _bars(prediction, row)
        height, width = picture.shape[:2]
        right, left = box.x2 + gap, box.x1 - gap - width
        below, above, below_label = box.y2 + gap, box.y1 - label - height, box.y2 + label
        corners = [(x, y) for y in (box.y1, box.y2 - height) for x in (right, left)]
        corners += [(x, y) for y in (below, above, below_label) for x in (box.x1, box.x2 - width)]
        corners += [(x, box.y2 - gap - height) for x in (box.x2 - gap - width, box.x1 + gap)]  # inside
        yield _Panel(picture, BARS_OPACITY, box, corners)


def _best_spot(panel: _Panel, taken: Sequence[Box], frame: Box) -> Box:
    """The place inside the frame where a panel hides least; its own face counts a quarter of anything else."""
    height, width = panel.picture.shape[:2]
    near = np.clip(panel.corners, 0, (frame.width - width, frame.height - height))
    far = near + np.array((width, height))
    boxes = np.array([(box.x1, box.y1, box.x2, box.y2) for box in taken])
    overlap = np.minimum(far[:, None], boxes[:, 2:]) - np.maximum(near[:, None], boxes[:, :2])  # (spots, boxes, 2)
    hidden = np.maximum(overlap, 0).prod(axis=2)
    best = np.argmin(hidden @ [1 if box == panel.home else 4 for box in taken])
    return Box(*near[best].tolist(), *far[best].tolist())


def _crop(image: npt.NDArray[Any], box: Box) -> npt.NDArray[Any]:
    """What of a picture or map lies in a box, to be changed in place."""
    return image[box.y1 : box.y2, box.x1 : box.x2]


def _frame(image: Image) -> Box:
    return Box(0, 0, image.shape[1], image.shape[0])


def _row_height(box: Box, frame: Box) -> int:
    """The height of a row of text in pixels, from which all sizes follow.

    An eighth of the box, so that seven bars with their border are as high as it; more or less where the frame asks
    for that, to be legible in it or not to fill it.
    """
    side = min(frame.width, frame.height)
    return round(min(max(box.height / 8, 10, side / 44), max(10, side / 30)))


def _draw_explanation(canvas: Image, face: Face) -> None:
    for prediction in sorted(face.predictions.values(), key=_is_graded, reverse=True)[:1]:
        if prediction.class_map is not None and prediction.activation is not None:
            draw_activation(canvas, prediction.activation, prediction.class_map.box)


def _draw_outline(canvas: Image, face: Face, frame: Box) -> None:
    """A line along the inside of the box, between two dark ones that set it off from a bright picture."""
    box = face.box
    colour = next((_plate(p) for p in face.predictions.values() if _is_graded(p) and p.is_sure), WHITE)
    thickness = max(1, round(_row_height(box, frame) / 8))
    lines = [DARK, *[colour] * thickness, DARK]
    for inset, line in enumerate(lines[: (min(box.width, box.height) + 1) // 2]):
        cv2.rectangle(canvas, (box.x1 + inset, box.y1 + inset), (box.x2 - 1 - inset, box.y2 - 1 - inset), line)


def _flow(chips: Sequence[Image], most_width: int) -> Image:
    """The chips side by side while they fit, else on more lines."""
    lines = [chips[0]]
    for chip in chips[1:]:
        if lines[-1].shape[1] + chip.shape[1] <= most_width:
            lines[-1] = np.hstack((lines[-1], chip))
        else:
            lines.append(chip)
    width = max(line.shape[1] for line in lines)
    picture = np.full((len(lines), lines[0].shape[0], width, 3), DARK, np.uint8)
    for i, line in enumerate(lines):
        picture[i, :, : line.shape[1]] = line
    return picture.reshape(-1, width, 3)


def _label_text(prediction: Prediction) -> str:
    label = _ascii(prediction.label, LONGEST_LABEL)
    return f"{label} {prediction.score:.0%}" if prediction.is_sure else label


@lru_cache(maxsize=1024)
def _chip(text: str, plate: Colour, row: int) -> Image:
    """A text on a plate, one and a half rows high."""
    picture = np.full((row + row // 2, _text_width(text, row) + row, 3), plate, np.uint8)
    _write(picture, text, (row // 2, picture.shape[0] / 2), row, ink=_ink_on(plate))
    return picture


def _bars(prediction: Prediction, row: int) -> Image:
    """A row for each class, its name and a bar as long as its score, with half a row of border."""
    names = tuple(_ascii(label, LONGEST_NAME) for label in prediction.labels)
    picture: Image = _names_and_empty_bars(names, int(np.argmax(prediction.scores)), row).copy()
    border, thickness, length = row // 2, round(CAPITAL * row), _bar_length(row)
    left = picture.shape[1] - border - length
    for i, score in enumerate(prediction.scores.tolist()):
        y = border + row * i + (row - thickness) // 2
        picture[y : y + thickness, left : left + round(score * length)] = _class_colour(i)
    return picture


@lru_cache(maxsize=256)  # letters take long to draw, and are the same in frame after frame
def _names_and_empty_bars(names: tuple[str, ...], top: int, row: int) -> Image:
    border, thickness, length = row // 2, round(CAPITAL * row), _bar_length(row)
    left = 2 * border + max(_text_width(name, row) for name in names)
    picture = np.full((row * len(names) + 2 * border, left + length + border, 3), DARK, np.uint8)
    for i, name in enumerate(names):
        y = border + row * i
        font, ink = (BOLD, WHITE) if i == top else (REGULAR, PALE)
        _write(picture, name, (border, y + row / 2), row, font=font, ink=ink)
        picture[y + (row - thickness) // 2 :][:thickness, left : left + length] = GREY
    return picture


def _bar_length(row: int) -> int:
    """The length in pixels of a bar with a score of 1."""
    return 4 * row


def _text_width(text: str, row: int) -> int:
    scale, stroke = _pen(row)
    return cv2.getTextSize(text, BOLD, scale, stroke)[0][0]  # the wider font


def _write(
    picture: Image, text: str, left_middle: tuple[int, float], row: int, *, ink: Colour, font: int = BOLD
) -> None:
    scale, stroke = _pen(row)
    baseline = round(left_middle[1] + CAPITAL * row / 2)
    cv2.putText(picture, text, (left_middle[0], baseline), font, scale, ink, stroke, cv2.LINE_AA)


def _pen(row: int) -> tuple[float, int]:
    """The scale of the letters, whose capitals are 21 pixels high at scale 1, and the width of their strokes."""
    return CAPITAL * row / 21, max(1, round(row / 20))


@lru_cache(maxsize=1024)
def _ascii(text: str, longest: int) -> str:
    """The text in the only letters that OpenCV's fonts have: accents fall off, others become question marks."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = letters.encode("ascii", "replace").decode()
    return plain if len(plain) <= longest else plain[: longest - 1] + "."


def _is_graded(prediction: Prediction) -> bool:
    """Whether its scores say more than its label does."""
    return len(prediction.labels) > 2


def _plate(prediction: Prediction) -> Colour:
    if not prediction.is_sure:
        return GREY
    return _class_colour(int(np.argmax(prediction.scores))) if _is_graded(prediction) else DARK


def _class_colour(index: int) -> Colour:
    return PALETTE[index % len(PALETTE)]


def _ink_on(plate: Colour) -> Colour:
    blue, green, red = plate
    return DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 100 else WHITE
