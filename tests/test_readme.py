"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import pytest
from typer.main import get_command

from emotion_cam.cli import app
from emotion_cam.sinks import VideoSink
from emotion_cam.types import Frame, Image, Result

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_lines_run(
    portrait: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, video = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Recognizer" in code]
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", portrait)
    exec(compile(picture, "README.md", "exec"), {})
    assert "happy" in capsys.readouterr().out
    with VideoSink("clip.mp4", fps=10) as sink:
        for index in range(5):
            sink.write(Result(Frame(portrait, index, index / 10), (), lambda image, _: image))
    exec(compile(video, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "0.40 1 happy"
    annotated = cv2.imread("annotated.png")
    assert annotated is not None
    assert annotated.shape == portrait.shape
    assert (annotated != cv2.imread("photo.jpg")).any()


def test_every_option_is_in_the_readme_and_the_other_way_round() -> None:
    options = {
        name
        for parameter in get_command(app).params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name not in ("--help", "-h", "--version")
    }
    table = README[README.index("| option |") : README.index("The exit code")]
    assert set(re.findall(r"--[a-z][a-z-]+", table)) == options


def test_the_figures_are_those_of_the_cards() -> None:
    import json

    for task in ("emotion", "gender"):
        measured = json.loads((ROOT / "models" / task / "model.json").read_text())["measured"]
        figures = {entry["data"]: entry for entry in measured}
        told = re.findall(rf"\| {task} \| ([\w+ ]+) \| ([\d.]+) \| ([\d.]+) \|", README)
        assert told
        for data, accuracy, balanced in told:
            assert float(accuracy) == pytest.approx(figures[data]["accuracy"], abs=0.0005)
            assert float(balanced) == pytest.approx(figures[data]["balanced_accuracy"], abs=0.0005)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_commands_for_a_fresh_clone_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
