from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from emotion_cam.card import read_card, shipped_models, write_card
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.recognition.groups import make_groupings
from emotion_cam.recognition.predictor import TaskPredictor
from emotion_cam.types import Box, FaceBox, Image, Landmarks

TASKS = ["emotion", "gender"]


@pytest.mark.parametrize("task", TASKS)
def test_a_prediction_has_what_card_and_network_give(portrait: Image, face: Box, task: str) -> None:
    folder = shipped_models()[task]
    predictor, classifier = TaskPredictor(folder), Classifier(folder)
    card = classifier.card
    assert (predictor.task, predictor.labels, predictor.steady) == (task, card.labels, card.steady)
    boxes = [face, Box(300, 300, 400, 400)]
    crops = [extract_face(portrait, box, card.size, card.margin) for box in boxes]
    predictions = predictor(portrait, boxes)
    scores, maps = classifier.with_class_maps(crops)
    assert maps is not None
    for box, prediction, row, values in zip(boxes, predictions, scores, maps, strict=True):
        assert (prediction.labels, prediction.min_confidence) == (card.labels, card.min_confidence)
        assert np.array_equal(prediction.scores, row)
        assert prediction.class_map is not None
        assert np.array_equal(prediction.class_map.values, values)
        assert prediction.class_map.box == box.padded(card.margin)


def test_each_face_may_be_mirrored_and_its_class_map_is_mirrored_back(portrait: Image, face: Box) -> None:
    predictor, width = TaskPredictor(shipped_models()["emotion"]), portrait.shape[1]
    (turned,) = predictor(np.ascontiguousarray(portrait[:, ::-1]), [face.mirrored(width)])
    plain, mirrored = predictor(portrait, [face, face], mirrored=[False, True])
    assert np.abs(plain.scores - mirrored.scores).max() > 1e-5
    assert mirrored.scores == pytest.approx(turned.scores, abs=1e-5)
    assert mirrored.class_map is not None
    assert turned.class_map is not None
    assert mirrored.class_map.values == pytest.approx(turned.class_map.values[:, ::-1], abs=1e-3)
    assert mirrored.class_map.box == face
    (both,) = predictor.both(portrait, [face])
    assert both.scores == pytest.approx((plain.scores + mirrored.scores) / 2, abs=1e-6)


def test_a_tilted_face_is_turned_upright_where_the_card_says_so(
    portrait: Image, face: Box, emotion_model: Path
) -> None:
    by_30 = Landmarks((-0.37, -0.5), (0.5, 0.0), (0, 0), (-0.87, 0.37), (0.0, 0.87))
    boxes = [FaceBox(*face.xyxy, by_30), face]
    write_card(emotion_model, replace(read_card(emotion_model), upright_from=None))
    default = TaskPredictor(emotion_model)(portrait, boxes)
    assert np.array_equal(default[0].scores, default[1].scores)
    write_card(emotion_model, replace(read_card(emotion_model), upright_from=20.0))
    predictor, classifier = TaskPredictor(emotion_model), Classifier(emotion_model)
    turned, plain = predictor(portrait, boxes)
    (expected,) = classifier([extract_face(portrait, face, classifier.card.size, classifier.card.margin, by_30.roll)])
    assert turned.scores == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(plain.scores, default[1].scores)
    assert turned.class_map is not None
    assert turned.class_map.roll == by_30.roll


def test_no_faces_give_no_predictions(portrait: Image) -> None:
    predictor = TaskPredictor(shipped_models()["gender"])
    assert predictor(portrait, []) == predictor.both(portrait, []) == []


def test_groups_and_threshold_apply_to_every_prediction(portrait: Image, face: Box) -> None:
    folder = shipped_models()["emotion"]
    plain = TaskPredictor(folder)
    (grouping,) = make_groupings([plain.labels], {"positive": ["happy", "surprise"]})
    predictor = TaskPredictor(folder, min_confidence=1.0, grouping=grouping)
    assert predictor.labels == ("angry", "disgust", "fear", "positive", "sad", "neutral")
    (before,), (after,) = plain.both(portrait, [face]), predictor.both(portrait, [face])
    scores = dict(zip(before.labels, before.scores, strict=True))
    assert after.labels == predictor.labels
    assert after.score == pytest.approx(scores["happy"] + scores["surprise"], abs=1e-6)
    assert (before.label, after.label) == ("happy", "unsure")
