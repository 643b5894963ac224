"""The page and the sheet: one file each that needs nothing else, and shows what the digest holds."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from emotion_cam.drawing.colors import PALETTE
from emotion_cam.errors import MissingExtraError
from emotion_cam.report import FORMATS, render
from emotion_cam.report.history import History
from emotion_cam.types import Face, Prediction
from tests.report.histories import BOX, HOSTILE, Page, history, page, two_faces


def test_the_page_needs_nothing_else() -> None:
    html = render(two_faces(), ".html").decode()
    shown = Page(html)
    assert shown.addresses == []
    assert not shown.tags & {"script", "link", "iframe", "object", "base"}
    assert not re.search(r"url\(|@import", html)
    for kind, data in shown.images:
        if kind == "svg+xml":
            drawing = ElementTree.fromstring(data)
            used = {value for part in drawing.iter() for name, value in part.attrib.items() if name.endswith("href")}
            assert all(value.startswith("#") for value in used)
    assert [kind for kind, _ in shown.images].count("svg+xml") == 3  # who was in view when, and two faces


def test_the_page_shows_names_unchanged_and_the_numbers() -> None:
    shown = page(two_faces())
    assert shown.text.count(HOSTILE) == 2  # in the title too
    assert "What a face shows is not what a person feels." in shown.words
    assert "Face 2 in view from 0:00.0 to 0:03.0 · gender: man, mean score 0.80" in shown.words
    assert "happy 100% 80% 80% · 0:00.0" in shown.words


def test_labels_and_tasks_are_not_taken_for_html() -> None:
    labels = ("<b>", "&amp;", "c")
    seen = history((0.0, [Face(BOX, {"<i>": Prediction(labels, np.eye(3, dtype=np.float32)[0])}, 1)]), (1.0, []))
    shown = page(seen)
    assert not shown.tags & {"b", "i"}
    assert "&amp;" in shown.text
    assert render(seen, ".png")


def test_the_sheet_shows_the_colors_of_the_labels() -> None:
    picture = cv2.imdecode(np.frombuffer(render(two_faces(), ".png"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == 1080
    angry, happy, sad = ((picture == color).all(axis=2).mean() for color in PALETTE[:3])
    assert happy > 0.05
    assert sad > 0.04
    assert angry < happy / 4


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_history_gives_the_same_bytes(suffix: str) -> None:
    assert render(two_faces(), suffix) == render(two_faces(), suffix)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_history_without_faces_or_frames_can_be_rendered(suffix: str) -> None:
    assert render(history((0.0, []), (0.5, [])), suffix)
    assert render(History(), suffix)


def test_an_empty_history_gives_a_page_that_says_so() -> None:
    assert "No frames were analyzed." in page(History()).text


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_the_extra_is_required(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"A report needs the extra “report”"):
        render(History(), ".html")
