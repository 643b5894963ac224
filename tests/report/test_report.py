"""A report says what a table or a run holds, in one file that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from emotion_cam.annotate.draw import PALETTE, Annotator
from emotion_cam.errors import MissingExtraError, SourceError
from emotion_cam.report import History, read_table, render
from emotion_cam.report.digest import Chapter, clock, digest
from emotion_cam.sinks import CsvSink, JsonlSink, ReportSink
from emotion_cam.types import UNSURE, Box, Face, Frame, Image, Prediction, Result

MOODS = ("angry", "happy", "sad")
BOX = Box(20, 10, 60, 50)


def face(*scores: float, track: int | None = 1, woman: float | None = None, box: Box = BOX, least: float = 0.5) -> Face:
    """A face with these scores of MOODS, and of being a woman; a network is unsure below ``least``."""
    predictions = {"mood": Prediction(MOODS, np.array(scores, np.float32), least)} if scores else {}
    if woman is not None:
        predictions["gender"] = Prediction(("man", "woman"), np.array([1 - woman, woman], np.float32), least)
    return Face(box, predictions, track)


ANGRY, HAPPY, SAD, NOTHING = (0.9, 0.05, 0.05), (0.1, 0.8, 0.1), (0.0, 0.25, 0.75), (0.4, 0.3, 0.3)


def shade(index: int) -> Image:
    """A picture that tells its index by how bright it is."""
    return np.full((60, 80, 3), 20 * index % 256, np.uint8)


def history(*frames: tuple[float, Sequence[Face]], source: str = "clip.mp4", images: bool = False) -> History:
    seen = History()
    for index, (time, faces) in enumerate(frames):
        seen.add(source, index, time, faces, shade(index) if images else None)
    return seen


def told(seen: History, most_faces: int = 9) -> Chapter:
    (chapter,) = digest(seen, most_faces)
    return chapter


class Page(HTMLParser):
    """What a page shows as text, what its pictures hold, and whatever else it refers to."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.images, self.addresses = "", set[str](), list[tuple[str, bytes]](), list[str]()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data"):
                kind, comma, data = (value or "").partition(";base64,")
                if comma and kind.startswith("data:image/"):
                    self.images.append((kind.removeprefix("data:image/"), base64.b64decode(data)))
                else:
                    self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    def rows(self) -> str:
        return " ".join(self.text.split())


def page(seen: History) -> Page:
    return Page(render(seen, ".html").decode())


# What is told


def test_shares_are_those_of_the_time() -> None:
    frames = [(0.0, [face(*HAPPY)]), (0.4, [face(*SAD)]), (0.5, [face(*NOTHING)]), (0.6, [face(*SAD)]), (0.8, [])]
    (portrait,) = told(history(*frames)).portraits
    (mood,) = portrait.graded
    assert {row.label: round(row.share, 6) for row in mood.rows} == {
        "angry": 0,
        "happy": 0.5,
        "sad": 0.375,
        UNSURE: 0.125,
    }
    assert mood.rows[1].mean == pytest.approx((0.4 * 0.8 + 0.3 * 0.25 + 0.1 * 0.3) / 0.8)
    assert [row.label for row in mood.ranked] == ["happy", "sad", UNSURE, "angry"]
    assert portrait.facts == ("in view from 0:00.0 to 0:00.8",)


def test_colours_are_those_of_the_annotated_picture() -> None:
    (mood,) = told(history((0.0, [face(*HAPPY)]), (1.0, []))).portraits[0].graded
    blue, green, red = PALETTE[1]
    assert mood.rows[1].colour == f"#{red:02x}{green:02x}{blue:02x}"


def test_the_course_has_gaps_where_the_face_was_not_in_view() -> None:
    frames = [(index / 10, [] if 20 <= index < 30 else [face(*(HAPPY if index < 20 else SAD))]) for index in range(50)]
    chapter = told(history(*frames))
    (mood,) = chapter.portraits[0].graded
    assert mood.course is not None
    assert mood.course.edges == pytest.approx(np.arange(51) / 10)
    assert np.isnan(mood.course.scores).all(axis=1).tolist() == [20 <= index < 30 for index in range(50)]
    assert mood.course.scores[40] == pytest.approx(SAD)
    assert [(start, round(end, 6)) for start, end, _ in mood.stretches] == [(0, 2), (3, 5)]
    assert [colour for *_, colour in mood.stretches] == [mood.rows[1].colour, mood.rows[2].colour]
    assert chapter.portraits[0].facts == ("in view from 0:00.0 to 0:05.0, for 0:04.0 of that time",)


def test_a_long_course_is_averaged() -> None:
    frames = [(index / 30, [face(*(ANGRY if index % 2 else HAPPY))]) for index in range(24_000)]
    (mood,) = told(history(*frames)).portraits[0].graded
    assert mood.course is not None
    assert mood.course.scores.shape == (240, 3)
    assert mood.course.scores[100] == pytest.approx(np.mean((ANGRY, HAPPY), axis=0), abs=1e-6)
    assert mood.course.edges[-1] == pytest.approx(800)


def test_a_pause_of_a_live_source_counts_for_nobody() -> None:
    frames = [(0.0, [face(*HAPPY)]), (0.1, [face(*HAPPY)]), (60.0, [face(*SAD)]), (60.1, []), (60.2, [])]
    (mood,) = told(history(*frames)).portraits[0].graded
    assert {row.label: row.share for row in mood.rows}["happy"] == pytest.approx(1.1 / 1.2)
    assert [(start, round(end, 6)) for start, end, _ in mood.stretches] == [(0, 1.1), (60, 60.1)]


def test_brief_faces_are_only_counted() -> None:
    frames = [(index / 10, [face(*HAPPY), *([face(*SAD, track=index)] if index > 90 else [])]) for index in range(100)]
    frames += [(10 + index / 10, [face(*SAD, track=200), face(*SAD, track=201)]) for index in range(20)]
    chapter = told(history(*frames))
    assert [portrait.title for portrait in chapter.portraits] == ["Face 1", "Face 200", "Face 201"]
    assert chapter.rest == "Not told of: 9 faces in view for less than a second."
    assert chapter.facts == ("0:12.0", "120 frames, 120 of them with a face", "3 faces")
    chapter = told(history(*frames), most_faces=1)
    assert [portrait.title for portrait in chapter.portraits] == ["Face 1"]
    assert chapter.rest.startswith("Not told of: 2 faces in view for less long than those above and 9 faces")
    assert len(told(history((0.0, [face(*SAD)]), (0.1, []))).portraits) == 1  # where all are brief, they are told of


def test_two_labels_are_told_in_words() -> None:
    def fact(*women: float) -> str:
        frames = [(float(index), [face(woman=woman)]) for index, woman in enumerate(women)]
        portrait = told(history(*frames)).portraits[0]
        assert portrait.graded == ()
        return portrait.facts[1]

    assert fact(0.25, 0.75, 1) == "gender: woman, score 0.67 on average"
    assert fact(0.2, 0.2) == "gender: man, score 0.80 on average"
    frames = [(float(index), [face(woman=0.55, least=0.6)]) for index in range(3)]
    assert told(history(*frames)).portraits[0].facts[1] == "gender: unsure"


def test_pictures_are_told_of_together() -> None:
    seen = History()
    seen.add("a.png", 0, 0.0, [face(*HAPPY, track=None, woman=0.9), face(*SAD, track=None, woman=0.1)], shade(0))
    seen.add("b.png", 1, 0.0, [], shade(1))
    seen.add("c.png", 2, 0.0, [face(0, 1, 0, track=None, woman=1), face(*ANGRY, track=None, woman=1)], shade(2))
    chapter = told(seen)
    assert (chapter.title, chapter.facts) == ("Pictures", ("3 pictures, 2 of them with a face", "4 faces"))
    (portrait,) = chapter.portraits
    assert portrait.facts == ("gender: 25% man, 75% woman",)
    (mood,) = portrait.graded
    assert mood.course is None
    assert {row.label: (row.share, row.caption) for row in mood.rows} == {
        "angry": (0.25, "c.png"),
        "happy": (0.5, "c.png"),
        "sad": (0.25, "a.png"),
        UNSURE: (0, ""),
    }
    assert {kind for kind, _ in page(seen).images} == {"jpeg"}


def test_a_source_without_faces_is_told_of() -> None:
    assert told(history((0.0, []), (0.5, []))).facts == ("0:01.0", "2 frames, 0 of them with a face", "0 faces")
    assert "There was nothing to see." in page(History()).text
    for suffix in (".html", ".png"):
        assert render(history((0.0, []), (0.5, [])), suffix)
        assert render(History(), suffix)


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")]
)
def test_the_clock(seconds: float, written: str) -> None:
    assert clock(seconds) == written


# Small pictures


def test_the_strongest_moment_of_every_label_is_kept() -> None:
    scores = [HAPPY, SAD, (0.05, 0.95, 0), NOTHING, HAPPY, SAD]
    seen = history(*((index / 2, [face(*scores[index])]) for index in range(6)), images=True)
    (mood,) = told(seen).portraits[0].graded
    assert [(row.label, row.caption) for row in mood.rows] == [
        ("angry", ""),
        ("happy", "0:01.0"),
        ("sad", "0:00.5"),  # the first of two that are as strong
        (UNSURE, ""),
    ]
    kinds, files = zip(*(image for image in page(seen).images if image[0] == "jpeg"), strict=True)
    assert kinds == ("jpeg", "jpeg")
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in files]
    assert [round(float(np.mean(picture)) / 20) for picture in pictures if picture is not None] == [2, 1]
    assert pictures[0] is not None
    assert pictures[0].shape == (56, 56, 3)  # the box and a fifth of it all round, as far as the picture goes
    assert not page(history(*((index / 2, [face(*HAPPY)]) for index in range(3)))).tags & {"figure"}


def test_small_pictures_can_be_added_from_the_video(tmp_path: Path) -> None:
    frames = [(index / 2, [face(*scores)]) for index, scores in enumerate([HAPPY, SAD, ANGRY, HAPPY, SAD])]
    direct, later = history(*frames, images=True), history(*frames)
    given = iter([Frame(shade(index), index, index / 2, "clip.mp4") for index in range(5)])
    later.illustrate(given, "clip.mp4")
    assert render(later, ".html") == render(direct, ".html")
    assert [frame.index for frame in given] == [3, 4]  # of which it needed none


def test_a_face_outside_another_video_has_no_picture() -> None:
    seen = history((0.0, [face(*HAPPY, box=Box(500, 500, 600, 600))]), (1.0, []), images=True)
    assert {kind for kind, _ in page(seen).images} == {"svg+xml"}


def test_no_moment_is_shown_of_while_faces_are_hidden(tmp_path: Path) -> None:
    annotator = Annotator()
    with ReportSink(tmp_path / "a.html", annotator) as sink:
        for index, (scores, blur) in enumerate([(HAPPY, False), (SAD, True), (HAPPY, True), (ANGRY, False)]):
            annotator.blur = blur  # as the window's key does it
            sink.write(Result(Frame(shade(index), index, index / 2, "clip.mp4"), (face(*scores),), annotator))
    files = [data for kind, data in Page((tmp_path / "a.html").read_text("utf-8")).images if kind == "jpeg"]
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in files]
    assert [round(float(np.mean(picture)) / 20) for picture in pictures if picture is not None] == [0, 3]


# The page and the picture


HOSTILE = '<script>alert(1)</script> & "$\\frac$" é 表情.mp4'


def several() -> History:
    frames = [(index / 10, [face(*HAPPY, woman=0.9), face(*SAD, track=2, woman=0.2)]) for index in range(30)]
    return history(*frames, source=HOSTILE, images=True)


def test_the_page_needs_nothing_else() -> None:
    html = render(several(), ".html").decode()
    shown = Page(html)
    assert shown.addresses == []
    assert not shown.tags & {"script", "link", "iframe", "object", "base"}
    assert not re.search(r"url\(|@import", html)
    for kind, data in shown.images:
        if kind == "svg+xml":
            drawing = ElementTree.fromstring(data)
            used = {value for part in drawing.iter() for name, value in part.attrib.items() if name.endswith("href")}
            assert all(value.startswith("#") for value in used)
    assert [kind for kind, _ in shown.images].count("svg+xml") == 3  # who was when in view, and two faces


def test_the_page_shows_names_as_they_are_and_the_numbers() -> None:
    shown = page(several())
    assert shown.text.count(HOSTILE) == 2  # in the title too
    assert "What a face shows is not what a person feels." in shown.rows()
    assert "Face 2 in view from 0:00.0 to 0:03.0 · gender: man, score 0.80 on average" in shown.rows()
    assert "happy 100% 80% 80% · 0:00.0" in shown.rows()


def test_a_label_is_no_html_either() -> None:
    labels = ("<b>", "&amp;", "c")
    seen = history((0.0, [Face(BOX, {"<i>": Prediction(labels, np.eye(3, dtype=np.float32)[0])}, 1)]), (1.0, []))
    shown = page(seen)
    assert not shown.tags & {"b", "i"}
    assert "&amp;" in shown.text
    assert render(seen, ".png")


def test_the_picture_shows_the_colours_of_what_was_seen() -> None:
    picture = cv2.imdecode(np.frombuffer(render(several(), ".png"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == 1080
    angry, happy, sad = ((picture == colour).all(axis=2).mean() for colour in PALETTE[:3])
    assert happy > 0.05
    assert sad > 0.05
    assert angry < happy / 4


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_the_same_gives_the_same_twice(suffix: str) -> None:
    assert render(several(), suffix) == render(several(), suffix)


def test_what_needs_the_extra_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"A report needs the extra “report”"):
        ReportSink(tmp_path / "a.html")


# Tables read back


@pytest.mark.parametrize("make", [CsvSink, JsonlSink])
def test_a_table_gives_the_report_that_its_run_would(make: type[CsvSink] | type[JsonlSink], tmp_path: Path) -> None:
    path = tmp_path / ("faces.csv" if make is CsvSink else "faces.jsonl")
    direct = History()
    with make(path) as sink:
        for index in range(40):
            faces = [face(*HAPPY, woman=0.75), face(*NOTHING, track=2)][: index % 3]
            faces += [face(track=3), face(*SAD, track=None)] if index == 7 else []
            frame = Frame(shade(0), index, index / 8, 'a "b", c.mp4')
            sink.write(Result(frame, tuple(faces), lambda image, _: image))
            direct.add(frame.source, frame.index, frame.time, faces)
    read = History()
    for seen in read_table(path):
        read.add(*seen)
    assert render(read, ".html") == render(direct, ".html")


def test_a_table_that_went_through_pandas_can_be_read(tmp_path: Path) -> None:
    rows = ["source,frame,time,face,track,x1,y1,x2,y2,task,label,score,top"]
    rows += ["a.mp4,0,0.0,0.0,1.0,1.0,2.0,3.0,4.0,mood,happy,0.9,1", "a.mp4,1,0.5,,,,,,,,,,"]
    (tmp_path / "a.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    first, second = read_table(tmp_path / "a.csv")
    assert (first.faces[0].box, first.faces[0].track) == (Box(1, 2, 3, 4), 1)
    assert first.faces[0].predictions["mood"].label == "happy"
    assert (second.source, second.frame, second.time, second.faces) == ("a.mp4", 1, 0.5, ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "frame,time\n1,2\n", r"a\.csv is no table of faces: it has no column “source”\."),
        ("a.csv", "source,frame,time,face\na,zero,1,\n", r"a\.csv cannot be understood at line 2: .*'zero'\."),
        ("a.jsonl", "{}\n", r"a\.jsonl is no table of faces: line 1 has no “faces”\."),
        ("a.jsonl", "[]\n", r"a\.jsonl cannot be understood at line 1: "),
        ("a.jsonl", json.dumps({"faces": [1]}), r"a\.jsonl cannot be understood at line 1: "),
        ("a.txt", "", r"a\.txt is no table: its name must end in one of \.csv \.jsonl\."),
    ],
)
def test_a_table_that_is_none_is_told_of(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        list(read_table(tmp_path / name))
