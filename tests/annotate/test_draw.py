"""The drawing, judged by its pixels: what is drawn is whole, inside the picture, true to the scores, and legible."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.annotate.draw import (
    BARS_OPACITY,
    PALETTE,
    Annotator,
    blur_face,
    draw_activation,
    draw_corner_text,
    draw_keys,
    draw_recording_dot,
)
from emotion_cam.detect import HaarDetector
from emotion_cam.types import Box, ClassMap, Face, Frame, Image, Prediction, Result

FER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
HAPPY = (0.02, 0.0, 0.03, 0.8, 0.05, 0.04, 0.06)

annotate = Annotator()


def blank(width: int, height: int, value: int = 0) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def prediction(labels: tuple[str, ...], scores: tuple[float, ...]) -> Prediction:
    return Prediction(labels, np.array(scores, np.float32))


def face(box: Box, scores: tuple[float, ...] = HAPPY, labels: tuple[str, ...] = FER, track: int | None = None) -> Face:
    return Face(box, {"emotion": prediction(labels, scores), "gender": prediction(("man", "woman"), (0.1, 0.9))}, track)


def changed(before: Image, after: Image) -> npt.NDArray[Any]:
    """Which pixels differ, bool, (height, width)."""
    differs: npt.NDArray[Any] = (before != after).any(axis=2)
    return differs


def extent(mask: npt.NDArray[Any]) -> Box:
    """The smallest box around what is set."""
    ys, xs = np.nonzero(mask)
    return Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def crop(image: Image, box: Box) -> Image:
    return image[box.y1 : box.y2, box.x1 : box.x2]


def panels_with_room(frame_side: int, side: int) -> tuple[Image, Image]:
    """Label and bars of a square face that has room all around it, in a frame whose shorter side is ``frame_side``."""
    frame = blank(4 * frame_side, frame_side)
    x, y = 2 * frame_side, (frame_side - side) // 2
    drawn = annotate(frame, [face(Box(x, y, x + side, y + side))])
    above, right = changed(frame, drawn), changed(frame, drawn)
    above[y:] = False
    right[:y] = False
    right[:, : x + side] = False
    return crop(drawn, extent(above)), crop(drawn, extent(right))


def occurs(part: Image, whole: Image) -> bool:
    """Whether the part is somewhere in the whole, pixel by pixel."""
    distance = cv2.matchTemplate(whole, part, cv2.TM_SQDIFF)
    y, x = np.unravel_index(np.argmin(distance), distance.shape)
    return np.array_equal(whole[y : y + part.shape[0], x : x + part.shape[1]], part)


def longest_run(image: Image, colour: npt.NDArray[Any]) -> int:
    """The most neighbours in one row that have that colour, give or take the rounding."""
    near = (np.abs(image.astype(int) - colour) <= 2).all(axis=2)
    best = run = np.zeros(near.shape[0], int)
    for column in near.T:
        run = np.where(column, run + 1, 0)
        best = np.maximum(best, run)
    return int(best.max())


def luminance(colour: npt.NDArray[Any]) -> float:
    """Relative luminance as in WCAG 2, of a BGR colour in [0, 255]."""
    return float(linear(colour) @ (0.0722, 0.7152, 0.2126))


def contrast(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """The contrast ratio of WCAG 2, in [1, 21]; it asks for 4.5 for text and for 3 for graphics."""
    dark, bright = sorted((luminance(a), luminance(b)))
    return (bright + 0.05) / (dark + 0.05)


def text_contrast(plate: Image) -> float:
    """The contrast of the most common colour with that which stands out most from it."""
    colours, counts = np.unique(plate.reshape(-1, 3), axis=0, return_counts=True)
    ground = colours[np.argmax(counts)]
    return max(contrast(ground, colour) for colour in colours)


# What goes in and comes out.


def test_the_input_stays_as_it_is() -> None:
    image = blank(320, 240, 90)
    drawn = annotate(image, [face(Box(100, 80, 180, 160), track=1)])
    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert changed(image, drawn).any()


def test_without_faces_it_is_a_copy() -> None:
    image = blank(64, 48, 7)
    drawn = annotate(image, [])
    assert drawn is not image
    assert not np.shares_memory(drawn, image)
    assert np.array_equal(drawn, image)


def test_a_mirrored_view_can_be_drawn_on() -> None:
    image = blank(200, 200)[:, ::-1]
    assert changed(image, annotate(image, [face(Box(60, 60, 120, 120))])).any()


def test_tasks_are_not_known_by_name() -> None:
    box, image = Box(60, 60, 140, 140), blank(400, 300)
    ours = face(box)
    others = Face(box, dict(zip(("age", "mood"), ours.predictions.values(), strict=True)))
    assert np.array_equal(annotate(image, [ours]), annotate(image, [others]))


# Everything inside, and whole.

POSITIONS = [(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]


@pytest.mark.parametrize(
    ("width", "height", "side"), [(320, 240, 90), (640, 480, 120), (640, 480, 300), (360, 640, 80)]
)
def test_label_and_bars_are_whole_wherever_the_face_is(width: int, height: int, side: int) -> None:
    label, bars = panels_with_room(min(width, height), side)
    for right, down in POSITIONS:
        x, y = round(right * (width - side)), round(down * (height - side))
        drawn = annotate(blank(width, height), [face(Box(x, y, x + side, y + side))])
        assert occurs(label, drawn), f"the label is cut or covered for a face at {x}, {y}"
        assert occurs(bars, drawn), f"the bars are cut or covered for a face at {x}, {y}"


@pytest.mark.parametrize(("width", "height"), [(160, 120), (320, 240), (640, 480), (480, 854)])
def test_a_face_that_fills_the_frame_keeps_its_panels(width: int, height: int) -> None:
    drawn = annotate(blank(width, height), [face(Box(0, 0, width, height))])
    row = longest_run(drawn, BARS_OPACITY * np.array(PALETTE[3]))
    assert row > 25, "no bar for the top class"
    assert longest_run(drawn, np.array(PALETTE[3])) > 40, "no label"


def test_where_there_is_room_for_one_the_label_lies_over_the_bars() -> None:
    image, faces = blank(110, 100), [face(Box(0, 0, 110, 100))]
    bare, drawn = Annotator(bars=False)(image, faces), annotate(image, faces)
    assert np.array_equal(drawn[:30, :60], bare[:30, :60])
    assert not np.array_equal(drawn[30:], bare[30:])


def test_a_tiny_face_in_a_4k_frame_gets_legible_rows() -> None:
    image = blank(3840, 2160)
    ink = extent(changed(image, annotate(image, [face(Box(1000, 1000, 1040, 1040))])))
    assert ink.height > 300  # seven rows, each a fiftieth of the frame


def test_a_large_face_does_not_get_huge_panels() -> None:
    image = blank(640, 480)
    drawn = annotate(image, [face(Box(120, 40, 520, 440))])
    assert changed(image, drawn)[60:420, 140:400].sum() == 0, "the panels reach into the face"


def test_any_picture_and_any_boxes_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        width, height = rng.integers(16, 400, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        before = image.copy()
        faces = []
        for track in range(rng.integers(1, 5)):
            x, y = rng.integers(-60, width + 20), rng.integers(-60, height + 20)
            classes = int(rng.integers(1, 13))
            labels = tuple(f"class {i}" for i in range(classes))
            task = prediction(labels, tuple(rng.dirichlet(np.ones(classes))))
            faces.append(Face(Box(x, y, x + rng.integers(0, width), y + rng.integers(0, height)), {"t": task}, track))
        drawn = annotate(image, faces)
        assert np.array_equal(image, before)
        assert (drawn.shape, drawn.dtype) == (image.shape, image.dtype)


def test_a_face_outside_the_picture_draws_nothing() -> None:
    image = blank(100, 80, 50)
    assert np.array_equal(annotate(image, [face(Box(120, 10, 160, 50)), face(Box(-40, -40, 0, 0))]), image)


# What is drawn.


def test_without_predictions_there_is_only_the_box() -> None:
    image, box = blank(300, 200), Box(100, 60, 180, 140)
    ink = changed(image, annotate(image, [Face(box)]))
    assert extent(ink) == box
    assert not ink[70:130, 110:170].any()


def test_bars_are_as_long_as_their_scores() -> None:
    box, scores = Box(100, 100, 340, 340), (0.05, 0.1, 0.15, 0.4, 0.2, 0.0, 0.1)
    image = blank(1000, 1000)
    certain = annotate(image, [face(box, (0, 0, 0, 1, 0, 0, 0))])
    full = longest_run(certain, BARS_OPACITY * np.array(PALETTE[3]))
    assert full > 100

    drawn = annotate(image, [face(box, scores)])
    lengths = [longest_run(drawn[:, box.x2 :], BARS_OPACITY * np.array(colour)) for colour in PALETTE[: len(FER)]]
    assert lengths[:6] == pytest.approx([score * full for score in scores[:6]], abs=1)
    # Grey letters meet the colour of the last bar by chance, in a pixel or two.
    assert lengths[6] == pytest.approx(scores[6] * full, abs=2)


def test_bars_can_be_left_out() -> None:
    image, box = blank(640, 480), Box(200, 200, 300, 300)
    ink = changed(image, Annotator(bars=False)(image, [face(box)]))
    assert ink[: box.y1].any()
    assert not ink[box.y1 :, box.x2 :].any()
    assert not ink[box.y2 :].any()


def test_a_hidden_task_leaves_no_trace() -> None:
    image, both = blank(640, 480), face(Box(200, 150, 300, 250))
    annotator = Annotator()
    annotator.hidden.add("emotion")
    without = Face(both.box, {"gender": both.predictions["gender"]})
    np.testing.assert_array_equal(annotator(image, [both]), annotate(image, [without]))
    annotator.hidden.clear()
    np.testing.assert_array_equal(annotator(image, [both]), annotate(image, [both]))


def test_two_classes_get_a_label_and_no_bars() -> None:
    image, box = blank(640, 480), Box(200, 200, 300, 300)
    ink = changed(image, annotate(image, [Face(box, {"gender": prediction(("man", "woman"), (0.3, 0.7))})]))
    assert ink[: box.y1].any()
    assert not ink[box.y1 :, box.x2 :].any()


def test_the_label_tells_class_score_and_track_above_the_box() -> None:
    image, box = blank(640, 480), Box(100, 200, 250, 350)
    bare = Annotator(bars=False)
    base = bare(image, [face(box)])
    renamed = bare(image, [face(box, labels=(*FER[:3], "elated", *FER[4:]))])
    rescored = bare(image, [face(box, (0.02, 0.1, 0.03, 0.7, 0.05, 0.04, 0.06))])
    tracked = bare(image, [face(box, track=7)])
    for other in (renamed, rescored, tracked):
        difference = changed(base, other)
        assert difference[: box.y1].any()
        assert not difference[box.y1 :].any()
    assert not np.array_equal(tracked, bare(image, [face(box, track=8)]))


def test_the_top_class_colours_label_and_box() -> None:
    box = Box(200, 200, 300, 300)
    for i, colour in enumerate(PALETTE[: len(FER)]):
        drawn = annotate(blank(640, 480), [face(box, tuple(float(i == j) for j in range(len(FER))))])
        assert (crop(drawn, box) == colour).all(axis=2).sum() > 350, "the box"
        assert longest_run(drawn[: box.y1], np.array(colour)) > 30, "the label"


def test_an_unsure_prediction_has_no_colour_and_no_score() -> None:
    image, box, bare = blank(640, 480), Box(200, 200, 300, 300), Annotator(bars=False)

    def drawn(*scores: float, least: float) -> Image:
        return bare(image, [Face(box, {"emotion": Prediction(FER, np.array(scores, np.float32), least)})])

    angry, happy = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.35, 0.15, 0.1, 0.1)
    assert not np.array_equal(drawn(*angry, least=0), drawn(*happy, least=0))
    assert np.array_equal(drawn(*angry, least=0.5), drawn(*happy, least=0.5))
    assert not (drawn(*angry, least=0.5) == PALETTE[0]).all(axis=2).any()


def test_labels_that_do_not_fit_on_one_line_take_two() -> None:
    heights = []
    for width in (640, 120):
        image, box = blank(width, 300), Box(20, 150, 100, 230)
        heights.append(extent(changed(image, Annotator(bars=False)(image, [face(box)]))[: box.y1]).height)
    assert heights[1] == 2 * heights[0]


def test_letters_outside_ascii_get_a_likeness() -> None:
    image, box = blank(640, 480), Box(100, 100, 250, 250)
    accented, plain, other = (
        annotate(image, [face(box, labels=(*FER[:3], label, *FER[4:]))]) for label in ("glücklich", "glucklich", "幸せ")
    )
    assert np.array_equal(accented, plain)
    assert not np.array_equal(other, plain)


# Faces in company.


def test_bars_go_right_or_else_left() -> None:
    image = blank(640, 480)
    for box, free in ((Box(100, 150, 250, 300), slice(250, None)), (Box(490, 150, 640, 300), slice(0, 490))):
        ink = changed(image, annotate(image, [face(box)]))
        assert ink[200:280, free].any()
        assert not ink[160:290, box.x1 + 10 : box.x2 - 10].any()


@pytest.mark.parametrize(
    "boxes",
    [
        (Box(200, 200, 300, 300), Box(310, 200, 410, 300)),  # side by side
        (Box(200, 200, 300, 300), Box(220, 330, 320, 430)),  # one above the other
        (Box(150, 200, 250, 300), Box(270, 190, 370, 290), Box(390, 200, 490, 300)),  # three in a row
        (Box(0, 30, 100, 130), Box(110, 30, 210, 130)),  # no room left of the first
    ],
)
def test_neighbours_hide_neither_each_other_nor_their_panels(boxes: tuple[Box, ...]) -> None:
    image = blank(640, 480)
    drawn = annotate(image, [face(box) for box in boxes])
    for box in boxes:
        assert not crop(changed(image, drawn), box.padded(-0.05)).any(), "a panel lies over a face"

    # Each panel is drawn whole if the frame holds as much of its ink as that many lone faces do.
    bar = BARS_OPACITY * np.array(PALETTE[3])
    alone = [annotate(image, [face(box)]) for box in boxes]
    ink = [int((np.abs(picture - bar) <= 2).all(axis=2).sum()) for picture in (drawn, *alone)]
    assert ink[0] == sum(ink[1:])
    area = [int(changed(image, picture).sum()) for picture in (drawn, *alone)]
    assert area[0] == sum(area[1:]), "panels overlap"


# Legible to all.


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_text_and_box_stand_out_from_any_picture(ground: int) -> None:
    image, box = blank(1000, 1000, ground), Box(100, 300, 400, 600)
    for i in range(len(FER)):
        drawn = annotate(image, [face(box, tuple(float(i == j) for j in range(len(FER))))])
        ink = changed(image, drawn)
        label = extent(ink[: box.y1])
        first_letters = Box(label.x1, label.y1, label.x1 + 60, label.y2)
        assert text_contrast(crop(drawn, first_letters)) > 4.5, f"the label {FER[i]}"
        panel = ink.copy()
        panel[:, : box.x2] = False
        panel[: box.y1] = False
        bars = extent(panel)
        for row in range(len(FER)):
            middle = bars.y1 + bars.height * (2 * row + 2) // (2 * len(FER) + 2)
            name = Box(bars.x1, middle - 8, bars.x1 + 60, middle + 8)
            assert text_contrast(crop(drawn, name)) > 4.5, f"the name {FER[row]}"
        edge = drawn[450, box.x1 : box.x1 + 10]
        assert max(contrast(image[0, 0], pixel) for pixel in edge) > 3, "the box"


# Machado, Oliveira and Fernandes 2009, severity 1; they apply to linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: npt.NDArray[Any] | tuple[int, int, int]) -> npt.NDArray[Any]:
    share = np.asarray(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """CIELAB under D65, of linear RGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    share = xyz / (0.9505, 1.0, 1.089)
    f = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_differ_for_every_kind_of_sight(sight: str) -> None:
    # One just sees a CIE76 distance of 2.3; six times that is told apart without looking twice.
    seen = [lab(np.asarray(SIGHT[sight]) @ linear(colour[::-1])) for colour in PALETTE]
    closest = min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))
    assert closest > 6 * 2.3


# What speaks for the label.


def explained(box: Box, values: npt.NDArray[Any], seen: Box | None = None) -> Face:
    """A face whose most likely class, of three, has the given activation map; the others have none."""
    maps = np.zeros((*values.shape, 3), np.float32)
    maps[..., 1] = values
    scores = np.array([0.2, 0.7, 0.1], np.float32)
    return Face(box, {"mood": Prediction(("a", "b", "c"), scores, class_map=ClassMap(maps, seen or box))})


def overlay(image: Image, face: Face) -> npt.NDArray[Any]:
    """What the explanation changes, (height, width), as the largest difference of a pixel's colours."""
    without, shown = (Annotator(bars=False, explain=explain)(image, [face]) for explain in (False, True))
    return np.abs(shown.astype(int) - without).max(axis=2)


def corner(row: int, column: int, rows: int = 3) -> npt.NDArray[Any]:
    values = np.full((rows, rows), -5.0, np.float32)
    values[row, column] = 8
    return values


@pytest.mark.parametrize("mirror", [False, True])
def test_what_speaks_for_the_label_is_coloured_where_it_is(mirror: bool) -> None:
    image, box = blank(400, 300, 128), Box(100, 60, 220, 180)
    face = explained(box, corner(0, 2))
    assert not overlay(image, Face(box, {"mood": replace(face.predictions["mood"], class_map=None)})).any()
    result = Result(Frame(image, 0, 0.0), (face,), annotate)
    difference = overlay(image, result.mirrored().faces[0] if mirror else face)
    if mirror:
        difference = difference[:, ::-1]
    ys, xs = np.nonzero(difference > 40)
    assert len(ys)
    assert 60 <= ys.min() <= ys.max() < 110
    assert 170 < xs.min() <= xs.max() < 220


def test_a_map_may_cover_more_than_the_box_and_reach_over_the_edge() -> None:
    image, box = blank(200, 200, 128), Box(0, 50, 90, 150)
    difference = overlay(image, explained(box, corner(1, 2), Box(-60, 20, 120, 180)))
    assert difference[75:125, 95:115].min() > 20
    assert not difference[:, 120:].any()
    assert not difference[:, :40].any()
    assert not overlay(image, explained(box, corner(1, 2), Box(300, 300, 400, 400))).any()


@pytest.mark.parametrize("value", [-3.0, 0.0, -1e30])
def test_what_speaks_against_the_label_leaves_the_picture_as_it_is(value: float) -> None:
    image, box = blank(200, 200, 128), Box(50, 50, 150, 150)
    assert overlay(image, explained(box, np.full((4, 4), value, np.float32))).max() <= 1


def test_the_face_stays_recognisable_under_its_explanation(portrait: Image) -> None:
    image, face_box = portrait.copy(), Box(172, 66, 272, 166)
    draw_activation(image, np.ones((3, 3), np.float32), face_box)
    before, after = (cv2.cvtColor(crop(picture, face_box), cv2.COLOR_BGR2GRAY) for picture in (portrait, image))
    assert np.abs(after.astype(int) - before).mean() > 20
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99
    assert (image != portrait).any(axis=2).sum() == face_box.area


def test_the_prediction_that_has_bars_is_explained_before_one_of_two_classes() -> None:
    image, box = blank(200, 200, 128), Box(50, 50, 150, 150)
    two = Prediction(("a", "b"), np.array([0.2, 0.8], np.float32), class_map=ClassMap(np.ones((2, 2, 2)), box))
    graded = explained(box, corner(0, 0)).predictions["mood"]
    assert overlay(image, Face(box, {"two": two}))[90:110, 90:110].min() > 40
    assert overlay(image, Face(box, {"two": two, "graded": graded}))[90:110, 90:110].max() <= 1


# Privacy.


def test_no_detail_of_a_blurred_face_is_left() -> None:
    # Waves of every phase and of so many periods in a face, as strong as a picture can have them.
    side = 96
    box = Box(side, side, 2 * side, 2 * side)
    y, x = np.mgrid[: 3 * side, : 3 * side] / side

    def blurred(wave: npt.NDArray[Any]) -> npt.NDArray[Any]:
        image = np.repeat((127.5 + 120 * wave).astype(np.uint8)[..., None], 3, axis=2)
        blur_face(image, box)
        return crop(image, box).astype(int)

    plain = blurred(np.zeros_like(x))
    for along in (x, y, (x + y) / np.sqrt(2)):
        for periods in (4, 5, 6, 8, 12, 24):
            for phase in range(6):
                assert np.abs(blurred(np.sin(2 * np.pi * periods * along + phase)) - plain).max() <= 1


def test_a_blurred_face_is_no_face_any_more_and_the_rest_stays(portrait: Image) -> None:
    (box,) = HaarDetector()(portrait)
    image = Annotator(blur=True)(portrait, [Face(box)])
    assert not HaarDetector()(image)
    changes = changed(portrait, image)
    assert extent(changes) == box.padded(0.25)
    assert crop(changes, box.padded(0.25)).mean() > 0.95


@pytest.mark.parametrize(
    "box", [Box(-50, -50, 50, 50), Box(40, 20, 300, 280), Box(90, 70, 92, 71), Box(0, 0, 120, 90), Box(200, 0, 250, 50)]
)
def test_a_face_anywhere_can_be_blurred(box: Box) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    before = image.copy()
    blur_face(image, box)
    inside = box.clipped(120, 90)
    assert changed(before, image).any() == bool(inside.area)
    if inside.area:
        assert inside.width < 3 or crop(image, inside).std() < 0.2 * crop(before, inside).std()


def test_the_explanation_is_drawn_over_the_blur() -> None:
    box = Box(50, 50, 150, 150)
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    face = explained(box, np.ones((2, 2), np.float32))
    both = Annotator(bars=False, blur=True, explain=True)(image, [face])
    assert crop(both, box.padded(-0.1)).std(axis=(0, 1)).max() < 10
    assert np.abs(both.astype(int) - Annotator(bars=False, blur=True)(image, [face]))[100, 100].max() > 40


def test_without_the_picture_nothing_of_it_is_left() -> None:
    boxes = [face(Box(60, 60, 120, 120)), face(Box(150, 60, 200, 110))]
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    for blur in (False, True):
        annotate = Annotator(picture=False, blur=blur)
        drawn = annotate(noise, boxes)
        assert np.array_equal(drawn, annotate(blank(320, 240, 255), boxes))
        assert (drawn.shape, drawn.dtype) == (noise.shape, noise.dtype)
        assert drawn.max() > 200
    assert len(np.unique(Annotator(picture=False)(noise, []).reshape(-1, 3), axis=0)) == 1


# The text in the corner.


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 120), (16, 16), (5, 3)])
def test_corner_text_stays_in_its_corner(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_corner_text(image, "30 fps")
    ink = extent(changed(blank(width, height, 255), image))
    assert (ink.x1, ink.y1) == (0, 0)
    assert ink.height <= max(15, height // 15)


@pytest.mark.parametrize("ground", [0, 255])
def test_corner_text_is_legible(ground: int) -> None:
    image = blank(640, 480, ground)
    draw_corner_text(image, "30 fps")
    assert text_contrast(image[:20, :50]) > 4.5


def test_corner_text_takes_any_letters() -> None:
    image = blank(640, 480)
    draw_corner_text(image, "é 映像\n")
    assert image.any()


# What the window writes over its picture besides.


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 120), (16, 16), (5, 3)])
def test_the_recording_dot_stays_in_the_other_corner(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_recording_dot(image)
    ink = extent(changed(blank(width, height, 255), image))
    assert (ink.x2, ink.y1) == (width, 0)
    assert ink.height <= max(15, height // 15)
    if height > 5:
        assert (image[..., 2].astype(int) - image[..., 1] > 150).any()


KEYS = {"q": "quit", "space": "pause, go on", "h": "these keys"}


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (640, 480), (160, 30), (48, 320), (16, 16), (1, 1)])
def test_the_keys_fit_into_any_picture(width: int, height: int) -> None:
    image = blank(width, height, 255)
    draw_keys(image, KEYS)
    ink = extent(changed(blank(width, height, 255), image))
    assert (ink.x1, ink.y2) == (0, height)
    assert ink.area < 0.15 * width * height or height < 480


@pytest.mark.parametrize("ground", [0, 255])
def test_the_keys_are_legible(ground: int) -> None:
    image = blank(640, 480, ground)
    draw_keys(image, KEYS)
    assert text_contrast(image[-60:, :100]) > 4.5
