"""The card of a model: every shipped one survives reading and writing, and a bad one is refused in plain words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emotion_cam import card as card_module
from emotion_cam.card import (
    DataEntry,
    Measurement,
    ModelCard,
    TrainingRecord,
    choose_models,
    read_card,
    shipped_models,
    write_card,
)
from emotion_cam.errors import ModelError

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(file.parent for file in (ROOT / "models").glob("*/model.json"))
SMALLEST = {"task": "smile", "labels": ["yes", "no"], "size": [48, 40], "margin": 0}


def make_model(folder: Path, **fields: Any) -> Path:
    """A folder with a model.json that has the fewest fields, and these; a field that is None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {name: value for name, value in (SMALLEST | fields).items() if value is not None}
    (folder / "model.json").write_text(json.dumps(written), encoding="utf-8")
    return folder


def without_defaults(written: Any) -> Any:
    """What a model.json says, without the fields that say no more than their absence would."""
    if isinstance(written, dict):
        kept = {name: without_defaults(value) for name, value in written.items()}
        return {name: value for name, value in kept.items() if (name, value) != ("teachers", [])}
    return [without_defaults(value) for value in written] if isinstance(written, list) else written


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_reading_and_writing_loses_nothing(folder: Path, tmp_path: Path) -> None:
    write_card(tmp_path, read_card(folder))
    before, after = (json.loads((place / "model.json").read_text(encoding="utf-8")) for place in (folder, tmp_path))
    assert without_defaults(after) == without_defaults(before)
    assert read_card(tmp_path) == read_card(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_the_parts_of_a_shipped_card_are_typed() -> None:
    card = read_card(ROOT / "models" / "gender")
    assert (card.task, card.labels, card.size, card.margin, card.steady) == (
        "gender",
        ("man", "woman"),
        (64, 64),
        0.125,
        True,
    )
    assert card.data[0].name == "fairface"
    assert card.training.settings["augmentation"] == "framing"
    assert card.before is not None
    assert card.before.before is not None
    assert card.origin.before == card.before
    test = next(measured for measured in card.measured if measured.data == "fairface test")
    assert sum(map(sum, test.confusion)) == test.pictures == 5000
    assert test.groups["race"].groups[0].recall.keys() == set(card.labels)
    assert test.framing is not None
    assert [change.box for change in test.framing.changes][:2] == ["left", "right"]


def test_a_card_with_the_fewest_fields_loads(tmp_path: Path) -> None:
    card = read_card(make_model(tmp_path))
    assert card == ModelCard(task="smile", labels=("yes", "no"), size=(48, 40), margin=0.0)
    assert (card.min_confidence, card.steady, card.network, card.parameters) == (0, False, "", None)
    assert (card.before, card.parts, card.teachers, card.measured) == (None, (), (), ())
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card


def test_an_unknown_field_is_ignored(tmp_path: Path) -> None:
    assert read_card(make_model(tmp_path, color="gray")).task == "smile"


def test_settings_are_free_and_stand_beside_the_other_fields(tmp_path: Path) -> None:
    training = {"command": "emotion-cam train", "epochs": 3, "emphasis": [["race", "Black", 1.5]], "epochs_run": 2}
    card = read_card(make_model(tmp_path, training=training))
    assert card.training.settings == {"epochs": 3, "emphasis": [["race", "Black", 1.5]]}
    assert (card.training.epochs_run, card.training.best_epoch) == (2, None)
    write_card(tmp_path, card)
    assert json.loads((tmp_path / "model.json").read_text())["training"] == training


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": None}, "object missing required field “task”"),
        ({"task": ""}, "expected “str” of length >= 1 at “task”"),
        ({"labels": ["yes"]}, "expected “array” of length >= 2 at “labels”"),
        ({"labels": ["yes", "yes"]}, "expected different “labels”"),
        ({"labels": "yes"}, "expected “array”, got “str” at “labels”"),
        ({"size": [48]}, "expected “array” of length 2, got 1 at “size”"),
        ({"size": [48, 0]}, "expected “int” >= 1 at “size[1]”"),
        ({"size": [2048, 48]}, "expected “int” <= 1024 at “size[0]”"),
        ({"size": [10**30, 48]}, "expected “int” <= 1024 at “size[0]”"),
        ({"margin": -0.5}, "expected “float” >= -0.4 at “margin”"),
        ({"margin": 300}, "expected “float” <= 1.0 at “margin”"),
        ({"labels": ["a" * 201, "b"]}, "expected “str” of length <= 200 at “labels[0]”"),
        ({"labels": [str(number) for number in range(1001)]}, "expected “array” of length <= 1000 at “labels”"),
        ({"labels": ["yes\n", "no"]}, "expected text without control characters at “labels”"),
        ({"task": "\x1b[2J"}, "expected text without control characters at “task”"),
        ({"parameters": 10**16}, "expected “int” <= 1000000000000000 at “parameters”"),
        ({"margin": "0.1"}, "expected “float”, got “str” at “margin”"),
        ({"min_confidence": 1.5}, "expected “float” <= 1.0 at “min_confidence”"),
        ({"training": []}, "expected “object”, got “array” at “training”"),
        ({"training": {"epochs": 3, "epochs_run": "2"}}, "expected “int | null”, got “str” at “training.epochs_run”"),
        ({"before": {"before": {"data": [{}]}}}, "object missing required field “name” at “before.before.data[0]”"),
        ({"parts": {}}, "expected “array”, got “object” at “parts”"),
        ({"measured": [{"data": "x test"}]}, "object missing required field “pictures” at “measured[0]”"),
        ({"format": "1"}, "expected “int” >= 1 at “format”"),
        ({"format": 0}, "expected “int” >= 1 at “format”"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as raised:
        read_card(make_model(tmp_path, **fields))
    assert str(raised.value) == f"{tmp_path / 'model.json'} is not a model card: {message}."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "is not a model card: it is nested too deeply."),
        (b'{"before":' * 700 + b"{}" + b"}" * 700, "is not a model card: "),
        (b'{"margin": NaN}', "is not valid JSON: JSON is malformed: invalid character (byte 11)."),
        (b'{"size": [Infinity, 48]}', "is not valid JSON: JSON is malformed: invalid character (byte 10)."),
        (b'{"margin": 1e400}', "is not valid JSON: number out of range."),
        (b'{"task": "\xff"}', "is not valid JSON: 'utf-8' codec can't decode byte 0xff in position"),
        (b'{"task": "\\ud800"}', "is not valid JSON: "),
        (b"1" * 5000, "is not valid JSON: integer value out of range."),
        (b" " * 17_000_000, "is not a model card: it is no file, or too large."),
    ],
    ids=lambda value: value[:12].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_a_hostile_file_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError) as raised:
        read_card(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'model.json'} {message}")
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(ModelError, match="it is no file, or too large"):
        read_card(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"has format 2, but this version reads formats up to 1; update emotion-cam\.$"
    ):
        read_card(make_model(tmp_path, format=2, task=None, labels={"of": "format 2"}))


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere is not a model: there is no such folder\.$"):
        read_card(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"is not a model: it has no model\.json\.$"):
        read_card(tmp_path)
    file = tmp_path / "model.json"
    with pytest.raises(ModelError, match=r"model\.json is not a model: it is not a folder\.$"):
        read_card(make_model(tmp_path) / "model.json")
    for content, reason in (
        (b"{", r"is not valid JSON: input data was truncated\.$"),
        (b"\xff", r"is not valid JSON: JSON is malformed: invalid character \(byte 0\)\.$"),
        (b"[]", r"is not a model card: expected “object”, got “array”\.$"),
    ):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=reason):
            read_card(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(ModelError, match=r"model\.json cannot be read: "):
        read_card(tmp_path)


def test_a_card_that_is_not_valid_is_not_written(tmp_path: Path) -> None:
    good = read_card(make_model(tmp_path))
    before = (tmp_path / "model.json").read_bytes()
    with pytest.raises(ModelError, match=r"expected “float” <= 1\.0 at “min_confidence”"):
        write_card(tmp_path, msgspec.structs.replace(good, min_confidence=1.5))
    assert (tmp_path / "model.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_a_shipped_model_is_named_like_its_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shipped_models() == {task: ROOT / "models" / task for task in ("emotion", "gender")}
    monkeypatch.setattr(card_module, "_PLACES", (tmp_path / "nowhere", tmp_path))
    with pytest.raises(ModelError, match=r"shipped models are missing.*nowhere; install emotion-cam again"):
        shipped_models()
    make_model(tmp_path / "smile")
    make_model(tmp_path / "smile-small")
    assert shipped_models() == {"smile": tmp_path / "smile"}


def test_a_given_model_takes_the_place_of_the_shipped_one_or_follows(tmp_path: Path) -> None:
    shipped = shipped_models()
    emotion = Path(shutil.copytree(shipped["emotion"], tmp_path / "mine"))
    smile = make_model(tmp_path / "smile")
    assert choose_models() == [shipped["emotion"], shipped["gender"]]
    assert choose_models([smile, emotion]) == [emotion, shipped["gender"], smile]
    assert choose_models([smile], without=["emotion"]) == [shipped["gender"], smile]
    assert choose_models(without=("gender", "emotion")) == []


def test_models_that_cannot_be_chosen_are_named(tmp_path: Path) -> None:
    one, other = (make_model(tmp_path / name) for name in ("one", "other"))
    with pytest.raises(ModelError, match=r"one and .*other are both for smile; give one of them\.$"):
        choose_models([one, other])
    with pytest.raises(
        ModelError, match=r"`without` names the task “smile”, but the models are for emotion and gender"
    ):
        choose_models(without=["smile"])


def test_a_card_can_be_made_in_python(tmp_path: Path) -> None:
    entry = DataEntry(name="folder", train=20, validation=1)
    measured = Measurement(data="folder test", pictures=3, accuracy=2 / 3, balanced_accuracy=0.5)
    card = ModelCard(
        task="smile",
        labels=("yes", "no"),
        size=(48, 48),
        margin=0.1,
        data=(entry,),
        training=TrainingRecord(settings={"epochs": 1}, best_epoch=1),
        measured=(measured,),
    )
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card


def test_the_module_is_light() -> None:
    program = "import sys, emotion_cam.card; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "cv2", "av", "ai_edge_litert"} & set(loaded)
