"""A recipe by itself: what it refuses, and what its help says. Needs no Keras."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest

from emotion_cam.errors import TrainingError
from emotion_cam.training.recipe import Recipe, parse_data, parse_emphasis

RECIPE = Recipe(task="emotion", data=("fer2013=data/fer2013",))


def test_every_field_has_help() -> None:
    attributes = (Recipe.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    assert re.findall(r"^ {8}(\w+): ", attributes, re.MULTILINE) == [field.name for field in fields(Recipe)]


def test_data_and_emphasis_are_written_as_they_are_typed() -> None:
    assert parse_data(("fer2013=data/fer2013", "rafdb=a=b")) == (("fer2013", "data/fer2013"), ("rafdb", "a=b"))
    assert parse_emphasis(("race=Southeast Asian:1.5", "age=0-2:2")) == {
        ("race", "Southeast Asian"): 1.5,
        ("age", "0-2"): 2.0,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ("fer2013",)}, "`data` must be written as in fer2013=data/fer2013, not “fer2013”"),
        ({"data": ("=x",)}, "`data` must be written as in"),
        ({"emphasis": ("Black:1.5",)}, "`emphasis` must be written as in race=Black:1.5, not “Black:1.5”"),
        ({"width": 0.0}, "`width` must be above 0"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"middle_blocks": -1}, "`middle_blocks` must be at least 0"),
        ({"freeze": -1}, "`freeze` must be at least 0"),
        ({"average": -1}, "`average` must be at least 0"),
        ({"mixup": -0.1}, "`mixup` must be at least 0"),
        ({"weight_decay": float("nan")}, "`weight_decay` must be at least 0"),
        ({"teacher": ("nowhere",), "teacher_share": 1.5}, "`teacher_share` must be between 0 and 1"),
    ],
)
def test_a_value_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": ""}, "needs a `task`"),
        ({"data": ()}, "nothing to train on; `data`"),
        ({"separable": False, "middle_activation": True}, "`middle_activation` needs `separable`"),
        ({"init": "imagenet"}, "mini_xception cannot start from imagenet"),
        ({"devices": 3}, "A batch of 64 cannot be shared evenly by 3 devices; change `batch_size`"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    RECIPE.check()
    with pytest.raises(TrainingError, match=message):
        replace(RECIPE, **changes).check()
