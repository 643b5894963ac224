from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.errors import GroupError, ModelError
from emotion_cam.preprocess import extract_face
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.types import Box, Image, Scores


def test_the_portrait_is_a_happy_woman(portrait: Image, face: Box) -> None:
    recognizer = Recognizer()
    assert recognizer.tasks == ("emotion", "gender")
    (found,) = recognizer(portrait)
    assert found.box.iou(face) > 0.5
    assert list(found.predictions) == ["emotion", "gender"]
    assert found.predictions["emotion"].label == "happy"
    assert found.predictions["gender"].label == "woman"
    for prediction in found.predictions.values():
        assert prediction.scores.sum() == pytest.approx(1, abs=1e-5)


def test_a_face_has_landmarks_with_a_detector_that_finds_them(portrait: Image, face: Box) -> None:
    recognizer = Recognizer(without=["emotion", "gender"], detector=open_detector("mini"))
    for found in (*recognizer(portrait), *recognizer.follow()(portrait, 0.0)):
        assert found.landmarks is not None
        assert found.roll == found.landmarks.roll
        assert face.x1 < found.landmarks.right_eye[0] < found.landmarks.left_eye[0] < face.x2
    assert recognizer.finds_landmarks
    with_haar = Recognizer(without=["emotion", "gender"])
    assert [found.landmarks for found in with_haar(portrait)] == [None]
    assert not with_haar.finds_landmarks


def test_an_empty_picture_has_no_face() -> None:
    assert Recognizer()(np.full((240, 320, 3), 127, np.uint8)) == ()


def test_each_of_several_faces_has_its_own_scores(portrait: Image) -> None:
    boxes = [Box(172, 66, 272, 166), Box(300, 300, 400, 400), Box(180, 70, 260, 150)]
    together = Recognizer(detector=lambda image: boxes)(portrait)
    for box, found in zip(boxes, together, strict=True):
        (alone,) = Recognizer(detector=lambda image, box=box: [box])(portrait)  # type: ignore[misc]
        assert found.box == box
        for task, prediction in alone.predictions.items():
            assert found.predictions[task].scores == pytest.approx(prediction.scores, abs=1e-5)


def test_a_face_beyond_the_edge_is_classified_whole_and_its_box_clipped(portrait: Image) -> None:
    (found,) = Recognizer(detector=lambda image: [Box(-20, 66, 80, 166)])(portrait)
    assert found.box == Box(0, 66, 80, 166)
    assert "emotion" in found.predictions


def test_a_class_map_covers_the_face_with_its_margin(portrait: Image) -> None:
    box = Box(-20, 66, 80, 166)
    (found,) = Recognizer(detector=lambda image: [box])(portrait)
    maps = {task: prediction.class_map for task, prediction in found.predictions.items()}
    assert maps["emotion"] is not None
    assert maps["gender"] is not None
    assert maps["emotion"].box == box
    assert maps["gender"].box == box.padded(0.125)


FACE = Box(172, 66, 272, 166)


def scores_of_both(picture: Image, task: str) -> tuple[Scores, Scores]:
    """The scores of the face in a picture, and those of its mirror image."""
    classifier = Classifier(shipped_models()[task])
    face = extract_face(picture, FACE, classifier.card.size, classifier.card.margin)
    one, other = classifier([face, face[:, ::-1]])
    return one, other


def test_a_picture_and_its_mirror_image_have_the_same_predictions(portrait: Image) -> None:
    (found,) = Recognizer(detector=lambda image: [FACE])(portrait)
    mirrored = FACE.mirrored(portrait.shape[1])
    (other,) = Recognizer(detector=lambda image: [mirrored])(np.ascontiguousarray(portrait[:, ::-1]))
    for task, prediction in found.predictions.items():
        assert prediction.scores == pytest.approx(np.mean(scores_of_both(portrait, task), axis=0), abs=1e-5)
        assert other.predictions[task].scores == pytest.approx(prediction.scores, abs=1e-3)
        maps = prediction.class_map, other.predictions[task].class_map
        assert maps[0] is not None
        assert maps[1] is not None
        assert maps[1].values[:, ::-1] == pytest.approx(maps[0].values, abs=0.05)
        assert maps[0].values.mean(axis=(0, 1)).argmax() == prediction.scores.argmax()


def test_a_stream_alternates_between_face_and_mirror_image(portrait: Image) -> None:
    blurred = np.asarray(
        cv2.GaussianBlur(portrait, (0, 0), 6), np.uint8
    )  # the scores of the sharp one are too close to 0 and 1
    one, other = scores_of_both(blurred, "emotion")
    assert np.abs(one - other).max() > 0.01
    smoothed, raw = (Recognizer(detector=lambda _: [FACE]).follow(every=0, smooth=smooth) for smooth in (0.5, 0.0))
    for expected in (one, (one + other) / 2):
        assert smoothed(blurred, 0.0)[0].predictions["emotion"].scores == pytest.approx(expected, abs=1e-5)
        assert raw(blurred, 0.0)[0].predictions["emotion"].scores == pytest.approx((one + other) / 2, abs=1e-5)


def test_without_any_task_faces_have_boxes_only(portrait: Image, face: Box) -> None:
    recognizer = Recognizer(without=["emotion", "gender"])
    assert recognizer.tasks == ()
    (found,) = recognizer(portrait)
    assert found.box.iou(face) > 0.5
    assert found.predictions == {}
    follower = recognizer.follow()
    for index in range(5):
        (followed,) = follower(portrait, index / 10)
    assert (followed.track, followed.predictions) == (1, {})


def test_a_task_that_is_left_out_is_not_predicted(portrait: Image) -> None:
    (found,) = Recognizer(without={"emotion"})(portrait)
    assert list(found.predictions) == ["gender"]


def test_a_given_model_replaces_the_shipped_one_of_its_task_or_adds_a_task(portrait: Image, tmp_path: Path) -> None:
    (shipped,) = Recognizer()(portrait)
    own = shipped_models()["emotion"].parent / "emotion-fer2013"
    mood = Path(shutil.copytree(own, tmp_path / "mood"))
    card = json.loads((mood / "model.json").read_text())
    (mood / "model.json").write_text(json.dumps({**card, "task": "mood"}))
    recognizer = Recognizer([mood, str(own)])
    assert recognizer.tasks == ("emotion", "gender", "mood")
    (found,) = recognizer(portrait)
    assert np.array_equal(found.predictions["emotion"].scores, found.predictions["mood"].scores)
    assert not np.array_equal(found.predictions["emotion"].scores, shipped.predictions["emotion"].scores)
    assert np.array_equal(found.predictions["gender"].scores, shipped.predictions["gender"].scores)


def test_a_score_below_the_threshold_is_unsure(portrait: Image, emotion_model: Path) -> None:
    def emotion(min_confidence: float | None = None) -> str:
        (found,) = Recognizer([emotion_model], min_confidence=min_confidence)(portrait)
        return found.predictions["emotion"].label

    card = json.loads((emotion_model / "model.json").read_text())
    (emotion_model / "model.json").write_text(json.dumps({**card, "min_confidence": 1.0}))
    assert emotion() == "unsure"
    assert emotion(min_confidence=0.5) == "happy"


def test_groups_sum_scores_in_pictures_and_streams(portrait: Image) -> None:
    (plain,), groups = Recognizer()(portrait), {"positive": ["happy", "surprise"], "negative": ["angry", "sad"]}
    recognizer = Recognizer(groups=groups, min_confidence=0.99)
    scores = dict(zip(plain.predictions["emotion"].labels, plain.predictions["emotion"].scores, strict=True))
    follower = recognizer.follow()
    for (face,) in (recognizer(portrait), follower(portrait, 0.0), follower(portrait, 0.1)):
        emotion = face.predictions["emotion"]
        assert emotion.labels == ("negative", "disgust", "fear", "positive", "neutral")
        assert emotion.label == "positive"
        assert emotion.scores.sum() == pytest.approx(1, abs=1e-5)
        assert face.predictions["gender"].labels == ("man", "woman")
    (grouped,) = recognizer(portrait)
    assert grouped.predictions["emotion"].score == pytest.approx(scores["happy"] + scores["surprise"], abs=1e-6)


def test_groups_that_do_not_fit_are_refused_before_a_network_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("emotion_cam.recognition.recognizer.TaskPredictor")
    with pytest.raises(GroupError, match="no model predicts"):
        Recognizer(groups={"positive": ["hapy"]})


def test_two_models_of_one_task_are_refused() -> None:
    emotion = shipped_models()["emotion"]
    with pytest.raises(ModelError, match="both for emotion"):
        Recognizer([emotion, emotion])


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Recognizer([tmp_path / "nowhere"])
