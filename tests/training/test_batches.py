from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion_cam.preprocess import extract_face
from emotion_cam.training.batches import AUGMENTATIONS, Augmentation, Batches, augmented_face
from emotion_cam.training.datasets import load
from emotion_cam.types import Box, Image

SIZE = (48, 48)


def augmented(portrait: Image, face: Box, seed: int = 0, **how: float) -> np.ndarray:
    grey = np.asarray(portrait[..., 1])
    return augmented_face(grey, face, SIZE, 0.0, Augmentation(**how), np.random.default_rng(seed))


def test_without_variation_training_sees_what_the_camera_sees(portrait: Image, face: Box) -> None:
    seen = augmented(portrait, face)
    assert seen.dtype == np.float32
    assert np.array_equal(seen, extract_face(np.asarray(portrait[..., 1]), face, SIZE))


def test_flip_mirrors(portrait: Image, face: Box) -> None:
    assert np.array_equal(augmented(portrait, face, flip=1.0), augmented(portrait, face)[:, ::-1])


@pytest.mark.parametrize("how", AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
def test_every_recipe_keeps_range_and_size_and_the_face(portrait: Image, face: Box, how: Augmentation) -> None:
    plain = augmented(portrait, face)
    for seed in range(20):
        seen = augmented_face(
            np.asarray(portrait[..., 1]), face, SIZE, 0.0, replace(how, flip=0, erasing=0), np.random.default_rng(seed)
        )
        assert seen.shape == SIZE
        assert seen.dtype == np.float32
        assert seen.min() >= 0
        assert seen.max() <= 255
        assert np.corrcoef(seen.ravel(), plain.ravel())[0, 1] > 0.3


@pytest.mark.parametrize(
    "how",
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
def test_each_variation_does_something_and_is_bounded(portrait: Image, face: Box, how: dict[str, float]) -> None:
    plain = augmented(portrait, face)
    changes = [np.abs(augmented(portrait, face, seed, **how) - plain).mean() for seed in range(10)]
    assert max(changes) > 2
    assert max(changes) < 90


def test_shear_slants_about_the_middle_of_the_box(portrait: Image, face: Box) -> None:
    grey = np.zeros(portrait.shape[:2], np.uint8)
    middle = (face.y1 + face.y2) // 2
    grey[:, (face.x1 + face.x2) // 2 - 3 : (face.x1 + face.x2) // 2 + 3] = 255  # an upright line
    how = Augmentation(shear=0.4)
    for seed in range(5):
        seen = augmented_face(grey, face, (face.height, face.width), 0.0, how, np.random.default_rng(seed))
        places = (seen * np.arange(face.width)).sum(axis=1) / seen.sum(axis=1)
        slope = np.polyfit(np.arange(face.height), places, 1)[0]
        assert slope == pytest.approx(np.random.default_rng(seed).uniform(-0.4, 0.4), abs=0.02)
        assert places[middle - face.y1] == pytest.approx(face.width / 2, abs=1.5)


def test_erasing_blanks_part_of_the_face(portrait: Image, face: Box) -> None:
    changed = np.mean(augmented(portrait, face, erasing=1.0) != augmented(portrait, face))
    assert 0.015 < changed < 0.25


def test_an_epoch_sees_every_picture_once_and_the_next_in_another_order(fer2013: Path) -> None:
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


def test_a_run_that_goes_on_sees_what_it_would_have_seen(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    through = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=5)
    through.on_epoch_end()
    resumed = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=5, first_epoch=1)
    other = Batches([faces], SIZE, augmentation=AUGMENTATIONS["strong"], seed=6, first_epoch=1)
    assert np.array_equal(through[0][0], resumed[0][0])
    assert not np.array_equal(through[0][0], other[0][0])


def test_balance_weighs_rare_classes_up_without_changing_the_whole(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    rare_first = faces.take(np.array([0] + [row for row in range(56) if row % 7 == 1] * 3))
    for balance, expected in ((0.0, 1.0), (1.0, 24.0), (0.5, 24**0.5)):
        _, targets, weights = Batches([rare_first], SIZE, batch_size=99, balance=balance)[0]
        weight = dict(zip(targets.argmax(axis=1), weights, strict=True))
        assert weight[0] / weight[1] == pytest.approx(expected, rel=1e-4)
        assert weights.mean() == pytest.approx(1, rel=1e-4)


def test_emphasis_weighs_groups_of_people(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "validation")
    races = np.array(["Black", "White"] * 7)
    told = replace(faces, groups={"race": races})
    emphasis = {("race", "Black"): 1.5, ("age", "20-29"): 9.0}
    _, _, weights = Batches([faces, told], SIZE, batch_size=28, emphasis=emphasis)[0]
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
    # The brightness tells the class, so it can be reckoned from the targets.
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


def test_the_teacher_sees_the_augmented_faces_and_has_its_share(fer2013: Path) -> None:
    faces = load("fer2013", fer2013, "train")
    seen = []

    def teacher(shown: np.ndarray) -> np.ndarray:
        seen.append(shown)
        return np.full((len(shown), 7), 1 / 7, np.float32)

    how = {"augmentation": AUGMENTATIONS["strong"], "batch_size": 20, "balance": 1.0, "mixup": 0.5}
    alone = Batches([faces], SIZE, **how)[0]  # type: ignore[arg-type]
    taught = Batches([faces], SIZE, teacher=teacher, teacher_share=0.3, **how)[0]  # type: ignore[arg-type]
    assert len(seen) == 1
    assert np.array_equal(taught[0], alone[0])
    assert np.array_equal(taught[0], seen[0])
    assert taught[1] == pytest.approx(0.7 * alone[1] + 0.3 / 7)
    assert taught[1].dtype == np.float32
    assert np.array_equal(taught[2], alone[2])
