from __future__ import annotations

import re

import numpy as np
import pytest

from emotion_cam.errors import GroupError
from emotion_cam.recognition.groups import make_groupings
from emotion_cam.types import Box, ClassMap, Prediction

EMOTION, GENDER = ("angry", "happy", "sad", "surprise", "neutral"), ("man", "woman")


def prediction(*scores: float) -> Prediction:
    """A prediction of emotion, with a class map of one row in which column n is 1 for label n."""
    class_map = ClassMap(np.eye(len(EMOTION), dtype=np.float32)[None], Box(0, 0, 9, 9))
    return Prediction(EMOTION, np.array(scores, np.float32), 0.5, class_map)


def test_a_group_has_the_sum_of_its_scores_and_the_place_of_its_first_label() -> None:
    emotion, gender = make_groupings([EMOTION, GENDER], {"good": ["surprise", "happy"], "bad": ["angry", "sad"]})
    assert emotion.labels == ("bad", "good", "neutral")
    grouped = emotion(prediction(0.1, 0.2, 0.3, 0.15, 0.25))
    assert grouped.labels == emotion.labels
    assert grouped.scores == pytest.approx([0.4, 0.35, 0.25], abs=1e-6)
    assert grouped.scores.dtype == np.float32
    assert (grouped.label, emotion(prediction(0.1, 0.2, 0.5, 0.1, 0.1)).label) == ("unsure", "bad")
    assert gender.labels == GENDER


def test_the_class_map_of_a_group_weights_its_labels_by_their_scores() -> None:
    (grouping,) = make_groupings([EMOTION], {"good": ["surprise", "happy"]})
    grouped = grouping(prediction(0.0, 0.3, 0.0, 0.6, 0.1))
    assert grouped.activation is not None
    assert grouped.activation[0] == pytest.approx([0, 1 / 3, 0, 2 / 3, 0], abs=1e-6)
    impossible = grouping(prediction(0.0, 0.0, 0.0, 0.0, 1.0))
    assert impossible.class_map is not None
    assert np.isfinite(impossible.class_map.values).all()


def test_without_groups_nothing_changes() -> None:
    (same,) = make_groupings([EMOTION], {})
    before = prediction(0.1, 0.2, 0.3, 0.15, 0.25)
    after = same(before)
    assert after.labels == EMOTION
    assert after.scores is before.scores
    assert after.class_map is before.class_map


def test_a_group_may_have_the_name_of_one_of_its_labels_or_rename_a_single_label() -> None:
    (grouping,) = make_groupings([EMOTION], {"happy": ["happy", "surprise"], "cross": ["angry"]})
    assert grouping.labels == ("cross", "happy", "sad", "neutral")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"good": ["hapy", "sad"]}, "The group “good” has “hapy”, which no model predicts"),
        ({"good": ["happy", "man"]}, "The group “good” needs labels of one model"),
        ({"good": []}, "The group “good” needs labels of one model"),
        ({"good": ["happy"], "odd": ["sad", "happy"]}, "“happy” is in two groups, “good” and “odd”"),
        ({"sad": ["happy"]}, "cannot have the name “sad”"),
    ],
)
def test_groups_that_do_not_fit_are_refused_with_the_labels(groups: dict[str, list[str]], message: str) -> None:
    with pytest.raises(GroupError, match=re.escape(message)) as error:
        make_groupings([EMOTION, GENDER], groups)
    assert str(error.value).endswith("; the labels are angry, happy, sad, surprise, neutral; man, woman.")
