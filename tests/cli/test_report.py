"""``emotion-cam report``: the same report from a table and its video as directly from the run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.command import emotion_cam


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def thumbnails(page: str) -> list[str]:
    """The addresses of the pictures of faces in a page."""
    return re.findall(r"data:image/jpeg;base64,[^\"]+", Path(page).read_text(encoding="utf-8"))


def test_a_report_of_a_video_and_of_its_table(film: Path) -> None:
    result = emotion_cam("--video", film, "--out", "direct.html", "--out", "faces.csv")
    assert result.exit_code == 0, result.output
    assert "Wrote direct.html" in result.stdout
    result = emotion_cam("report", "faces.csv", "--video", film, "--out", "later.html", "--out", "later.png")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Wrote later.html\nWrote later.png\n"
    for name in ("direct.html", "later.html"):
        page = Path(name).read_text(encoding="utf-8")
        assert "in view from 0:00.0 to 0:01.1" in page
        assert thumbnails(name)
        assert re.search(r"happy</th>.*?<td[^>]*>(8|9|10)\d%</td>", page, re.DOTALL)
    assert cv2.imread("later.png") is not None


def test_a_report_without_the_video_has_no_thumbnails(film: Path) -> None:
    assert emotion_cam("--video", film, "--out", "faces.jsonl").exit_code == 0
    assert emotion_cam("report", "faces.jsonl", "--out", "plain.html").exit_code == 0
    assert not thumbnails("plain.html")


def test_a_report_of_a_mirrored_run_shows_the_same_faces(film: Path) -> None:
    outputs = ("--out", "faces.csv", "--out", "direct.html")
    assert emotion_cam("--video", film, "--mirror", *outputs).exit_code == 0
    assert emotion_cam("report", "faces.csv", "--video", film, "--mirror", "--out", "later.html").exit_code == 0
    assert thumbnails("direct.html")
    assert thumbnails("later.html") == thumbnails("direct.html")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv", "--out", "o.html"], "nowhere.csv"),
        (["a.mp4", "--out", "o.html"], ".csv .jsonl"),
        (["text.csv", "--out", "o.html"], "column"),
        (["seen.csv", "--out", "o.html", "--video", "clip.mp4"], "seen.csv has no frames of clip.mp4, only of a.mp4."),
        (["seen.csv", "--out", "o.html", "--video", "nowhere.mp4"], "nowhere.mp4"),
        (["text.csv", "--out", "o.mp4"], ".html or .png"),
        (["text.csv", "--out", "nowhere/o.html"], "nowhere"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_file(film: Path, arguments: list[str], message: str) -> None:
    Path("clip.mp4").write_bytes(film.read_bytes())
    Path("seen.csv").write_text("source,frame,time,face\na.mp4,0,0,\n")
    Path("text.csv").write_text("This is a text.\n" * 100)
    before = sorted(Path().iterdir())
    result = emotion_cam("report", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(Path().iterdir()) == before


def test_an_output_is_required() -> None:
    assert emotion_cam("report", "faces.csv").exit_code == 2


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_without_the_extra_there_is_one_line(missing: str) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; from emotion_cam.cli import main; main()"
    command = [sys.executable, "-c", program, "report", "o.csv", "--out", "o.png"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "pip install 'emotion-cam[report]'" in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
    assert not list(Path().iterdir())
