"""LabelChanges: the changes of labels without flicker."""

from __future__ import annotations

import pytest

from emotion_cam.errors import SinkError
from emotion_cam.sinks.changes import Change, LabelChanges
from emotion_cam.types import Box, Face
from tests.builders import prediction

LETTERS = {"h": "happy", "s": "sad", "n": "neutral"}


def face(letter: str, track: int | None = 1) -> Face:
    """A face whose mood has the label that begins with a letter."""
    scores = {label: 0.8 if label == LETTERS[letter] else 0.1 for label in LETTERS.values()}
    return Face(Box(0, 0, 9, 9), {"mood": prediction(**scores)}, track)


def changes_of(*tracks: str, shortest: float = 0.3, step: float = 0.1) -> list[tuple[float, int, str | None]]:
    """The changes of faces, of each of which there is a letter for each frame, and a dot where it is away."""
    finder = LabelChanges(shortest)
    found: list[Change] = []
    for index, letters in enumerate(zip(*tracks, strict=True)):
        faces = [face(letter, number) for number, letter in enumerate(letters, start=1) if letter != "."]
        found += finder.add(index * step, faces)
    found += finder.finish()
    assert found == sorted(found, key=lambda change: change.time)
    return [(round(change.time, 3), change.track, change.label) for change in found]


def test_a_label_that_lasts_is_a_change() -> None:
    assert changes_of("hhhhhsssss") == [(0.0, 1, "happy"), (0.5, 1, "sad"), (1.0, 1, None)]


BRIEF = ["hhhhsshhhh", "hhhhsnhhhh", "hhhhhhhhss", "hhhh..hhhh", "hhhhs.hhhh", "sshhhhhhhh"]


@pytest.mark.parametrize("letters", BRIEF)
def test_what_lasts_too_short_is_none(letters: str) -> None:
    assert changes_of(letters) == [(0.0, 1, "happy"), (1.0, 1, None)]


def test_a_label_begins_after_the_flicker_before_it() -> None:
    assert changes_of("hhhhsnsnnnnn") == [(0.0, 1, "happy"), (0.7, 1, "neutral"), (1.2, 1, None)]


def test_a_face_that_is_away_leaves_a_gap() -> None:
    expected = [(0.0, 1, "happy"), (0.4, 1, None), (0.8, 1, "happy"), (1.2, 1, None)]
    assert changes_of("hhhh....hhhh") == expected


def test_a_face_that_is_there_for_a_moment_is_none() -> None:
    assert changes_of("..hh......") == []


def test_faces_change_by_themselves() -> None:
    assert changes_of("hhhhhhsss.....", "...nnnnnnnnnnn") == [
        (0.0, 1, "happy"),
        (0.3, 2, "neutral"),
        (0.6, 1, "sad"),
        (0.9, 1, None),
        (1.4, 2, None),
    ]


def test_a_frame_lasts_until_the_next() -> None:
    # One in two seconds, as in a time lapse: a label of one frame has lasted long enough.
    assert changes_of("hshh", step=2) == [(0, 1, "happy"), (2, 1, "sad"), (4, 1, "happy"), (8, 1, None)]


def test_after_a_gap_in_the_frames_faces_are_new() -> None:
    finder = LabelChanges(0.3)
    found: list[Change] = []
    for index in range(20):
        found += finder.add(index / 10 + (60 if index >= 10 else 0), [face("h")])
    found += finder.finish()
    times = [(round(change.time, 3), change.label) for change in found]
    assert times == [(0, "happy"), (1, None), (61, "happy"), (62, None)]


def test_a_change_is_known_as_soon_as_it_has_lasted_long_enough() -> None:
    finder = LabelChanges(0.3)
    known = [len(finder.add(index / 10, [face("h" if index < 5 else "s")])) for index in range(10)]
    assert known == [0, 0, 0, 1, 0, 0, 0, 0, 1, 0]


def test_nothing_happened() -> None:
    assert LabelChanges(0.3).finish() == []


def test_faces_need_track_numbers() -> None:
    with pytest.raises(SinkError, match=r"^Faces need track numbers .* `Recognizer\.follow`"):
        LabelChanges(0.3).add(0, [face("h", None)])
