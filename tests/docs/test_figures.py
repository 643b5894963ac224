"""The figures on the pages are those of the models' cards and of the benchmark, and the README keeps its size."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from PIL import Image as PillowImage

from emotion_cam.card import read_card
from emotion_cam.version import __version__
from tests.docs.pages import ROOT, text_of

SPEED: dict[str, Any] = json.loads(text_of("benchmarks/speed.json"))


def table_under(page: str, heading: str) -> dict[str, str]:
    """The first table with two columns under a heading: the second column by the first."""
    section = f"\n{text_of(page)}".partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| (?!measure |---)([^|]+) \| ([^|]+) \|$", section, re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_accuracies_are_those_of_the_cards(page: str) -> None:
    rows = re.findall(r"^\|([^|]*)\| (\w+ \w+) \| ([\d.]+) \| ([\d.]+) \|", text_of(page), re.MULTILINE)
    assert len(rows) >= 6
    model = ""
    for name, data, accuracy, balanced in rows:
        model = name.strip("[ ").partition("]")[0] or model
        measured = json.loads(text_of(f"models/{model}/model.json"))["measured"]
        (figures,) = (entry for entry in measured if entry["data"] == data)
        assert float(accuracy) == pytest.approx(figures["accuracy"], abs=0.00051)
        assert float(balanced) == pytest.approx(figures["balanced_accuracy"], abs=0.00051)


def test_sizes_are_those_of_the_models() -> None:
    for page in ("README.md", "docs/models.md"):
        rows = re.findall(r"^\| \[([\w-]+)\].* ([\d,]+) parameters, ([\d.]+ [kM]B)", text_of(page), re.MULTILINE)
        assert {"emotion", "emotion-fer2013", "gender"} <= {name for name, *_ in rows}
        for name, parameters, size in rows:
            assert f"{read_card(ROOT / 'models' / name).parameters:,}" == parameters
            count = (ROOT / "models" / name / "model.tflite").stat().st_size
            assert size == (f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB")


def test_the_speed_is_that_of_the_benchmark() -> None:
    figures, live = SPEED["figures"], SPEED["live"]
    new = [figures[f"seconds until a new face is told of, {which}"] for which in ("median", "most")]
    expected = [
        text.format(*values)
        for text, *values in (
            ("{:.0f} frames per second", figures["frames a second"]),
            ("{:.1f} times as fast", figures["times fer's frames a second"]),
            ("{:.1f} times as fast", figures["times the published loop's frames a second"]),
            ("{:.2f} times", figures["time over decoding and encoding alone"]),
            ("{:.2f} ms", figures["milliseconds for one more face"]),
            ("{:.2f} times", figures["1080p over 480p, recognition"]),
            ("{:.0%}", figures["networks' share of a frame with five faces"]),
            ("{:.2f} s, {:.2f} s", *new),
            ("{:.1f} per second", live["pictures_shown_a_second"]),
            ("{:.0f} ms, {:.0f} ms", live["age_ms_median"], live["age_ms_99_of_100"]),
            ("{:.2f} s", live["start_to_first_picture_s"]),
            ("{:.0f} MB, {:.0%}", live["memory_mb_at_the_end"], live["share_of_a_core"]),
        )
    ]
    assert list(table_under("docs/speed.md", "# Speed").values()) == expected
    shown_and_age = f"{expected[8]}, {expected[9].partition(',')[0]}"
    assert list(table_under("README.md", "## Speed").values()) == [*expected[:3], shown_and_age, *expected[10:]]
    for page in ("README.md", "docs/speed.md"):
        assert f"Measured on {SPEED['machine']['date']}" in text_of(page)


def test_the_stages_are_those_of_the_benchmark() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| (\d+%) \|$", text_of("docs/speed.md"), re.MULTILINE)
    assert rows == [(name, f"{stage['ms']:.2f}", f"{stage['share']:.0%}") for name, stage in SPEED["stages"].items()]


def test_the_readme_fits_in_160_lines_and_its_moving_picture_in_2_megabytes() -> None:
    assert len(text_of("README.md").splitlines()) <= 160
    picture = ROOT / "docs" / "emotion-cam.webp"
    assert picture.stat().st_size < 2e6
    with PillowImage.open(picture) as image:
        assert getattr(image, "n_frames", 1) > 20


def test_the_citation_has_the_version_of_the_package() -> None:
    assert f"\nversion: {__version__}\n" in text_of("CITATION.cff")
