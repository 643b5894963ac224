"""Properties of the parsers that are ours alone: whatever they get, they give a value or one clear error.

The properties of tables are in tests/test_tables.py, those of corpora in tests/corpus/test_properties.py.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_cam.adaptation import LARGEST, Adaptation, read_adaptation, write_adaptation
from emotion_cam.card import MARGINS, ModelCard, read_card, write_card
from emotion_cam.corpus.spec import parse_duration
from emotion_cam.errors import GroupError, ModelError, SourceError, TrainingError
from emotion_cam.recognition.groups import make_groupings
from emotion_cam.recognition.spec import ModelSpec, parse_groups
from emotion_cam.sinks.spec import parse_receiver
from emotion_cam.sources.address import is_address, public_address, refuse_broken_address, stem_of
from emotion_cam.sources.spec import parse_size
from emotion_cam.training.recipe import parse_data, parse_emphasis
from emotion_cam.training.recipe_files import format_recipe_file, parse_recipe_file

texts = st.text(max_size=60)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(texts, inside, max_size=4),
    max_leaves=12,
)


def _json_or_nothing(value: Any) -> bytes:
    """A value as JSON; nothing if it has half a character, which JSON cannot hold."""
    with contextlib.suppress(UnicodeEncodeError):
        return msgspec.json.encode(value)
    return b""


names = st.text(min_size=1, max_size=40).filter(str.isprintable)

many = settings(max_examples=150, deadline=None)


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from("xX×"))
@many
def test_a_size_is_read_as_it_is_written(width: int, height: int, sign: str) -> None:
    with contextlib.suppress(ValueError):  # of the sign
        assert parse_size(f"{width}{sign}{height}") == (width, height)
    assert parse_size(f"{width}x{height}") == (width, height)


@given(texts | st.from_regex(r"\A-?\d{0,30}[xX]-?\d{0,30}\Z"))
@many
def test_any_text_is_a_size_or_a_wrong_value(text: str) -> None:
    try:
        width, height = parse_size(text)
    except ValueError as error:
        assert "`size` must be a width and a height" in str(error)
    else:
        assert min(width, height) > 0


labels = st.lists(
    names.filter(lambda name: not set(name) & set(",=") and name == name.strip()), min_size=2, unique=True
)


@given(labels, st.data())
@many
def test_groups_are_read_as_they_are_written_and_keep_the_sum_of_the_scores(labels: list[str], data: Any) -> None:
    size = data.draw(st.integers(1, len(labels)))
    groups = parse_groups(["a group=" + ", ".join(labels[:size])])
    assert groups == {"a group": tuple(labels[:size])}
    with contextlib.suppress(GroupError):  # a label of that name
        (grouping,) = make_groupings([labels], groups)
        assert (grouping.membership.sum(axis=1) == 1).all()
        assert len(grouping.labels) == len(labels) - size + 1


@given(st.lists(texts, max_size=3))
@many
def test_any_texts_are_groups_or_a_wrong_value(entries: list[str]) -> None:
    try:
        groups = parse_groups(entries)
    except ValueError as error:
        assert str(error).startswith("`group` ")
    else:
        assert len(groups) == len(entries)
        assert all(all(members) for members in groups.values())
        with contextlib.suppress(GroupError):
            make_groupings([["happy", "sad"], ["man", "woman"]], groups)


@given(st.one_of(st.none(), st.floats()), st.floats(), st.floats(), st.one_of(st.none(), st.floats()), st.integers())
@many
def test_any_numbers_are_options_or_a_wrong_value(
    min_confidence: float | None, smooth: float, min_face: float, every: float | None, threads: int
) -> None:
    try:
        spec = ModelSpec(min_confidence=min_confidence, smooth=smooth, min_face=min_face, every=every, threads=threads)
    except ValueError as error:
        assert str(error).startswith("`")
    else:
        assert not any(math.isnan(number) for number in (spec.smooth, spec.min_face, spec.every or 0.0))


secret = "hunter2secret"
parts = st.text("abcxyz019._-~%!$&'()*+,;=:", max_size=12)


@given(
    st.sampled_from(["http", "https", "rtsp", "rtmp", "srt", "HTTP"]),
    parts,
    # Where @ comes before / ? or #, they look like the end of an empty host.
    st.text("abc@:%", max_size=6) | st.text("abc:/%", max_size=6),
    st.sampled_from(["camera.local", "127.0.0.1:8080", "[::1]:554"]),
    parts,
)
@settings(max_examples=500, deadline=None)
def test_a_password_is_never_shown(scheme: str, user: str, odd: str, host: str, path: str) -> None:
    for password in (secret, odd + secret, secret + odd):
        shown = public_address(f"{scheme}://u{user}:{password}@{host}/{path}")
        assert secret not in shown
    for key in ("pwd", "password", "token", "api_key", "Passwd"):
        assert secret not in public_address(f"{scheme}://{host}/{path}?{key}={secret}&a=b")


@given(texts | texts.map("http://{}".format) | texts.map("rtsp:{}".format))
@many
def test_any_text_is_an_address_or_not(text: str) -> None:
    with contextlib.suppress(SourceError):
        refuse_broken_address(text)
    shown = public_address(text)
    if is_address(text):
        assert public_address(shown) == shown
        with contextlib.suppress(ValueError):  # of Python's own parser, for brackets that do not match
            assert stem_of(text)
    else:
        assert shown == text


good_cards = st.builds(
    ModelCard,
    task=names,
    labels=st.lists(names, min_size=2, max_size=9, unique=True).map(tuple),
    size=st.tuples(st.integers(1, 1024), st.integers(1, 1024)),
    margin=st.floats(*MARGINS),
    min_confidence=st.floats(0, 1),
    steady=st.booleans(),
    network=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


@given(good_cards)
@many
def test_a_card_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> None:
    folder = tmp_path_factory.mktemp("card")
    write_card(folder, card)
    assert read_card(folder) == card


@given(good_cards, st.sampled_from(ModelCard.__struct_fields__), json_values)
@many
def test_any_value_in_a_card_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, card: ModelCard, name: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("card")
    with contextlib.suppress(UnicodeEncodeError):  # of half a character, which JSON cannot hold
        content = msgspec.json.encode(msgspec.to_builtins(card) | {name: value})
        _read_or_refuse(folder, content)


@given(st.binary(max_size=300))
@many
def test_any_bytes_are_a_card_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    _read_or_refuse(tmp_path_factory.mktemp("card"), content)


def _read_or_refuse(folder: Path, content: bytes) -> None:
    (folder / "model.json").write_bytes(content)
    try:
        card = read_card(folder)
    except ModelError as error:
        assert str(error).startswith(str(folder))
    else:
        assert MARGINS[0] <= card.margin <= MARGINS[1]
        assert len(set(card.labels)) == len(card.labels) >= 2


@given(st.lists(texts, max_size=3))
@many
def test_any_texts_are_data_and_emphasis_or_a_wrong_value(entries: list[str]) -> None:
    for parse in (parse_data, parse_emphasis):
        with contextlib.suppress(ValueError):
            assert len(parse(entries)) <= len(entries)


@given(texts | st.text('[]"=,.#\n recipaton01', max_size=200))
@many
def test_any_text_is_a_recipe_file_or_refused(text: str) -> None:
    with contextlib.suppress(TrainingError, ValueError):
        recipes = parse_recipe_file(text)
        assert parse_recipe_file(format_recipe_file(recipes)) == recipes


@given(texts | st.sampled_from(["9" * 400, "1" + "0" * 308 + "h"]) | st.from_regex(r"\A-?\d{0,30}\.?\d{0,5}[smhd]?\Z"))
@many
def test_any_text_is_a_duration_or_a_wrong_value(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert "`split` must be a time" in str(error)
    else:
        assert 1 <= seconds < math.inf


@given(texts | st.from_regex(r"\A[\[\]:.a-z0-9]{0,20}:-?\d{0,30}\Z"))
@many
def test_any_text_is_a_receiver_or_a_wrong_value(text: str) -> None:
    try:
        host, port = parse_receiver(text)
    except ValueError as error:
        assert "`osc` must be a host and a port" in str(error)
    else:
        assert host
        assert 0 < port < 65_536


adaptations = st.integers(2, 5).flatmap(
    lambda count: st.builds(
        Adaptation,
        task=names,
        labels=st.lists(names, min_size=count, max_size=count).map(tuple),
        offsets=st.lists(st.floats(-LARGEST, LARGEST), min_size=count, max_size=count).map(tuple),
        model=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        pictures=st.integers(0, 1000),
    )
)


@given(adaptations)
@many
def test_an_adaptation_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, adaptation: Adaptation
) -> None:
    file = tmp_path_factory.mktemp("adaptation") / "me.json"
    write_adaptation(file, adaptation)
    assert read_adaptation(file) == adaptation


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(Adaptation.__struct_fields__), json_values).map(_json_or_nothing)
)
@many
def test_any_bytes_are_an_adaptation_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("adaptation") / "me.json"
    file.write_bytes(content)
    try:
        adaptation = read_adaptation(file)
    except ModelError as error:
        assert str(file) in str(error)
    else:
        assert len(adaptation.offsets) == len(adaptation.labels)
