"""``annotate``, judged by its pixels: what is drawn is true to the predictions, and the input is not changed."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.drawing.colors import PALETTE, PANEL_OPACITY
from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.view import View
from emotion_cam.types import Box, Face, Image, Landmarks
from tests.drawing.pixels import FER, HAPPY, blank, certain, changed, crop, extent, face, labeled, longest_run, noise

NO_BARS = View(bars=False)


# Input and output


def test_the_input_is_not_changed() -> None:
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


def test_a_picture_that_is_a_mirrored_array_view_can_be_annotated() -> None:
    image = blank(200, 200)[:, ::-1]
    assert changed(image, annotate(image, [face(Box(60, 60, 120, 120))])).any()


def test_no_task_is_known_by_name() -> None:
    box, image = Box(60, 60, 140, 140), blank(400, 300)
    ours = face(box)
    others = Face(box, dict(zip(("age", "mood"), ours.predictions.values(), strict=True)))
    assert np.array_equal(annotate(image, [ours]), annotate(image, [others]))


def test_any_picture_and_any_boxes_can_be_annotated() -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        width, height = rng.integers(16, 400, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        before = image.copy()
        faces = []
        for track in range(rng.integers(1, 5)):
            x, y = rng.integers(-60, width + 20), rng.integers(-60, height + 20)
            count = int(rng.integers(1, 13))
            labels = tuple(f"class {i}" for i in range(count))
            task = labeled(labels, tuple(rng.dirichlet(np.ones(count))))
            faces.append(Face(Box(x, y, x + rng.integers(0, width), y + rng.integers(0, height)), {"t": task}, track))
        drawn = annotate(image, faces)
        assert np.array_equal(image, before)
        assert (drawn.shape, drawn.dtype) == (image.shape, image.dtype)


def test_a_face_outside_the_picture_draws_nothing() -> None:
    image = blank(100, 80, 50)
    assert np.array_equal(annotate(image, [face(Box(120, 10, 160, 50)), face(Box(-40, -40, 0, 0))]), image)


# Boxes, labels and bars


def test_without_predictions_only_the_box_is_drawn() -> None:
    image, box = blank(300, 200), Box(100, 60, 180, 140)
    mask = changed(image, annotate(image, [Face(box)]))
    assert extent(mask) == box
    assert not mask[70:130, 110:170].any()


def test_bars_are_as_long_as_their_scores() -> None:
    box, scores = Box(100, 100, 340, 340), (0.05, 0.1, 0.15, 0.4, 0.2, 0.0, 0.1)
    image = blank(1000, 1000)
    full = longest_run(annotate(image, [face(box, certain(3))]), PANEL_OPACITY * np.array(PALETTE[3]))
    assert full > 100

    drawn = annotate(image, [face(box, scores)])
    lengths = [longest_run(drawn[:, box.x2 :], PANEL_OPACITY * np.array(color)) for color in PALETTE[: len(FER)]]
    assert lengths[:6] == pytest.approx([score * full for score in scores[:6]], abs=1)
    # In a pixel or two, gray letters have the color of the last bar by chance.
    assert lengths[6] == pytest.approx(scores[6] * full, abs=2)


def test_landmarks_are_drawn_on_demand_where_they_are() -> None:
    image, box = blank(320, 240, 90), Box(100, 80, 180, 160)
    found = Face(box, landmarks=Landmarks((125.5, 110.5), (155.5, 112.5), (140.5, 125.5), (128.5, 140.5), (400.0, 9.0)))
    without, shown = annotate(image, [found]), annotate(image, [found], View(landmarks=True))
    assert np.array_equal(without, annotate(image, [Face(box)]))
    assert np.array_equal(annotate(image, [Face(box)], View(landmarks=True)), without)
    mask = changed(without, shown)
    for x, y in ((125, 110), (155, 112), (140, 125), (128, 140)):
        assert (shown[y, x] == 255).all()
        mask[y - 6 : y + 7, x - 6 : x + 7] = False
    assert not mask.any()


def test_bars_can_be_left_out() -> None:
    image, box = blank(640, 480), Box(200, 200, 300, 300)
    mask = changed(image, annotate(image, [face(box)], NO_BARS))
    assert mask[: box.y1].any()
    assert not mask[box.y1 :, box.x2 :].any()
    assert not mask[box.y2 :].any()


def test_a_hidden_task_leaves_no_trace() -> None:
    image, both = blank(640, 480), face(Box(200, 150, 300, 250))
    without = Face(both.box, {"gender": both.predictions["gender"]})
    np.testing.assert_array_equal(annotate(image, [both], View(hide=("emotion",))), annotate(image, [without]))
    np.testing.assert_array_equal(annotate(image, [both], View(hide=("another",))), annotate(image, [both]))


def test_a_task_with_two_labels_has_a_label_and_no_bars() -> None:
    image, box = blank(640, 480), Box(200, 200, 300, 300)
    mask = changed(image, annotate(image, [Face(box, {"gender": labeled(("man", "woman"), (0.3, 0.7))})]))
    assert mask[: box.y1].any()
    assert not mask[box.y1 :, box.x2 :].any()


def test_label_score_and_track_stand_above_the_box() -> None:
    image, box = blank(640, 480), Box(100, 200, 250, 350)
    base = annotate(image, [face(box)], NO_BARS)
    renamed = annotate(image, [face(box, labels=(*FER[:3], "elated", *FER[4:]))], NO_BARS)
    rescored = annotate(image, [face(box, (0.02, 0.1, 0.03, 0.7, 0.05, 0.04, 0.06))], NO_BARS)
    tracked = annotate(image, [face(box, track=7)], NO_BARS)
    for other in (renamed, rescored, tracked):
        difference = changed(base, other)
        assert difference[: box.y1].any()
        assert not difference[box.y1 :].any()
    assert not np.array_equal(tracked, annotate(image, [face(box, track=8)], NO_BARS))


def test_the_most_likely_label_colors_plate_and_box() -> None:
    box = Box(200, 200, 300, 300)
    for i, color in enumerate(PALETTE[: len(FER)]):
        drawn = annotate(blank(640, 480), [face(box, certain(i))])
        assert (crop(drawn, box) == color).all(axis=2).sum() > 350, "the box"
        assert longest_run(drawn[: box.y1], np.array(color)) > 30, "the plate"


def test_an_unsure_prediction_has_no_color_and_no_score() -> None:
    image, box = blank(640, 480), Box(200, 200, 300, 300)

    def drawn(*scores: float, min_confidence: float) -> Image:
        return annotate(image, [Face(box, {"emotion": labeled(FER, scores, min_confidence)})], NO_BARS)

    angry, happy = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.35, 0.15, 0.1, 0.1)
    assert not np.array_equal(drawn(*angry, min_confidence=0), drawn(*happy, min_confidence=0))
    assert np.array_equal(drawn(*angry, min_confidence=0.5), drawn(*happy, min_confidence=0.5))
    assert not (drawn(*angry, min_confidence=0.5) == PALETTE[0]).all(axis=2).any()


def test_letters_outside_ascii_are_replaced() -> None:
    image, box = blank(640, 480), Box(100, 100, 250, 250)
    accented, plain, other = (
        annotate(image, [face(box, HAPPY, (*FER[:3], label, *FER[4:]))]) for label in ("glücklich", "glucklich", "幸せ")
    )
    assert np.array_equal(accented, plain)
    assert not np.array_equal(other, plain)


# Without the picture


def test_without_the_picture_none_of_its_pixels_are_left() -> None:
    faces, image = [face(Box(60, 60, 120, 120)), face(Box(150, 60, 200, 110))], noise(320, 240)
    for blur in (False, True):
        view = View(picture=False, blur=blur)
        drawn = annotate(image, faces, view)
        assert np.array_equal(drawn, annotate(blank(320, 240, 255), faces, view))
        assert (drawn.shape, drawn.dtype) == (image.shape, image.dtype)
        assert drawn.max() > 200
    assert len(np.unique(annotate(image, [], View(picture=False)).reshape(-1, 3), axis=0)) == 1
