"""An adaptation shifts the logits of its own model, and nothing else takes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emotion_cam import ModelSpec, Recognizer
from emotion_cam.adaptation import (
    Adaptation,
    choose_adaptations,
    fingerprint,
    read_adaptation,
    write_adaptation,
)
from emotion_cam.card import read_card, shipped_models
from emotion_cam.errors import ModelError
from emotion_cam.types import Image
from tests.builders import write_picture
from tests.command import emotion_cam

EMOTION, GENDER = shipped_models()["emotion"], shipped_models()["gender"]
OFFSETS = (0.5, 1.0, 0.0, -9.0, 0.0, 0.25, 6.25)


def adaptation(folder: Path = EMOTION, offsets: tuple[float, ...] = OFFSETS) -> Adaptation:
    card = read_card(folder)
    return Adaptation(task=card.task, labels=card.labels, offsets=offsets, model=fingerprint(folder), pictures=84)


def written(file: Path, content: Adaptation | None = None) -> Path:
    write_adaptation(file, adaptation() if content is None else content)
    return file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_adaptation(written(tmp_path / "me.json")) == adaptation()


def test_offsets_are_added_to_the_logits() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    logits = np.log(scores, dtype=np.float64) + OFFSETS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert adaptation().apply(scores) == pytest.approx(expected, abs=1e-6)


def test_zeros_change_nothing_at_all() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    assert adaptation(offsets=(0.0,) * 7).apply(scores) is scores


def test_a_recognizer_adapts_its_pictures_and_its_streams(portrait: Image, tmp_path: Path) -> None:
    file = written(tmp_path / "me.json")
    plain, adapted = Recognizer(), Recognizer(adapt=file)
    (before,), (after,) = plain(portrait), adapted(portrait)
    assert before.predictions["emotion"].label == "happy"
    assert after.predictions["emotion"].label == "neutral"
    assert (after.predictions["gender"].scores == before.predictions["gender"].scores).all()
    follower = adapted.follow()
    for index in range(10):
        (face,) = follower(portrait, index / 10)
    assert face.predictions["emotion"].label == "neutral"
    (same,) = ModelSpec(adapt=(file,), without=("gender",)).open()(portrait)
    assert (same.predictions["emotion"].scores == after.predictions["emotion"].scores).all()


def test_the_command_line_adapts(portrait: Image, tmp_path: Path) -> None:
    photo, file = write_picture(tmp_path / "photo.png", portrait), written(tmp_path / "me.json")
    run = emotion_cam("--image", photo, "--out", tmp_path / "faces.csv", "--adapt", file)
    assert run.exit_code == 0, run.output
    assert "1 face: neutral" in run.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "mask"}, "is for the task “mask”, but the models here are for emotion and gender."),
        ({"labels": list("abcdefg")}, "is for the labels a, b, c, d, e, f, g, but"),
        ({"model": "0" * 64}, "is for another model than"),
        ({"offsets": [1.0]}, "expected a finite number for each of the “labels” at “offsets”"),
        ({"offsets": [1e9] * 7}, "is not a file that `emotion-cam adapt` has written"),
        ({"format": 2}, "has format 2, but this version reads formats up to 1; update emotion-cam."),
    ],
    ids=["task", "labels", "model", "count", "size", "format"],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "me.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    run = emotion_cam("--image", "photo.png", "--out", tmp_path / "out.png", "--adapt", file)
    assert run.exit_code == 1
    (line,) = run.stderr.splitlines()
    assert message in line


def test_a_model_that_was_trained_again_is_another_one(emotion_model: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "me.json")
    assert choose_adaptations([file], [GENDER, emotion_model]) == [None, adaptation()]
    shutil.copy(GENDER / "model.tflite", emotion_model)
    with pytest.raises(ModelError, match="is for another model than"):
        choose_adaptations([file], [GENDER, emotion_model])


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no file .*me\.json; `emotion-cam adapt` writes one\."):
        Recognizer(adapt=tmp_path / "me.json")
    for number, data in enumerate((b"", b"\xff\xfe", b"[]", b"[" * 100_000, b'{"task": "emotion"}')):
        file = tmp_path / f"{number}.json"
        file.write_bytes(data)
        with pytest.raises(ModelError, match="is not a file that"):
            read_adaptation(file)
    file = written(tmp_path / "me.json")
    with pytest.raises(ModelError, match="are both for emotion; give one of them"):
        Recognizer(adapt=[file, file])


def test_without_the_litert_file_the_keras_file_is_the_model(emotion_model: Path) -> None:
    whole = fingerprint(emotion_model)
    (emotion_model / "model.tflite").unlink()
    assert fingerprint(emotion_model) != whole
    (emotion_model / "model.keras").unlink()
    with pytest.raises(ModelError, match="is incomplete"):
        fingerprint(emotion_model)
