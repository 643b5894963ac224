"""Wrong arguments from Python are refused by their names; a single path or text is taken for a list of one."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_cam import detect, errors
from emotion_cam.card import choose_models, shipped_models
from emotion_cam.detect import haar
from emotion_cam.detect.registry import find_model_file
from emotion_cam.recognition import classifier, recognizer

# Programs without a type checker are what these checks are for.
Classifier: Any = classifier.Classifier
HaarDetector: Any = haar.HaarDetector
Recognizer: Any = recognizer.Recognizer
open_detector: Any = detect.open_detector

NONE = ("emotion", "gender")
GENDER = shipped_models()["gender"]


def test_one_path_or_text_is_a_list_of_one(tmp_path: Path) -> None:
    folder = shutil.copytree(GENDER, tmp_path / "gender")
    assert choose_models(str(folder))[-1] == folder
    assert choose_models(folder, "emotion") == [folder]
    assert Recognizer(str(folder), without="emotion").tasks == ("gender",)
    assert Recognizer(without="emotion", groups={"a man": "man"}).tasks == ("gender",)


def test_paths_may_be_texts(portrait: Any) -> None:
    assert Classifier(str(GENDER)).card.task == "gender"
    yunet = open_detector("yunet")
    assert open_detector("yunet", str(find_model_file("yunet")))(portrait) == yunet(portrait)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Recognizer(5), TypeError, "`models` must be a path or a list of paths, not a value of type int."),
        (lambda: Recognizer([5]), TypeError, "`models` must be a path, not a value of type int."),
        (
            lambda: Recognizer(b"gender"),
            TypeError,
            "`models` must be a path or a list of paths, not a value of type by",
        ),
        (
            lambda: Recognizer(without=[5]),
            TypeError,
            "`without` must be a text or a list of texts, not a value of type list.",
        ),
        (
            lambda: Recognizer(without=5),
            TypeError,
            "`without` must be a text or a list of texts, not a value of type int.",
        ),
        (lambda: Recognizer(detector="yunet"), TypeError, "`detector` must be a detector, as open_detector opens it"),
        (lambda: Recognizer(threads=0), ValueError, "`threads` must be at least 1, not 0."),
        (lambda: Recognizer(threads="2"), TypeError, "`threads` must be a whole number, not the text '2'."),
        (lambda: Recognizer(threads=1.0), TypeError, "`threads` must be a whole number, not a value of type float."),
        (lambda: Recognizer(min_confidence=2), ValueError, "`min_confidence` is a score: it must be in [0, 1], not 2."),
        (
            lambda: Recognizer(min_confidence="x"),
            TypeError,
            "`min_confidence` is a score: it must be in [0, 1], not th",
        ),
        (
            lambda: Recognizer(groups={"a": 5}),
            TypeError,
            "`groups` must be a text or a list of texts, not a value of type int.",
        ),
        (lambda: Recognizer(without=NONE).follow(every=None), TypeError, "`every` is a time in seconds: it must be at"),
        (lambda: Recognizer(without=NONE).follow(smooth=float("nan")), ValueError, "`smooth` is a time in seconds: it"),
        (lambda: Recognizer(without=NONE).follow()(np.zeros((9, 9, 3), np.uint8), None), TypeError, "`time` is a time"),
        (lambda: Recognizer(without=NONE).follow()(np.zeros((9, 9)), float("inf")), ValueError, "`time` is a time in"),
        (lambda: Classifier(None), TypeError, "`folder` must be a path, not None."),
        (lambda: Classifier(GENDER, threads=-1), ValueError, "`threads` must be at least 1, not -1."),
        (
            lambda: Classifier(GENDER)([np.zeros((9, 9), np.uint8)]),
            ValueError,
            "`crops` must be pictures of dtype uint8",
        ),
        (
            lambda: Classifier(GENDER)([np.zeros((64, 64))]),
            TypeError,
            "`crops` must be pictures of dtype uint8 and shap",
        ),
        (
            lambda: Classifier(GENDER)([[1]]),
            TypeError,
            "`crops` must be pictures of dtype uint8 and shape (64, 64), as",
        ),
        (
            lambda: HaarDetector(min_face="small"),
            TypeError,
            "`min_face` is a share of the picture's shorter side: it m",
        ),
        (
            lambda: HaarDetector(min_face=float("nan")),
            ValueError,
            "`min_face` is a share of the picture's shorter side",
        ),
        (lambda: HaarDetector(scale_factor=None), TypeError, "`scale_factor` must be above 1, not None."),
        (lambda: HaarDetector(min_neighbors=-1), ValueError, "`min_neighbors` must be at least 0, not -1."),
        (
            lambda: HaarDetector(border=float("inf")),
            ValueError,
            "`border` is a share of the picture's shorter side: it",
        ),
        (
            lambda: open_detector("yunet", threshold=1),
            ValueError,
            "`threshold` is a score: it must be in (0, 1), not 1.",
        ),
        (lambda: open_detector("blazeface", 5), TypeError, "`model` must be a path, not a value of type int."),
    ],
)
def test_a_wrong_argument_is_refused_by_its_name(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", sorted(name for name in vars(errors) if name.endswith("Error")))
def test_every_error_survives_pickling(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("A report", "report") if kind is errors.MissingExtraError else kind("A sentence.")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.args) == (kind, str(error), error.args)
