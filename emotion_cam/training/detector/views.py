"""Views of scenes, as a camera might have seen them: turned, near and far, in poor light, covered, out of focus.

Every view is one similarity warp of a picture, so that it is interpolated once. Then come light, lens and sensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from emotion_cam.training.detector.scenes import MIRRORED_POINTS, Floats, Scene
from emotion_cam.types import Image


class View(NamedTuple):
    """What the network is to see, and where the faces are in it.

    Attributes:
        image: uint8, (side, side), gray.
        squares, points, ignored: as in ``Scene``, in pixels of the view.
    """

    image: Image
    squares: Floats
    points: Floats
    ignored: Floats


class Focus(NamedTuple):
    """A place of a scene to look at.

    Attributes:
        scene: which one, by its number.
        x, y, side: center and side of the square, in pixels.
    """

    scene: int
    x: float
    y: float
    side: float


@dataclass(frozen=True)
class ViewOptions:
    """How much views vary; a probability is of a view's having it at all.

    Attributes:
        smallest, largest: sides in pixels between which the face in focus is brought, evenly on a logarithmic scale.
        magnification: by how much a picture is enlarged at most.
        turn: largest turn to either side, in degrees; half of the views turn little.
        dark: probability of poor light: between ``least_light`` and all of it.
        least_light: the least share of the light.
        uneven: probability of light that falls off to a side.
        noise: probability of sensor noise; its largest deviation, in gray levels, is ``most_noise``.
        blur: probability of a lens out of focus; as much again of motion in a line.
        jpeg: probability of being compressed, at a quality of 12 to 80.
        cover: probability that a bar or a patch covers a part of the face.
        edges: probability that a picture's edge pixels are repeated where it has ended, as they are in a look at a face
            at the edge of a camera's picture; otherwise another picture is seen there, or one shade of gray.
        nobody: share of views of pictures without faces.
        pasted: share of views with faces of other data sets, blended into rooms without anybody.
        drawn: probability that a view of a picture without faces has drawings of faces and of other things in it.
        hard: share of the views without faces in which the network saw some, if such were mined.
    """

    smallest: float = 9.0
    largest: float = 140.0
    magnification: float = 2.5
    turn: float = 50.0
    dark: float = 0.4
    least_light: float = 0.06
    uneven: float = 0.25
    noise: float = 0.5
    most_noise: float = 6.0
    blur: float = 0.12
    jpeg: float = 0.25
    cover: float = 0.15
    edges: float = 0.0
    nobody: float = 0.3
    pasted: float = 0.0
    drawn: float = 0.0
    hard: float = 0.5


def framed(
    scene: Scene, side: int, focus: Focus, options: ViewOptions, rng: np.random.Generator, room: Image | None
) -> View:
    """A random view of a scene with one square of it in focus.

    Args:
        scene: the picture.
        side: of the view, in pixels.
        focus: what is to be in the view, of a random size.
        options: how views vary.
        rng: decides.
        room: uint8, (side, side): what to see where the picture has ended; None for its edge pixels again and again.
    """
    largest = min(options.largest, 0.9 * side, options.magnification * focus.side)
    size = math.exp(rng.uniform(math.log(options.smallest), math.log(max(options.smallest * 1.01, largest))))
    edge = min(0.35 * size, side / 2)
    target = rng.uniform(edge, side - edge, 2)
    matrix = _similarity((focus.x, focus.y), target, size / focus.side, _turn(options, rng), rng.random() < 0.5)
    return warped(scene, side, matrix, room)


def glimpsed(scene: Scene, side: int, options: ViewOptions, rng: np.random.Generator, room: Image | None) -> View:
    """A random view of a scene without faces: of all of it, or of a part."""
    height, width = scene.image.shape
    scale = side / max(height, width) * math.exp(rng.uniform(math.log(0.6), math.log(3)))
    center = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
    if scale * max(height, width) < 1.2 * side:
        center = width / 2, height / 2
    matrix = _similarity(center, (side / 2, side / 2), scale, _turn(options, rng), rng.random() < 0.5)
    return warped(scene, side, matrix, room)


def _turn(options: ViewOptions, rng: np.random.Generator) -> float:
    degrees = rng.normal(0, options.turn / 5) if rng.random() < 0.5 else rng.uniform(-options.turn, options.turn)
    return math.radians(float(degrees))


def _similarity(
    center: Sequence[float],
    target: Sequence[float] | npt.NDArray[np.float64],
    scale: float,
    turn: float,
    mirrored: bool,
) -> Floats:
    """The matrix that brings a center to a target, scaled, turned and perhaps mirrored, (2, 3)."""
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    matrix = np.array([[-cos if mirrored else cos, -sin], [-sin if mirrored else sin, cos]])
    return np.column_stack([matrix, np.asarray(target) - matrix @ np.asarray(center)]).astype(np.float32)


def warped(scene: Scene, side: int, matrix: Floats, room: Image | None) -> View:
    """What a similarity makes of a scene.

    Args:
        scene: the picture and its faces.
        side: of the view, in pixels.
        matrix: (2, 3), from pixels of the scene to those of the view.
        room: uint8, (side, side): what to see where the picture has ended; None for its edge pixels again and again.
    """
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    image, shrunk = scene.image, matrix.copy()
    if scale < 0.8:  # a warp alone would skip pixels
        size = max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale))
        across, down = size[0] / image.shape[1], size[1] / image.shape[0]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        shrunk = _from_resized(matrix, across, down)
    border = cv2.BORDER_REPLICATE if room is None else cv2.BORDER_TRANSPARENT
    view = np.zeros((side, side), np.uint8) if room is None else room.copy()
    cv2.warpAffine(image, shrunk, (side, side), view, cv2.INTER_LINEAR, border)
    mirrored = np.linalg.det(matrix[:, :2]) < 0
    points = scene.points @ matrix[:, :2].T + matrix[:, 2]
    if mirrored:
        points = points[:, MIRRORED_POINTS]
    return View(view, _moved(scene.squares, matrix, scale), points, _moved(scene.ignored, matrix, scale))


def _from_resized(matrix: Floats, across: float, down: float) -> Floats:
    """The matrix for a picture that was resized before; pixels' centers lie at halves for ``cv2.resize``."""
    resized = np.array([[1 / across, 0, 0.5 / across - 0.5], [0, 1 / down, 0.5 / down - 0.5], [0, 0, 1]])
    return np.asarray(np.vstack([matrix, [0, 0, 1]]) @ resized, np.float32)[:2]


def _moved(squares: Floats, matrix: Floats, scale: float) -> Floats:
    centers = squares[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.column_stack([centers, squares[:, 2] * scale]).astype(np.float32)


def pasted(face: Image, margin: float, room: View, options: ViewOptions, rng: np.random.Generator) -> View:
    """A view with a face cut out of another picture, blended into it where no other face is.

    Args:
        face: uint8, (height, width), gray, the cascade's square with a margin around.
        margin: that margin, as a share of the square's side.
        room: where to put it; its image is changed.
        options: how views vary.
        rng: decides.
    """
    side, inner = room.image.shape[0], face.shape[0] / (1 + 2 * margin)
    largest = min(options.largest, 0.8 * side, options.magnification * inner)
    size = math.exp(rng.uniform(math.log(options.smallest), math.log(largest)))
    for _ in range(4):
        target = rng.uniform(0.45 * size, side - 0.45 * size, 2)
        others = np.vstack([room.squares, room.ignored])
        if not len(others) or (np.abs(others[:, :2] - target).max(axis=1) > 0.75 * (others[:, 2] + size)).all():
            break
    else:
        return room
    middle = ((face.shape[1] - 1) / 2, (face.shape[0] - 1) / 2)
    matrix = _similarity(middle, target, size / inner, _turn(options, rng), rng.random() < 0.5)
    none = np.zeros((0, 3), np.float32)
    square = np.array([[*middle, inner]], np.float32)
    cut = Scene(_relit(face, room.image, rng), square, np.full((1, 5, 2), np.nan, np.float32), none)
    placed = warped(cut, side, matrix, room.image)
    mask = np.zeros_like(face)
    axes = round(face.shape[1] * rng.uniform(0.40, 0.46)), round(face.shape[0] * rng.uniform(0.44, 0.48))
    cv2.ellipse(mask, tuple(round(x) for x in middle), axes, 0, 0, 360, 255, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1 + face.shape[0] * rng.uniform(0.01, 0.04)), np.uint8)
    hidden = Scene(mask, none, np.zeros((0, 5, 2), np.float32), none)
    share = warped(hidden, side, matrix, np.zeros_like(room.image)).image.astype(np.float32) / 255
    image = room.image + share * (placed.image.astype(np.float32) - room.image)
    return View(
        np.asarray(image.round(), np.uint8),
        np.vstack([room.squares, placed.squares]),
        np.vstack([room.points, placed.points]),
        room.ignored,
    )


def draw(image: Image, rng: np.random.Generator) -> None:
    """Draw faces as on T-shirts and posters, and other things, into a picture, in place; none of them is a face.

    They are of 20 pixels or more: smaller ones look too much like real faces.
    """
    for _ in range(int(rng.integers(1, 4))):
        size = float(math.exp(rng.uniform(math.log(20), math.log(0.6 * image.shape[0]))))
        center = rng.uniform(0.2 * size, image.shape[0] - 0.2 * size, 2)
        if rng.random() < 0.6:
            _draw_face(image, center, size, rng)
        else:
            text = "".join(rng.choice(list("ABO80Q:)(oo.-x%&@"), int(rng.integers(1, 6))))
            place = round(center[0] - size / 2), round(center[1] + size / 4)
            shade, thickness = int(rng.integers(256)), max(1, round(size * rng.uniform(0.02, 0.1)))
            cv2.putText(image, text, place, int(rng.integers(8)), size / 40, shade, thickness, cv2.LINE_AA)


def _draw_face(image: Image, center: npt.NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """A skull, a smiley or a mask in two shades: an outline, two eyes, perhaps a nose, and a mouth or teeth."""
    ground, ink = (int(shade) for shade in rng.permutation([rng.integers(0, 110), rng.integers(140, 256)]))
    if rng.random() < 0.2:
        ground = int(np.clip(ink + rng.integers(-70, 70), 0, 255))
    turn = math.radians(float(rng.normal(0, 15)))
    line = max(1, round(size * rng.uniform(0.01, 0.06)))
    wide = size * rng.uniform(0.38, 0.5)

    def at(right: float, down: float) -> tuple[int, int]:
        x, y = size * right, size * down
        across = x * math.cos(turn) - y * math.sin(turn)
        return round(center[0] + across), round(center[1] + x * math.sin(turn) + y * math.cos(turn))

    def blob(right: float, down: float, across: float, high: float, shade: int, thickness: int) -> None:
        axes = max(1, round(size * across)), max(1, round(size * high))
        cv2.ellipse(image, at(right, down), axes, math.degrees(turn), 0, 360, shade, thickness, cv2.LINE_AA)

    if rng.random() < 0.75:
        blob(0, 0.05, wide / size, rng.uniform(0.45, 0.62), ground, -1 if rng.random() < 0.8 else line)
    eye, apart, level = rng.uniform(0.04, 0.14), rng.uniform(0.13, 0.24), rng.uniform(-0.2, 0.0)
    high = eye * rng.uniform(0.5, 1.6)
    is_filled = -1 if rng.random() < 0.7 else line
    for side in (-1, 1):
        blob(side * apart, level, eye, high, ink, is_filled)
        if rng.random() < 0.3:
            blob(side * apart, level, eye / 3, high / 3, ground, -1)
    if rng.random() < 0.6:
        corners = [at(0, 0.08), at(-0.06, 0.2), at(0.06, 0.2)]
        cv2.fillPoly(image, [np.array(corners, np.int32)], ink, cv2.LINE_AA)
    mouth, reach = rng.uniform(0.25, 0.4), rng.uniform(0.1, 0.28)
    if rng.random() < 0.5:
        blob(0, mouth, reach, rng.uniform(0.01, 0.12), ink, -1 if rng.random() < 0.5 else line)
    else:
        cv2.line(image, at(-reach, mouth), at(reach, mouth), ink, line, cv2.LINE_AA)
    if rng.random() < 0.5:
        for place in np.linspace(-reach, reach, int(rng.integers(3, 9))):
            cv2.line(image, at(place, mouth - 0.07), at(place, mouth + 0.07), ink, line, cv2.LINE_AA)


def _relit(face: Image, room: Image, rng: np.random.Generator) -> Image:
    """A face whose light comes some of the way towards the room's."""
    gain = (float(room.mean()) + 8) / (float(face.mean()) + 8)
    gain = np.clip(gain, 0.3, 1.8) ** rng.uniform(0, 1) * rng.uniform(0.75, 1.25)
    return np.asarray((face * gain).clip(0, 255), np.uint8)


def as_filmed(view: View, options: ViewOptions, rng: np.random.Generator) -> View:
    """A view with something before the face, in some light, through some lens, on some sensor."""
    if len(view.squares) and rng.random() < options.cover:
        _cover(view.image, view.squares[rng.integers(len(view.squares))], rng)
    image = _LEVELS ** np.float32(math.exp(rng.uniform(-0.5, 0.5))) * np.float32(255)
    image = np.take(image, view.image)
    if rng.random() < options.uneven:
        image *= _falling_off(image.shape[0], rng)
    if rng.random() < options.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.float32)
    if rng.random() < options.blur:
        image = np.asarray(cv2.filter2D(image, -1, _motion(rng), borderType=cv2.BORDER_REPLICATE), np.float32)
    if rng.random() < options.dark:
        image *= np.float32(math.exp(rng.uniform(math.log(options.least_light), 0)))
    else:
        image = image * np.float32(rng.uniform(0.7, 1.3)) + np.float32(rng.uniform(-15, 25))
    if rng.random() < options.noise:
        image += _grain(image.shape, rng) * np.float32(options.most_noise * rng.random() ** 2)
    seen = np.asarray(image.clip(0, 255), np.uint8)
    if rng.random() < options.jpeg:
        _, code = cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 80))))
        seen = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return view._replace(image=seen)


_LEVELS = np.linspace(0, 1, 256, dtype=np.float32)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Noise of deviation 1: a random piece of a large sheet of it, as drawing it anew takes longer than all else."""
    sheet = _sheet()
    size = math.prod(shape)
    start = int(rng.integers(len(sheet) - size))
    return sheet[start : start + size].reshape(shape)


@lru_cache(maxsize=1)
def _sheet() -> Floats:
    return np.random.default_rng(0).standard_normal(1 << 20, np.float32)


def _cover(image: Image, square: Floats, rng: np.random.Generator) -> None:
    """Put a bar or a patch over a part of a face, in place."""
    x, y, side = (float(value) for value in square)
    length, thickness = side * rng.uniform(0.4, 1.6), side * rng.uniform(0.08, 0.3)
    center = x + side * rng.uniform(-0.45, 0.45), y + side * rng.uniform(-0.45, 0.45)
    corners = cv2.boxPoints((center, (length, thickness), rng.uniform(0, 180)))
    cv2.fillPoly(image, [corners.round().astype(np.int32)], float(rng.uniform(0, 255)))


def _falling_off(side: int, rng: np.random.Generator) -> Floats:
    """Light that falls off in one direction, as shares, (side, side)."""
    angle, least = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.8)
    line = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    along = np.add.outer(line * np.float32(math.sin(angle)), line * np.float32(math.cos(angle)))
    return np.asarray(least + (1 - least) / (1 + np.exp(-rng.uniform(2, 10) * along)), np.float32)


def _motion(rng: np.random.Generator) -> Floats:
    """The kernel of a motion in a line of three to seven pixels."""
    length = int(rng.integers(1, 4))
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, math.pi)
    end = round(length * math.cos(angle)), round(length * math.sin(angle))
    cv2.line(kernel, (length - end[0], length - end[1]), (length + end[0], length + end[1]), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)
