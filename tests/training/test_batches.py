"""Augmented pictures, and the batches made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from emotion_cam.preprocess import extract_face
from emotion_cam.training.augmentation import AUGMENTATIONS, Augmentation, augmented_face
from emotion_cam.training.batches import Batches
from emotion_cam.training.datasets import load
from emotion_cam.types import Box, Image

SIZE = (48, 48)


Array: TypeAlias = npt.NDArray[Any]


def augmented(portrait: Image, face: Box, seed: int = 0, **options: float) -> Array:
    gray = np.asarray(portrait[..., 1])
    return augmented_face(gray, face, SIZE, 0.0, Augmentation(**options), np.random.default_rng(seed))


def test_without_variation_training_sees_what_the_camera_sees(portrait: Image, face: Box) -> None:
    example = augmented(portrait, face)
    assert example.dtype == np.float32
    assert np.array_equal(example, extract_face(np.asarray(portrait[..., 1]), face, SIZE))


def test_flip_mirrors(portrait: Image, face: Box) -> None:
    assert np.array_equal(augmented(portrait, face, flip=1.0), augmented(portrait, face)[:, ::-1])


@pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
def test_every_augmentation_keeps_range_and_size_and_the_face(
    portrait: Image, face: Box, augmentation: Augmentation
) -> None:
    plain = augmented(portrait, face)
    for seed in range(20):
        upright = replace(augmentation, flip=0, erasing=0)
        example = augmented_face(np.asarray(portrait[..., 1]), face, SIZE, 0.0, upright, np.random.default_rng(seed))
        assert example.shape == SIZE
        assert example.dtype == np.float32
        assert example.min() >= 0
        assert example.max() <= 255
        assert np.corrcoef(example.ravel(), plain.ravel())[0, 1] > 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"shift": 0.1},
        {"scale": 0.2},
        {"rotation": 20},
        {"shear": 0.3},
        {"brightness": 0.3},
        {"contrast": 0.5},
        {"blur": 2.0},
    ],
)
def test_each_variation_changes_the_picture_within_bounds(
    portrait: Image, face: Box, options: dict[str, float]
) -> None:
    plain = augmented(portrait, face)
    changes = [np.abs(augmented(portrait, face, seed, **options) - plain).mean() for seed in range(10)]
    assert max(changes) > 2
    assert max(changes) < 90


def test_shear_slants_about_the_center_of_the_box(portrait: Image, face: Box) -> None:
    gray = np.zeros(portrait.shape[:2], np.uint8)
    middle = (face.y1 + face.y2) // 2
    gray[:, (face.x1 + face.x2) // 2 - 3 : (face.x1 + face.x2) // 2 + 3] = 255  # an upright line
    augmentation = Augmentation(shear=0.4)
    for seed in range(5):
        size = (face.height, face.width)
        example = augmented_face(gray, face, size, 0.0, augmentation, np.random.default_rng(seed))
        places = (example * np.arange(face.width)).sum(axis=1) / example.sum(axis=1)
        slope = np.polyfit(np.arange(face.height), places, 1)[0]
        assert slope == pytest.approx(np.random.default_rng(seed).uniform(-0.4, 0.4), abs=0.02)
        assert places[middle - face.y1] == pytest.approx(face.width / 2, abs=1.5)


def test_erasing_replaces_part_of_the_face(portrait: Image, face: Box) -> None:
    changed = np.mean(augmented(portrait, face, erasing=1.0) != augmented(portrait, face))
    assert 0.015 < changed < 0.25


def test_an_epoch_has_every_picture_once_and_the_next_another_order(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    batches = Batches([faces], SIZE, batch_size=20, augmentation=Augmentation())
    assert len(batches) == 3

    def epoch() -> list[bytes]:
        return [face.tobytes() for number in range(3) for face in batches[number][0]]

    first = epoch()
    batches.on_epoch_end()
    second = epoch()
    expected = sorted(face[..., None].astype(np.float32).tobytes() for face in faces.images)
    assert sorted(first) == sorted(second) == expected
    assert first != second


def test_batches_can_be_shared_out_evenly(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train").take(np.arange(55))
    batches = Batches([faces], SIZE, batch_size=16, multiple=4, augmentation=Augmentation())
    assert [len(batches[number][0]) for number in range(len(batches))] == [16, 16, 16, 4]
    whole = Batches([faces], SIZE, batch_size=16)
    assert [len(whole[number][0]) for number in range(len(whole))] == [16, 16, 16, 7]


def test_a_resumed_run_gets_the_same_batches(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    through = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=5)
    through.on_epoch_end()
    resumed = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=5, first_epoch=1)
    other = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=6, first_epoch=1)
    assert np.array_equal(through[0][0], resumed[0][0])
    assert not np.array_equal(through[0][0], other[0][0])


def test_balance_raises_the_weight_of_rare_classes_and_keeps_the_mean(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    rare_first = faces.take(np.array([0] + [row for row in range(56) if row % 7 == 1] * 3))
    for balance, expected in ((0.0, 1.0), (1.0, 24.0), (0.5, 24**0.5)):
        _, targets, weights = Batches([rare_first], SIZE, batch_size=99, balance=balance)[0]
        weight = dict(zip(targets.argmax(axis=1), weights, strict=True))
        assert weight[0] / weight[1] == pytest.approx(expected, rel=1e-4)
        assert weights.mean() == pytest.approx(1, rel=1e-4)


def test_emphasis_changes_the_weight_of_groups_of_people(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "validation")
    races = np.array(["Black", "White"] * 7)
    with_races = replace(faces, groups={"race": races})
    emphasis = {("race", "Black"): 1.5, ("age", "20-29"): 9.0}
    _, _, weights = Batches([faces, with_races], SIZE, batch_size=28, emphasis=emphasis)[0]
    np.testing.assert_allclose(weights, [1.0] * 14 + [1.5, 1.0] * 7)


def test_sets_of_different_sizes_share_a_batch(fer2013: Path, portrait: Image) -> None:
    small = load("fer2013", fer2013, "validation")
    large = replace(small, images=np.zeros((14, 80, 80), np.uint8), box=Box(8, 8, 72, 72))
    faces, targets, _ = Batches([small, large], (64, 64), batch_size=28)[0]
    assert faces.shape == (28, 64, 64, 1)
    assert targets.shape == (28, 7)
    assert faces[14:].max() == 0 < faces[:14].max()


def test_mixup_mixes_faces_and_targets_alike_and_the_same_for_the_same_seed(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    faces = replace(faces, images=np.broadcast_to((faces.targets.argmax(axis=1) * 30)[:, None, None], (56, 48, 48)))
    faces = replace(faces, images=faces.images.astype(np.uint8))
    first, again, other = (Batches([faces], SIZE, batch_size=56, mixup=1.0, seed=seed)[0] for seed in (1, 1, 2))
    pictures, targets, _ = first
    # Each class has its own brightness, so the brightness follows from the targets.
    assert pictures[:, 0, 0, 0] == pytest.approx(targets @ np.arange(7) * 30, abs=1e-3)
    assert targets.sum(axis=1) == pytest.approx(1)
    assert ((targets > 0).sum(axis=1) == 2).mean() > 0.5
    assert pictures.dtype == targets.dtype == np.float32
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(pictures, other[0])


def test_a_small_alpha_mixes_little(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    tops = []
    for alpha in (0.1, 10.0):
        batches = Batches([faces], SIZE, batch_size=2, mixup=alpha)
        tops.append(np.mean([batches[number][1].max(axis=1).mean() for number in range(len(batches))]))
    assert tops[0] > tops[1] + 0.1


def test_the_teacher_gets_the_augmented_faces_and_has_its_share(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    scored: list[Array] = []

    def teacher(given: Array) -> Array:
        scored.append(given)
        return np.full((len(given), 7), 1 / 7, np.float32)

    options: dict[str, Any] = {"augmentation": AUGMENTATIONS["strong"], "batch_size": 20, "balance": 1.0, "mixup": 0.5}
    alone = Batches([faces], SIZE, **options)[0]
    with_teacher = Batches([faces], SIZE, teacher=teacher, teacher_share=0.3, **options)[0]
    assert len(scored) == 1
    assert np.array_equal(with_teacher[0], alone[0])
    assert np.array_equal(with_teacher[0], scored[0])
    assert with_teacher[1] == pytest.approx(0.7 * alone[1] + 0.3 / 7)
    assert with_teacher[1].dtype == np.float32
    assert np.array_equal(with_teacher[2], alone[2])


def test_cutmix_mixes_targets_by_area(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    faces.images[:] = faces.targets.argmax(1)[:, None, None] * 10  # each class has its own gray
    batches = Batches([faces], SIZE, batch_size=32, augmentation=AUGMENTATIONS["none"], cutmix=1.0, seed=5)
    mixed, targets, weights = batches[0]
    assert mixed.mean((1, 2, 3)) == pytest.approx(targets @ (10.0 * np.arange(7)), abs=1e-3)
    assert targets.sum(1) == pytest.approx(np.ones(32), abs=1e-6)
    assert 0 < (targets.max(1) < 1).mean() < 1  # some meet their own class
    assert weights == pytest.approx(np.ones(32))


def test_shifts_follow_the_targets(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    shifts = np.random.default_rng(1).normal(size=faces.targets.shape).astype(np.float32)
    batches = Batches([faces], SIZE, batch_size=len(faces), shifts=[shifts])
    _, targets, weights = batches[0]
    assert np.array_equal(targets, np.concatenate([faces.targets, shifts], axis=1))
    assert weights == pytest.approx(np.ones(len(faces)))
