from __future__ import annotations

import re

import numpy as np
import pytest

from emotion_cam.errors import GroupError
from emotion_cam.recognition.groups import groupings
from emotion_cam.types import Box, ClassMap, Prediction

EMOTION, GENDER = ("angry", "happy", "sad", "surprise", "neutral"), ("man", "woman")


def prediction(*scores: float) -> Prediction:
    """Of emotion, with a map of one row whose column n is 1 for label n."""
    class_map = ClassMap(np.eye(len(EMOTION), dtype=np.float32)[None], Box(0, 0, 9, 9))
    return Prediction(EMOTION, np.array(scores, np.float32), 0.5, class_map)


def test_the_scores_of_a_group_are_summed_and_it_stands_where_its_first_label_stood() -> None:
    emotion, gender = groupings([EMOTION, GENDER], {"good": ["surprise", "happy"], "bad": ["angry", "sad"]})
    assert emotion.labels == ("bad", "good", "neutral")
    grouped = emotion(prediction(0.1, 0.2, 0.3, 0.15, 0.25))
    assert grouped.labels == emotion.labels
    assert grouped.scores == pytest.approx([0.4, 0.35, 0.25], abs=1e-6)
    assert grouped.scores.dtype == np.float32
    assert (grouped.label, emotion(prediction(0.1, 0.2, 0.5, 0.1, 0.1)).label) == ("unsure", "bad")
    assert gender.labels == GENDER


def test_in_a_groups_class_map_its_labels_weigh_as_much_as_their_scores() -> None:
    (grouping,) = groupings([EMOTION], {"good": ["surprise", "happy"]})
    grouped = grouping(prediction(0.0, 0.3, 0.0, 0.6, 0.1))
    assert grouped.activation is not None
    assert grouped.activation[0] == pytest.approx([0, 1 / 3, 0, 2 / 3, 0], abs=1e-6)
    impossible = grouping(prediction(0.0, 0.0, 0.0, 0.0, 1.0))
    assert impossible.class_map is not None
    assert np.isfinite(impossible.class_map.values).all()


def test_without_groups_all_stays_as_it_is() -> None:
    (same,) = groupings([EMOTION], {})
    before = prediction(0.1, 0.2, 0.3, 0.15, 0.25)
    after = same(before)
    assert after.labels == EMOTION
    assert after.scores is before.scores
    assert after.class_map is before.class_map


def test_a_group_may_be_called_like_a_label_in_it_and_rename_a_single_one() -> None:
    (grouping,) = groupings([EMOTION], {"happy": ["happy", "surprise"], "cross": ["angry"]})
    assert grouping.labels == ("cross", "happy", "sad", "neutral")


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"good": ["hapy", "sad"]}, "The group “good” has “hapy”, which no model tells"),
        ({"good": ["happy", "man"]}, "The group “good” needs labels of one model"),
        ({"good": []}, "The group “good” needs labels of one model"),
        ({"good": ["happy"], "odd": ["sad", "happy"]}, "“happy” is in two groups, “good” and “odd”"),
        ({"sad": ["happy"]}, "cannot be called “sad”"),
    ],
)
def test_groups_that_do_not_fit_are_refused_with_the_labels(groups: dict[str, list[str]], told: str) -> None:
    with pytest.raises(GroupError, match=re.escape(told)) as error:
        groupings([EMOTION, GENDER], groups)
    assert str(error.value).endswith("; the labels are angry, happy, sad, surprise, neutral; man, woman.")
