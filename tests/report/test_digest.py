"""The text and the numbers of a report, before any layout."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_cam.drawing.colors import PALETTE
from emotion_cam.report.digest import SourceSection, clock, digest
from emotion_cam.report.history import History
from emotion_cam.types import UNSURE
from tests.report.histories import ANGRY, HAPPY, SAD, UNCLEAR, face, history, page, shade


def only_section(seen: History, max_faces: int = 9) -> SourceSection:
    (section,) = digest(seen, max_faces)
    return section


def test_shares_are_shares_of_time() -> None:
    frames = [(0.0, [face(*HAPPY)]), (0.4, [face(*SAD)]), (0.5, [face(*UNCLEAR)]), (0.6, [face(*SAD)]), (0.8, [])]
    (section,) = only_section(history(*frames)).faces
    (mood,) = section.tasks
    assert {row.label: round(row.share, 6) for row in mood.rows} == {
        "angry": 0,
        "happy": 0.5,
        "sad": 0.375,
        UNSURE: 0.125,
    }
    assert mood.rows[1].mean == pytest.approx((0.4 * 0.8 + 0.3 * 0.25 + 0.1 * 0.3) / 0.8)
    assert [row.label for row in mood.ranked] == ["happy", "sad", UNSURE, "angry"]
    assert section.facts == ("in view from 0:00.0 to 0:00.8",)


def test_colors_are_those_of_the_annotated_picture() -> None:
    (mood,) = only_section(history((0.0, [face(*HAPPY)]), (1.0, []))).faces[0].tasks
    blue, green, red = PALETTE[1]
    assert mood.rows[1].color == f"#{red:02x}{green:02x}{blue:02x}"


def test_the_timeline_has_gaps_where_the_face_was_not_in_view() -> None:
    frames = [(index / 10, [] if 20 <= index < 30 else [face(*(HAPPY if index < 20 else SAD))]) for index in range(50)]
    section = only_section(history(*frames))
    (mood,) = section.faces[0].tasks
    assert mood.timeline is not None
    assert mood.timeline.edges == pytest.approx(np.arange(51) / 10)
    assert np.isnan(mood.timeline.scores).all(axis=1).tolist() == [20 <= index < 30 for index in range(50)]
    assert mood.timeline.scores[40] == pytest.approx(SAD)
    assert [(start, round(end, 6)) for start, end, _ in mood.intervals] == [(0, 2), (3, 5)]
    assert [color for *_, color in mood.intervals] == [mood.rows[1].color, mood.rows[2].color]
    assert section.faces[0].facts == ("in view from 0:00.0 to 0:05.0, for 0:04.0 of that time",)


def test_a_long_timeline_has_averages() -> None:
    frames = [(index / 30, [face(*(ANGRY if index % 2 else HAPPY))]) for index in range(24_000)]
    (mood,) = only_section(history(*frames)).faces[0].tasks
    assert mood.timeline is not None
    assert mood.timeline.scores.shape == (240, 3)
    assert mood.timeline.scores[100] == pytest.approx(np.mean((ANGRY, HAPPY), axis=0), abs=1e-6)
    assert mood.timeline.edges[-1] == pytest.approx(800)


def test_a_pause_of_a_live_source_counts_for_no_label() -> None:
    frames = [(0.0, [face(*HAPPY)]), (0.1, [face(*HAPPY)]), (60.0, [face(*SAD)]), (60.1, []), (60.2, [])]
    (mood,) = only_section(history(*frames)).faces[0].tasks
    assert {row.label: row.share for row in mood.rows}["happy"] == pytest.approx(1.1 / 1.2)
    assert [(start, round(end, 6)) for start, end, _ in mood.intervals] == [(0, 1.1), (60, 60.1)]


def test_faces_in_view_for_a_short_time_are_only_counted() -> None:
    frames = [(index / 10, [face(*HAPPY), *([face(*SAD, track=index)] if index > 90 else [])]) for index in range(100)]
    frames += [(10 + index / 10, [face(*SAD, track=200), face(*SAD, track=201)]) for index in range(20)]
    section = only_section(history(*frames))
    assert [shown.title for shown in section.faces] == ["Face 1", "Face 200", "Face 201"]
    assert section.not_shown == "Not shown: 9 faces in view for less than a second."
    assert section.facts == ("0:12.0", "120 frames, 120 of them with a face", "3 faces")
    section = only_section(history(*frames), max_faces=1)
    assert [shown.title for shown in section.faces] == ["Face 1"]
    assert section.not_shown == (
        "Not shown: 2 faces in view for less time than those above and 9 faces in view for less than a second."
    )


def test_of_many_sources_only_the_first_faces_have_sections() -> None:
    seen = History()
    for source in ("a.mp4", "b.mp4", "c.mp4"):
        for index in range(20):
            faces = [face(*HAPPY), face(*SAD, track=2), *([face(*SAD, track=3)] if index < 5 else [])]
            seen.add(source, index, index / 10, faces)
    sections = digest(seen, 2, 3)
    assert [[shown.title for shown in section.faces] for section in sections] == [["Face 1", "Face 2"], ["Face 1"], []]
    assert [section.facts[2] for section in sections] == ["2 faces"] * 3
    brief = "1 face in view for less than a second."
    assert [section.not_shown for section in sections] == [
        f"Not shown: {brief}",
        f"Not shown: 1 face in view for less time than those above and {brief}",
        f"Not shown: 2 faces and {brief}",
    ]


def test_faces_in_view_for_a_short_time_are_shown_if_there_are_no_others() -> None:
    assert len(only_section(history((0.0, [face(*SAD)]), (0.1, []))).faces) == 1


def test_a_task_with_two_labels_is_a_fact_about_a_face() -> None:
    def fact(*women: float, min_confidence: float = 0.5) -> str:
        faces = [face(woman=woman, min_confidence=min_confidence) for woman in women]
        frames = [(float(index), [each]) for index, each in enumerate(faces)]
        section = only_section(history(*frames)).faces[0]
        assert section.tasks == ()
        return section.facts[1]

    assert fact(0.25, 0.75, 1) == "gender: woman, mean score 0.67"
    assert fact(0.2, 0.2) == "gender: man, mean score 0.80"
    assert fact(0.55, 0.55, 0.55, min_confidence=0.6) == "gender: unsure"


def test_pictures_have_one_section_together() -> None:
    seen = History()
    seen.add("a.png", 0, 0.0, [face(*HAPPY, track=None, woman=0.9), face(*SAD, track=None, woman=0.1)], shade(0))
    seen.add("b.png", 1, 0.0, [], shade(1))
    seen.add("c.png", 2, 0.0, [face(0, 1, 0, track=None, woman=1), face(*ANGRY, track=None, woman=1)], shade(2))
    section = only_section(seen)
    assert (section.title, section.facts) == ("Pictures", ("3 pictures, 2 of them with a face", "4 faces"))
    (faces,) = section.faces
    assert faces.facts == ("gender: 25% man, 75% woman",)
    (mood,) = faces.tasks
    assert mood.timeline is None
    assert {row.label: (row.share, row.caption) for row in mood.rows} == {
        "angry": (0.25, "c.png"),
        "happy": (0.5, "c.png"),
        "sad": (0.25, "a.png"),
        UNSURE: (0, ""),
    }
    assert {kind for kind, _ in page(seen).images} == {"jpeg"}


def test_a_source_without_faces_has_a_section() -> None:
    section = only_section(history((0.0, []), (0.5, [])))
    assert section.facts == ("0:01.0", "2 frames, 0 of them with a face", "0 faces")
    assert section.faces == ()


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")]
)
def test_the_clock(seconds: float, written: str) -> None:
    assert clock(seconds) == written
