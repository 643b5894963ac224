from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.recognition.classifier import Classifier, shipped_models
from emotion_cam.errors import ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.types import Box, Frame, Image, Scores


def test_the_portrait_is_a_happy_woman(portrait: Image, face: Box) -> None:
    (found,) = Recognizer()(portrait)
    assert found.box.iou(face) > 0.5
    assert list(found.predictions) == ["emotion", "gender"]
    assert found.predictions["emotion"].label == "happy"
    assert found.predictions["gender"].label == "woman"
    for prediction in found.predictions.values():
        assert prediction.scores.sum() == pytest.approx(1, abs=1e-5)


def test_no_face_in_an_empty_picture() -> None:
    assert Recognizer()(np.full((240, 320, 3), 127, np.uint8)) == ()


def test_several_faces_keep_their_own_scores(portrait: Image) -> None:
    boxes = [Box(172, 66, 272, 166), Box(300, 300, 400, 400), Box(180, 70, 260, 150)]
    together = Recognizer(detector=lambda image: boxes)(portrait)
    for box, found in zip(boxes, together, strict=True):
        (alone,) = Recognizer(detector=lambda image, box=box: [box])(portrait)  # type: ignore[misc]
        assert found.box == box
        for task, prediction in alone.predictions.items():
            assert found.predictions[task].scores == pytest.approx(prediction.scores, abs=1e-5)


def test_a_face_over_the_edge_is_classified_whole_and_its_box_clipped(portrait: Image) -> None:
    (found,) = Recognizer(detector=lambda image: [Box(-20, 66, 80, 166)])(portrait)
    assert found.box == Box(0, 66, 80, 166)
    assert "emotion" in found.predictions


def test_what_the_network_saw_is_told_with_its_margin(portrait: Image) -> None:
    box = Box(-20, 66, 80, 166)
    (found,) = Recognizer(detector=lambda image: [box])(portrait)
    maps = {task: prediction.class_map for task, prediction in found.predictions.items()}
    assert maps["emotion"] is not None
    assert maps["gender"] is not None
    assert maps["emotion"].box == box
    assert maps["gender"].box == box.padded(0.125)


FACE = Box(172, 66, 272, 166)


def plain_scores(picture: Image, task: str) -> tuple[Scores, Scores]:
    """What a network says of the face in a picture, and of its mirror image."""
    classifier = Classifier(shipped_models()[task])
    face = extract_face(picture, FACE, classifier.card.size, classifier.card.margin)
    one, other = classifier([face, face[:, ::-1]])
    return one, other


def test_a_picture_and_its_mirror_image_show_the_same(portrait: Image) -> None:
    (found,) = Recognizer(detector=lambda image: [FACE])(portrait)
    width = portrait.shape[1]
    turned = Box(width - FACE.x2, FACE.y1, width - FACE.x1, FACE.y2)
    (other,) = Recognizer(detector=lambda image: [turned])(np.ascontiguousarray(portrait[:, ::-1]))
    for task, prediction in found.predictions.items():
        assert prediction.scores == pytest.approx(np.mean(plain_scores(portrait, task), axis=0), abs=1e-5)
        assert other.predictions[task].scores == pytest.approx(prediction.scores, abs=1e-3)
        maps = prediction.class_map, other.predictions[task].class_map
        assert maps[0] is not None
        assert maps[1] is not None
        assert maps[1].values[:, ::-1] == pytest.approx(maps[0].values, abs=0.05)
        assert maps[0].values.mean(axis=(0, 1)).argmax() == prediction.scores.argmax()


def test_a_stream_shows_faces_and_their_mirror_images_by_turns(portrait: Image) -> None:
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 6))  # of the sharp one it is too sure
    one, other = plain_scores(blurred, "emotion")
    assert np.abs(one - other).max() > 0.01
    smoothed, raw = (Recognizer(detector=lambda _: [FACE]).follow(every=0, smooth=smooth) for smooth in (0.5, 0.0))
    for expected in (one, (one + other) / 2):
        assert smoothed(Frame(blurred, 0, 0.0))[0].predictions["emotion"].scores == pytest.approx(expected, abs=1e-5)
        assert raw(Frame(blurred, 0, 0.0))[0].predictions["emotion"].scores == pytest.approx(
            (one + other) / 2, abs=1e-5
        )


def test_without_models_there_are_boxes_alone(portrait: Image, face: Box) -> None:
    (found,) = Recognizer([])(portrait)
    assert found.box.iou(face) > 0.5
    assert found.predictions == {}
    recognize = Recognizer([]).follow()
    for index in range(5):
        (followed,) = recognize(Frame(portrait, index, index / 10))
    assert (followed.track, followed.predictions) == (1, {})


def test_one_model_alone(portrait: Image) -> None:
    (found,) = Recognizer([shipped_models()["gender"]])(portrait)
    assert list(found.predictions) == ["gender"]


def test_what_is_below_the_threshold_is_unsure(portrait: Image, emotion_model: Path) -> None:
    def emotion(**options: float) -> str:
        return Recognizer([emotion_model], **options)(portrait)[0].predictions["emotion"].label

    card = json.loads((emotion_model / "model.json").read_text())
    (emotion_model / "model.json").write_text(json.dumps({**card, "min_confidence": 1.0}))
    assert emotion() == "unsure"
    assert emotion(min_confidence=0.5) == "happy"


def test_groups_sum_scores_on_pictures_and_streams(portrait: Image) -> None:
    (plain,), groups = Recognizer()(portrait), {"positive": ["happy", "surprise"], "negative": ["angry", "sad"]}
    recognizer = Recognizer(groups=groups, min_confidence=0.99)
    scores = dict(zip(plain.predictions["emotion"].labels, plain.predictions["emotion"].scores, strict=True))
    follow = recognizer.follow()
    for (face,) in (recognizer(portrait), follow(Frame(portrait, 0, 0.0)), follow(Frame(portrait, 1, 0.1))):
        emotion = face.predictions["emotion"]
        assert emotion.labels == ("negative", "disgust", "fear", "positive", "neutral")
        assert emotion.label == "positive"
        assert emotion.scores.sum() == pytest.approx(1, abs=1e-5)
        assert face.predictions["gender"].labels == ("man", "woman")
    (grouped,) = recognizer(portrait)
    assert grouped.predictions["emotion"].score == pytest.approx(scores["happy"] + scores["surprise"], abs=1e-6)


def test_two_models_for_one_task_are_refused() -> None:
    emotion = shipped_models()["emotion"]
    with pytest.raises(ModelError, match="emotion and emotion"):
        Recognizer([emotion, emotion])


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Recognizer([tmp_path / "nowhere"])
