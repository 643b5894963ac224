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

    for task in ("emotion", "emotion-fer2013", "gender"):
        measured = json.loads((ROOT / "models" / task / "model.json").read_text())["measured"]
        figures = {entry["data"]: entry for entry in measured}
        told = re.findall(rf"\| {task} \| ([\w+ ]+) \| ([\d.]+) \| ([\d.]+) \|", README)
        assert told
        for data, accuracy, balanced in told:
            assert float(accuracy) == pytest.approx(figures[data]["accuracy"], abs=0.00051)
            assert float(balanced) == pytest.approx(figures[data]["balanced_accuracy"], abs=0.00051)


def test_the_speed_is_that_of_the_benchmark() -> None:
    import json

    report = json.loads((ROOT / "benchmarks" / "speed.json").read_text())
    section = README[README.index("## Speed") : README.index("## The models")]
    told = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    figures, live = report["figures"], report["live"]
    new = [figures[f"seconds until a new face is told of, {which}"] for which in ("median", "most")]
    assert told == [
        text.format(*values)
        for text, *values in (
            ("{:.0f} frames a second", figures["frames a second"]),
            ("{:.1f} times", figures["times fer's frames a second"]),
            ("{:.1f} times", figures["times the published loop's frames a second"]),
            ("{:.2f} times", figures["time over decoding and encoding alone"]),
            ("{:.2f} ms", figures["milliseconds for one more face"]),
            ("{:.2f} times", figures["1080p over 480p, recognition"]),
            ("{:.0%}", figures["networks' share of a frame with five faces"]),
            ("{:.2f} s, {:.2f} s", *new),
            ("{:.1f} a second", live["pictures_shown_a_second"]),
            ("{:.0f} ms, {:.0f} ms", live["age_ms_median"], live["age_ms_99_of_100"]),
            ("{:.2f} s", live["start_to_first_picture_s"]),
            ("{:.0f} MB, {:.0%}", live["memory_mb_at_the_end"], live["share_of_a_core"]),
        )
    ]
    assert f"Measured on {report['machine']['date']}" in section


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_commands_for_a_fresh_clone_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
