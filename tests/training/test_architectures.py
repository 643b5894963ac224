"""docs/architectures.md: its drawings and figures agree with the networks and the cards."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

from msgspec.structs import replace

from emotion_cam.card import ModelCard, Origin, TrainingRecord, read_card
from emotion_cam.training.networks import NETWORKS, mini_xception, xception

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")


def section(name: str) -> list[list[str]]:
    """The cells of the rows of a table on the page."""
    (text,) = re.findall(rf"<!-- {name}: .*? -->\n(.*?)<!-- end of {name} -->", PAGE, re.DOTALL)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_multiply_adds_are_those_of_the_arithmetic() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "networks.py"))
    model = mini_xception((48, 48, 1), 7)
    stem = 46 * 46 * 9 * 8 + 44 * 44 * 9 * 8 * 8
    blocks = 0
    for side, a, b in ((44, 8, 16), (22, 16, 32), (11, 32, 64), (6, 64, 128)):
        half = (side + 1) // 2
        blocks += side * side * (9 * a + a * b + 9 * b + b * b) + half * half * a * b
    assert script["multiply_adds"](model) == stem + blocks + 9 * (9 * 128 * 7)
    middle = mini_xception((48, 48, 1), 7, middle_activation=True)
    assert script["multiply_adds"](middle) == script["multiply_adds"](model)


def test_the_sizes_are_those_of_the_networks() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "networks.py"))
    rows = [row[:5] for row in section("sizes")]
    for row, (network, shape, classes, options) in zip(rows, script["ROWS"], strict=True):
        model = NETWORKS[network](shape, classes, **options)
        assert row == [
            script["_named"](network, options),
            "×".join(map(str, shape)),
            str(classes),
            f"{model.count_params():,}",
            script["_count"](script["multiply_adds"](model)),
        ]


def test_a_face_can_be_timed() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "networks.py"))
    assert 0 < script["milliseconds"](mini_xception((48, 48, 1), 7)) < 1000


def test_the_accuracies_are_those_of_the_cards() -> None:
    folders = re.findall(r"<!-- accuracy: python tools/models_table.py (.*?) -->", PAGE)[0].split()
    command = [sys.executable, ROOT / "tools" / "models_table.py", *folders]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)
    assert printed.strip() in PAGE
    assert "`mini_xception` | 48×48 | 58,423 |" in printed


def test_variants_are_named_by_their_differences(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "tools" / "models_table.py"))
    card: ModelCard = read_card(ROOT / "models" / "emotion-fer2013")
    settings = card.training.settings | {"residual": False, "middle_activation": True, "width": 0.5}
    card = replace(card, training=replace(card.training, settings=settings))
    assert "| `mini_xception`, no shortcuts, ReLU in the middle, width 0.5 |" in script["table"]([card])


def test_every_run_that_weights_went_through_counts_once() -> None:
    runs = runpy.run_path(str(ROOT / "tools" / "models_table.py"))["runs"]
    first = Origin(training=TrainingRecord(command="first", epochs_run=60))
    second = Origin(training=TrainingRecord(command="second", epochs_run=36), before=first)
    third = Origin(training=TrainingRecord(command="third", epochs_run=28), before=second)
    mean = Origin(training=TrainingRecord(command="mean"), parts=(second, third))
    assert runs(mean) == {"first": 60, "second": 36, "third": 28}
    last = Origin(training=TrainingRecord(command="last", epochs_run=1), before=mean)
    assert sum(runs(last).values()) == 125


def test_the_drawings_are_of_the_present_networks(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "tools" / "draw_networks.py"))
    small, large = script["blocks"](mini_xception((48, 48, 1), 7)), script["blocks"](xception())
    assert script["lines"](dict(small)["block4"]) == [
        "Separable 3×3, 128",
        "ReLU",
        "Separable 3×3, 128",
        "Max pooling 3×3, stride 2",
    ]
    assert script["lines"](dict(large)["block14"]) == ["Separable 3×3, 1536", "ReLU", "Separable 3×3, 2048", "ReLU"]
    times = {name: times for name, _, times in script["repeated"](large)}
    assert times["block5\nto block12"] == 8
    shortcuts = [script["shortcut"](layers) for _, layers in large]
    assert (shortcuts.count("unchanged"), shortcuts.count(None)) == (8, 5)
    script["draw"]([("", "white", small)], tmp_path / "small.svg")
    assert (tmp_path / "small.svg").stat().st_size > 10_000


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_what_the_page_freezes_is_all_before_the_exit_flow() -> None:
    (frozen,) = re.findall(r"--freeze (\d+)", PAGE)
    model = xception((71, 71, 1), 7)
    exit_flow = [layer.name.startswith(("block13", "block14")) for layer in model.layers]
    assert exit_flow.index(True) == int(frozen)
    assert f"the first {frozen} of Xception's {len(model.layers)} layers" in " ".join(PAGE.split())
