"""What a run hands to its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emotion_cam.drawing.view import View
from emotion_cam.result import Result
from emotion_cam.types import Box, Face, Frame, Image, Prediction
from tests.builders import LANDMARKS


def prediction(*scores: float, labels: tuple[str, ...] = ("happy", "sad")) -> Prediction:
    return Prediction(labels, np.array(scores, np.float32), min_confidence=0.5)


def two_faces(portrait: Image) -> Result:
    faces = (
        Face(
            Box(172, 66, 272, 166), {"mood": prediction(0.75, 0.25), "hat": prediction(0.9, 0.1, labels=("a", "b"))}, 4
        ),
        Face(Box(10, 20, 40, 60), {"mood": prediction(0.25, 0.75), "hat": prediction(0.2, 0.8, labels=("a", "b"))}, 7),
    )
    return Result(Frame(portrait, 12, 0.5, "clip.mp4"), faces)


def test_a_result_draws_once_and_only_when_asked(portrait: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    views = []

    def annotate(image: Image, faces: object, view: View) -> Image:
        views.append(view)
        return image

    monkeypatch.setattr("emotion_cam.result.annotate", annotate)
    result = Result(Frame(portrait, 0, 0.0), (), View(bars=False))
    assert not views
    assert result.annotated is result.annotated
    assert views == [View(bars=False)]


def test_mirrored_faces_stay_on_their_pixels() -> None:
    image = np.zeros((4, 10, 3), np.uint8)
    image[1:3, 2:5] = 255
    result = Result(Frame(image, 7, 1.5, "clip"), (Face(Box(2, 1, 5, 3), track=3),), View(bars=False))
    mirrored = result.mirrored()
    box = mirrored.faces[0].box
    assert (mirrored.frame.image[box.y1 : box.y2, box.x1 : box.x2] == 255).all()
    assert (mirrored.frame.image == 255).sum() == (image == 255).sum()
    assert (mirrored.frame.index, mirrored.frame.time, mirrored.faces[0].track) == (7, 1.5, 3)
    assert mirrored.view == result.view
    assert result.faces[0].box == Box(2, 1, 5, 3)


def test_as_a_dictionary(portrait: Image) -> None:
    plain = two_faces(portrait).as_dict()
    assert (plain["source"], plain["frame"], plain["time"]) == ("clip.mp4", 12, 0.5)
    assert plain["faces"][1] == {
        "face": 1,
        "track": 7,
        "box": [10, 20, 40, 60],
        "predictions": {
            "mood": {"label": "sad", "score": 0.75, "scores": {"happy": 0.25, "sad": 0.75}},
            "hat": {"label": "b", "score": 0.8, "scores": {"a": 0.2, "b": 0.8}},
        },
    }


def test_as_a_pandas_table(portrait: Image) -> None:
    pytest.importorskip("pandas")
    table = two_faces(portrait).to_pandas()
    assert len(table) == 8
    tops = table[(table.task == "mood") & (table.top == 1)]
    assert tops.track.tolist() == [4, 7]
    assert tops.label.tolist() == ["happy", "sad"]
    assert tops.score.tolist() == [0.75, 0.75]
    assert table.score.dtype.kind == "f"
    assert "roll" not in table
    face = Face(Box(10, 20, 30, 44), landmarks=LANDMARKS)
    located = Result(Frame(portrait, 0, 0.0), (face, Face(Box(0, 0, 9, 9)))).to_pandas()
    assert located.roll.tolist()[0] == -8.2
    assert located.left_mouth_x.isna().tolist() == [False, True]
    empty = Result(Frame(portrait, 0, 0.0), ()).to_pandas()
    assert (len(empty), empty.columns.tolist()) == (1, table.columns.tolist())


def test_as_supervision_detections(portrait: Image) -> None:
    supervision = pytest.importorskip("supervision")
    detections: Any = two_faces(portrait).to_supervision()
    assert detections.xyxy.tolist() == [[172, 66, 272, 166], [10, 20, 40, 60]]
    assert detections.tracker_id.tolist() == [4, 7]
    assert detections.class_id.tolist() == [0, 1]
    assert detections.confidence.tolist() == [0.75, 0.75]
    assert detections.data["hat"].tolist() == ["a", "b"]
    assert len(detections[detections.data["mood"] == "sad"]) == 1
    drawn = supervision.BoxAnnotator().annotate(portrait.copy(), detections)
    assert (drawn != portrait).any()
    assert len(Result(Frame(portrait, 0, 0.0), ()).to_supervision()) == 0
