from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from emotion_cam.types import Box, ClassMap, Face, FaceBox, Landmarks, Prediction, landmarks_of


def test_a_box_knows_its_size() -> None:
    box = Box(10, 20, 40, 60)
    assert (box.width, box.height, box.area) == (30, 40, 1200)


def test_padding_adds_a_share_of_each_side() -> None:
    assert Box(10, 20, 40, 60).padded(0.1) == Box(7, 16, 43, 64)
    assert Box(10, 20, 40, 60).padded(-0.1) == Box(13, 24, 37, 56)


def test_clipping_keeps_the_part_inside() -> None:
    assert Box(-5, -5, 30, 30).clipped(20, 10) == Box(0, 0, 20, 10)
    assert Box(50, 50, 60, 60).clipped(20, 10).area == 0


@pytest.mark.parametrize(
    ("other", "iou"),
    [(Box(0, 0, 10, 10), 1.0), (Box(5, 0, 15, 10), 1 / 3), (Box(10, 0, 20, 10), 0.0), (Box(-9, -9, -1, -1), 0.0)],
)
def test_iou(other: Box, iou: float) -> None:
    assert Box(0, 0, 10, 10).iou(other) == pytest.approx(iou)
    assert other.iou(Box(0, 0, 10, 10)) == pytest.approx(iou)


def test_a_prediction_has_the_label_with_the_highest_score() -> None:
    prediction = Prediction(("a", "b", "c"), np.array([0.2, 0.5, 0.3], np.float32))
    assert (prediction.label, prediction.score) == ("b", 0.5)


def test_a_prediction_whose_best_score_is_too_low_is_unsure() -> None:
    scores = np.array([0.2, 0.5, 0.3], np.float32)
    assert Prediction(("a", "b", "c"), scores, min_confidence=0.5).label == "b"
    unsure = Prediction(("a", "b", "c"), scores, min_confidence=0.51)
    assert (unsure.label, unsure.score, unsure.is_sure) == ("unsure", 0.5, False)


def of_three(scores: tuple[float, ...], values: np.ndarray, box: Box) -> Prediction:
    maps = np.asarray(values, np.float32)
    return Prediction(("a", "b", "c"), np.array(scores, np.float32), class_map=ClassMap(maps, box))


def test_the_activation_is_the_map_of_the_top_label() -> None:
    values = np.arange(18).reshape(2, 3, 3)
    prediction = of_three((0.2, 0.5, 0.3), values, Box(0, 0, 9, 9))
    assert prediction.activation is not None
    assert np.array_equal(prediction.activation, values[..., 1])
    assert dataclasses.replace(prediction, class_map=None).activation is None


def test_mixed_predictions_have_mixed_scores_and_maps_at_the_newer_place() -> None:
    old = of_three((1, 0, 0), np.zeros((2, 2, 3)), Box(0, 0, 9, 9))
    new = of_three((0, 1, 0), np.full((2, 2, 3), 8.0), Box(3, 3, 12, 12))
    mixed = new.mixed(old, 0.25)
    assert mixed.scores.tolist() == [0.75, 0.25, 0]
    assert mixed.class_map is not None
    assert (mixed.class_map.values == 2).all()
    assert mixed.class_map.box == Box(3, 3, 12, 12)
    assert new.mixed(dataclasses.replace(old, class_map=None), 0.25).class_map is new.class_map
    assert dataclasses.replace(new, class_map=None).mixed(old, 0.25).class_map is None


def test_a_mirrored_map_stays_on_its_pixels() -> None:
    values = np.arange(18).reshape(2, 3, 3)
    face = Face(Box(2, 1, 5, 3), {"mood": of_three((0, 1, 0), values, Box(-1, 0, 8, 4))})
    class_map = face.mirrored(10).predictions["mood"].class_map
    assert class_map is not None
    assert np.array_equal(class_map.values, values[:, ::-1])
    assert class_map.box == Box(2, 0, 11, 4)
    assert dataclasses.replace(class_map, roll=20.0).mirrored(10).roll == -20


def test_a_turned_box_lies_inside_the_box_around_it() -> None:
    box = Box(10, 20, 50, 40)
    assert [box.around_turned(degrees) for degrees in (0, 180)] == [box, box]
    assert box.around_turned(90) == box.around_turned(-90) == Box(20, 10, 40, 50)
    assert Box(0, 0, 100, 100).around_turned(45) == Box(-21, -21, 121, 121)


UPRIGHT = Landmarks((-2, -1), (2, -1), (0, 1), (-1.5, 3), (1.5, 3))


def turned(degrees: float) -> Landmarks:
    """UPRIGHT, turned clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Landmarks(*((cos * x - sin * y, sin * x + cos * y) for x, y in UPRIGHT))


@pytest.mark.parametrize("degrees", [-90, -40, 0, 25, 170])
def test_roll_is_the_turn_clockwise_as_seen(degrees: float) -> None:
    assert turned(degrees).roll == pytest.approx(degrees)
    assert turned(degrees).mirrored(100).roll == pytest.approx(-degrees)
    assert Face(Box(0, 0, 9, 9), landmarks=turned(degrees)).roll == pytest.approx(degrees)
    assert Face(Box(0, 0, 9, 9)).roll is None


def test_the_landmarks_of_a_box_go_with_it() -> None:
    box = FaceBox(0, 0, 10, 10, UPRIGHT)
    moved = box.moved(30, 20)
    assert moved == FaceBox(30, 20, 40, 30, UPRIGHT.moved(30, 20))
    assert moved.landmarks.nose == (30, 21)
    assert landmarks_of(box.towards(moved, 0.5)) == UPRIGHT.moved(15, 10)
    assert landmarks_of(moved.mirrored(100)) == Landmarks((68, 19), (72, 19), (70, 21), (68.5, 23), (71.5, 23))
    assert [landmarks_of(plain) for plain in (box.padded(1), box.clipped(5, 5), box.towards(Box(0, 0, 9, 9), 1))] == [
        None
    ] * 3


def test_a_mirrored_face_has_its_landmarks_on_their_pixels() -> None:
    face = Face(Box(2, 1, 5, 3), landmarks=UPRIGHT.moved(3, 2))
    assert face.mirrored(10).landmarks == UPRIGHT.moved(3, 2).mirrored(10)
    assert face.mirrored(10).mirrored(10) == face


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Box(0, 0, 1, 1).x1 = 5  # type: ignore[misc]
