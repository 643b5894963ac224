"""A model is measured as it is used, and its figures reach the card."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from emotion_cam.card import GroupFigures, read_card, shipped_models
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.errors import DatasetError
from emotion_cam.training import card as cards
from emotion_cam.training.datasets import GENDERS, FaceSet, load
from emotion_cam.training.evaluate import Evaluation, evaluate, reframed
from emotion_cam.training.tilt import CROPS
from emotion_cam.types import Box, FaceBox, Image, Landmarks


@pytest.fixture(scope="module")
def faces(fer2013: Path) -> FaceSet:
    return load("fer2013", fer2013, "test")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, which a test may change."""
    return Path(shutil.copytree(model, tmp_path / "model"))


def test_figures_are_those_of_the_counts() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]], np.float32)
    evaluation = Evaluation("some test", "litert", GENDERS, np.array([0, 0, 0, 1, 1]), scores)
    assert evaluation.confusion.tolist() == [[2, 1], [1, 1]]
    assert evaluation.accuracy == pytest.approx(3 / 5)
    assert evaluation.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    man, woman = evaluation.per_class
    assert (man.label, man.pictures) == ("man", 3)
    assert (man.precision, man.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (woman.precision, woman.recall, woman.f1) == pytest.approx((0.5, 0.5, 0.5))


def test_a_measurement_has_the_figures_rounded_to_four_places() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]], np.float32)
    evaluation = Evaluation("some test", "litert", GENDERS, np.array([0, 0, 0, 1, 1, 0]), scores, min_confidence=0.65)
    measured = evaluation.measurement
    assert (measured.data, measured.runtime, measured.pictures) == ("some test", "litert", 6)
    assert (measured.accuracy, measured.balanced_accuracy) == (0.6667, 0.625)
    assert measured.confusion == ((3, 1), (1, 1))
    assert measured.per_class[0].precision == 0.75
    assert measured.calibration is not None
    assert measured.calibration.error == pytest.approx(evaluation.calibration.error, abs=1e-4)
    assert [b.lower for b in measured.calibration.bins] == [0.5333, 0.6667, 0.7333, 0.8667]
    # Five of the six pictures reach 0.65, and four of these are right.
    assert measured.sure is not None
    assert (measured.sure.coverage, measured.sure.accuracy) == (0.8333, 0.8)
    assert (measured.groups, measured.framing) == ({}, None)
    assert replace(evaluation, min_confidence=0.0).measurement.sure is None
    unsure = replace(evaluation, min_confidence=0.95).sure
    assert unsure is not None
    assert (unsure.coverage, unsure.accuracy) == (0, 0)


def test_groups_have_their_own_figures() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.5, 0.5]], np.float32)
    groups = {"race": np.array(["a", "a", "b", "b", "b", "c", ""])}
    evaluation = Evaluation("some test", "litert", GENDERS, np.array([0, 0, 0, 1, 1, 0, 1]), scores, groups)
    comparison = evaluation.measurement.groups["race"]
    assert comparison.groups == (
        GroupFigures(group="a", pictures=2, accuracy=1, balanced_accuracy=1, recall={"man": 1, "woman": None}),
        GroupFigures(group="b", pictures=3, accuracy=0.3333, balanced_accuracy=0.25, recall={"man": 0, "woman": 0.5}),
        GroupFigures(group="c", pictures=1, accuracy=0, balanced_accuracy=0, recall={"man": 0, "woman": None}),
    )
    assert (comparison.worst, comparison.mean, comparison.worst_below_mean) == ("c", 0.4167, 0.4167)
    ages = replace(evaluation, groups={"age": np.array(["10-19", "3-9", "more than 70", "20-29", "0-2", "3-9", ""])})
    assert [row.group for row in ages.per_group["age"].groups] == ["0-2", "3-9", "10-19", "20-29", "more than 70"]
    unknown: tuple[dict[str, np.ndarray], ...] = ({}, {"race": np.array([""] * 7)})
    for none in unknown:
        assert replace(evaluation, groups=none).measurement.groups == {}


def test_boxes_are_shifted_and_scaled() -> None:
    assert reframed(Box(10, 20, 50, 60)) == {
        "left": Box(7, 20, 47, 60),
        "right": Box(13, 20, 53, 60),
        "up": Box(10, 17, 50, 57),
        "down": Box(10, 23, 50, 63),
        "× 0.85": Box(13, 23, 47, 57),
        "× 1.15": Box(7, 17, 53, 63),
    }


def test_framing_is_measured_with_other_boxes(model: Path, faces: FaceSet) -> None:
    evaluation = evaluate(model, faces, framing=True)
    for change, box in reframed(faces.box).items():
        assert evaluation.reframed[change] == evaluate(model, replace(faces, box=box)).balanced_accuracy
    left = evaluation.balanced_accuracy - 0.1
    framing = replace(evaluation, reframed={"left": left, "right": evaluation.balanced_accuracy}).framing
    assert framing is not None
    assert (framing.mean_loss, framing.worst_loss) == pytest.approx((0.05, 0.1))
    assert [change.box for change in framing.changes] == ["left", "right"]


def test_tilted_heads_are_measured_with_crops_as_they_are_and_turned_back(
    portrait: Image, face: Box, fer2013: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Detector(MiniFaceDetector):
        """Finds every other face, and its exact roll."""

        calls = 0

        def find_near(self, image: Image, box: Box) -> Box | None:
            self.calls += 1
            points = np.array([(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)])
            by_90 = Landmarks(*((-y, x) for x, y in points.tolist()))
            return FaceBox(*box.xyxy, by_90) if self.calls % 2 else None

    monkeypatch.setattr("emotion_cam.training.tilt.MiniFaceDetector", Detector)
    monkeypatch.setattr("emotion_cam.training.tilt.DEGREES", (90,))
    faces = load("fer2013", fer2013, "test")
    images = np.stack([np.asarray(portrait[..., 1])] * len(faces))
    done: list[int] = []
    evaluation = evaluate(
        shipped_models()["emotion"], replace(faces, images=images, box=face), roll=True, progress=done.append
    )
    plain, known, detected = evaluation.tilt
    assert [(row.degrees, row.crop) for row in evaluation.tilt] == [(90, crop) for crop in CROPS]
    assert known.same_label == 1
    assert known.balanced_accuracy == pytest.approx(evaluation.balanced_accuracy)
    # To the network, the portrait does not look happy when its head lies on its side.
    assert plain.same_label == 0
    # What turns a picture to the left is not found, and stays as it is.
    assert detected.same_label == 0.5
    assert sum(done) == (1 + len(CROPS)) * len(faces)


def test_labels_may_come_in_any_order_and_some_may_be_missing(faces: FaceSet) -> None:
    model, faces = shipped_models()["emotion"], replace(faces, votes=None)
    expected = evaluate(model, faces)
    backwards = replace(faces, labels=faces.labels[::-1], targets=faces.targets[:, ::-1])
    assert (evaluate(model, backwards).confusion == expected.confusion).all()
    some = [0, 2, 4, 5, 6]
    chosen = faces.take(np.isin(faces.targets.argmax(axis=1), some))
    part = replace(chosen, labels=tuple(faces.labels[number] for number in some), targets=chosen.targets[:, some])
    found = evaluate(model, part)
    assert (found.confusion == np.where(np.isin(range(7), some)[:, None], expected.confusion, 0)).all()
    assert [row.label for row in found.per_class if not row.pictures] == [faces.labels[1], faces.labels[3]]


def test_both_runtimes_give_the_same_scores(model: Path, faces: FaceSet) -> None:
    litert, with_keras = (evaluate(model, faces, runtime=runtime) for runtime in ("litert", "keras"))
    assert np.abs(litert.scores - with_keras.scores).max() < 1e-4


def test_keras_is_the_runtime_if_there_is_no_litert_file(folder: Path, faces: FaceSet) -> None:
    assert evaluate(folder, faces).runtime == "litert"
    (folder / "model.tflite").unlink()
    assert evaluate(folder, faces).runtime == "keras"


def test_scores_can_be_averaged_with_those_of_the_mirror_image(model: Path, faces: FaceSet) -> None:
    turned = replace(faces, images=np.asarray(faces.images)[:, :, ::-1])
    one, other, both = (
        evaluate(model, given, mirrored=mirrored).scores
        for given, mirrored in ((faces, False), (turned, False), (faces, True))
    )
    assert np.abs(one - other).max() > 1e-5
    assert both == pytest.approx((one + other) / 2, abs=1e-6)


def test_progress_counts_every_picture(model: Path, faces: FaceSet) -> None:
    done: list[int] = []
    evaluate(model, faces, progress=done.append)
    assert sum(done) == len(faces)


def test_labels_must_be_those_of_the_model(model: Path, faces: FaceSet) -> None:
    with pytest.raises(DatasetError, match=r"fer2013 test has the labels a, b, but .* has angry, disgust"):
        evaluate(model, replace(faces, labels=("a", "b")))


def test_groups_and_framing_reach_the_card_and_its_pages(folder: Path, faces: FaceSet) -> None:
    races = np.array(["Black", "White"])[np.arange(14) % 2]
    evaluation = evaluate(folder, replace(faces, groups={"race": races}), framing=True, roll=True)
    cards.record(folder, evaluation)
    measured = read_card(folder).measured[-1]
    assert measured == evaluation.measurement
    assert measured.framing is not None
    details = (folder / "details.md").read_text()
    comparison = measured.groups["race"]
    assert f"The worst group is {comparison.worst}, {comparison.worst_below_mean:.4f} below the mean" in details
    for row in comparison.groups:
        assert f"| {row.group} | 7 | {row.accuracy:.3f} | {row.balanced_accuracy:.3f} |" in details
    for change in measured.framing.changes:
        assert f"| {change.box} | {change.balanced_accuracy:.4f} | {change.loss:.4f} |" in details
    for tilt in measured.tilt:
        assert f"| {tilt.degrees:g}° | {tilt.crop} | {tilt.balanced_accuracy:.4f} | {tilt.same_label:.3f} |" in details


def test_a_measurement_replaces_an_earlier_one_on_the_same_data(folder: Path, faces: FaceSet) -> None:
    evaluation = evaluate(folder, faces)
    for _ in range(2):
        cards.record(folder, evaluation)
    measured = read_card(folder).measured
    assert [entry.data for entry in measured] == ["fer2013 validation", "fer2013 test"]
    for plot in ("confusion", "reliability"):
        assert (folder / f"{plot}-fer2013-test.png").stat().st_size > 1000
        assert f"({plot}-fer2013-test.png)" in (folder / "details.md").read_text()
    assert f"| fer2013 test | 14 | {measured[1].accuracy:.4f} |" in (folder / "README.md").read_text()
