from __future__ import annotations

import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.recognition.predictor import TaskPredictor
from emotion_cam.recognition.recognizer import Follower, Recognizer
from emotion_cam.types import Box, ClassMap, Face, Image
from tests.recognition.scenes import FPS, with_portraits

PLACE = Box(270, 190, 370, 290)
"""The face of a portrait in the middle of the picture."""


def only_face(follower: Follower, image: Image, time: float) -> Face:
    (face,) = follower(image, time)
    return face


def test_scores_are_averaged_over_the_same_time_at_any_frame_rate(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    recognizer = Recognizer(detector=lambda image: [PLACE])
    (alone,) = recognizer(image)
    changed = np.asarray(cv2.GaussianBlur(image, (0, 0), 6), np.uint8)
    (target,) = recognizer(changed)
    shares = []
    for fps in (10, 50):
        follower = recognizer.follow(every=0, smooth=0.5)
        for index in range(2 * fps):
            before = only_face(follower, image, index / fps)
        # The alternation of the face and its mirror image leaves a ripple.
        assert before.predictions["emotion"].scores == pytest.approx(alone.predictions["emotion"].scores, abs=0.02)
        for index in range(2 * fps, 2 * fps + fps // 2 + 1):
            after = only_face(follower, changed, index / fps)
        a, b, c = (face.predictions["emotion"].scores for face in (before, after, target))
        largest = np.abs(c - a).argmax()
        shares.append(float((b[largest] - a[largest]) / (c[largest] - a[largest])))
        assert after.predictions["emotion"].scores.sum() == pytest.approx(1, abs=1e-5)
    # After half a second, an average over half a second has made most of the change, but not all of it.
    assert all(0.75 < share < 0.98 for share in shares)
    assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_a_steady_task_changes_slowly_and_smooth_zero_averages_nothing(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    upside_down = np.ascontiguousarray(image[::-1])
    recognizer = Recognizer(detector=lambda _: [PLACE])
    (right,), (wrong,) = (recognizer(picture) for picture in (image, upside_down))
    smoothed, raw = (recognizer.follow(every=0, smooth=smooth) for smooth in (0.5, 0.0))
    for index in range(60):
        for follower in (smoothed, raw):
            only_face(follower, image, index / FPS)
    for index in range(60, 75):
        after = only_face(smoothed, upside_down, index / FPS)
        plain = only_face(raw, upside_down, index / FPS)
    for task in ("emotion", "gender"):
        assert plain.predictions[task].scores == pytest.approx(wrong.predictions[task].scores, abs=1e-5)

    def change(task: str) -> float:
        a, b, c = (face.predictions[task].scores for face in (right, after, wrong))
        return float(np.abs(b - a).sum() / np.abs(c - a).sum())

    assert change("gender") < 0.35 < change("emotion")
    with pytest.raises(ValueError, match="`smooth`"):
        Recognizer().follow(smooth=-1)


def emotion_map(face: Face) -> ClassMap:
    class_map = face.predictions["emotion"].class_map
    assert class_map is not None
    return class_map


def test_class_maps_are_averaged_like_the_scores(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    changed = np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)
    follower = Recognizer().follow(smooth=0.5)
    for index in range(30):
        before = only_face(follower, image, index / FPS)
    mixed = only_face(follower, changed, 1.0)
    # The latest frame before was mirrored, so this one is not.
    (after,) = TaskPredictor(shipped_models()["emotion"])(changed, [mixed.box])
    assert after.class_map is not None
    old, new = emotion_map(before).values, after.class_map.values
    share = 1 - np.exp(-2 / FPS / 0.5)
    assert emotion_map(mixed).values == pytest.approx(share * new + (1 - share) * old, abs=0.01)
    assert np.abs(new - old).max() > 1


def test_a_class_map_moves_with_its_face(portrait: Image) -> None:
    follower = Recognizer().follow()
    for index in range(10):
        found = only_face(follower, with_portraits(portrait, (250 + 10 * index, 240)), index / FPS)
        assert emotion_map(found).box == found.box
    assert found.box.x1 > 260


def test_the_scores_of_two_people_do_not_mix(portrait: Image) -> None:
    image = with_portraits(portrait, (160, 240), (480, 240))
    image[:, 320:] = image[::-1, 320:]
    places = [Box(110, 190, 210, 290), Box(430, 190, 530, 290)]
    recognizer = Recognizer(detector=lambda _: places)
    alone = recognizer(image)
    upright, upside_down = (face.predictions["emotion"].scores for face in alone)
    assert np.abs(upright - upside_down).max() > 0.3  # so a mixture would differ from both
    follower = recognizer.follow(every=0)
    for index in range(10):
        together = follower(image, index / FPS)
    for one, other in zip(alone, together, strict=True):
        assert one.predictions["emotion"].scores == pytest.approx(other.predictions["emotion"].scores, abs=0.05)


def test_a_hidden_face_keeps_its_predictions(portrait: Image) -> None:
    follower = Recognizer().follow()
    image = with_portraits(portrait, (320, 240))
    (before,) = follower(image, 0.0)
    hidden = image.copy()
    hidden[150:330, 230:410] = 40
    (held,) = follower(hidden, 0.15)
    assert held.track == before.track == 1
    assert held.predictions == before.predictions
    assert follower(hidden, 0.5) == ()
