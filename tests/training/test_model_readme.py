"""The pages of a model folder for people, made from its card."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emotion_cam.card import (
    DataEntry,
    Framing,
    FramingChange,
    GroupComparison,
    GroupFigures,
    Measurement,
    ModelCard,
    Origin,
    TrainingRecord,
    read_card,
)
from emotion_cam.training import model_readme

ROOT = Path(__file__).parent.parent.parent
FOLDERS = sorted(file.parent for file in (ROOT / "models").glob("*/model.json"))
SCREEN = 45
"""The lines of a screen."""

FIRST = Origin(
    data=(DataEntry(name="first", reference="Somebody 2001", terms="research", train=90, validation=10),),
    training=TrainingRecord(command="emotion-cam train first", settings={"epochs": 60, "init": ""}, epochs_run=58),
)
SECOND = Origin(
    data=(DataEntry(name="second", terms="CC BY 4.0"),), training=TrainingRecord(command="second"), before=FIRST
)


def card(**fields: object) -> ModelCard:
    return ModelCard(task="smile", labels=("yes", "no"), size=(48, 40), margin=0.0, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_pages_in_the_repository_are_made_from_the_cards(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).touch()
    model_readme.write(tmp_path, read_card(folder))
    for name in ("README.md", "details.md", "training.md"):
        made, there = ((place / name).read_text(encoding="utf-8") for place in (tmp_path, folder))
        assert made == there, f"run tools/write_cards.py {folder}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_readme_fits_one_screen_and_has_every_figure_in_one_table(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= SCREEN
    assert readme.count("\n| --- |") == 1
    for measured in read_card(folder).measured:
        assert measured.calibration is not None
        start = (
            f"| {measured.data} | {measured.pictures} | {measured.accuracy:.4f} | {measured.balanced_accuracy:.4f} |"
        )
        assert f"{start} {measured.calibration.error:.4f} |" in readme
    assert "**Not for**" in readme
    assert "non-commercial research" in readme or folder.name not in ("emotion", "gender")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_link_of_the_pages_leads_somewhere(folder: Path) -> None:
    for name in ("README.md", "details.md", "training.md", "notes.md"):
        for target in re.findall(r"\]\(([^)]+)\)", (folder / name).read_text(encoding="utf-8")):
            assert (folder / target).exists(), f"{name}: {target}"


def test_the_tool_writes_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"task": "smile", "labels": ["yes", "no"], "size": [48, 40], "margin": 0}')
    for _ in range(2):
        subprocess.run([sys.executable, ROOT / "tools" / "write_cards.py", tmp_path], cwd=ROOT, check=True)
        assert {file.name for file in tmp_path.iterdir()} == {"model.json", "README.md", "details.md", "training.md"}
        assert read_card(tmp_path) == card()


def test_terms_are_those_of_every_data_set_that_shaped_the_weights() -> None:
    readme = model_readme.readme(card(parts=(SECOND,), data=SECOND.data))
    assert "- **second**: CC BY 4.0\n- **first**: research\n" in readme


def test_a_card_with_the_fewest_fields_has_pages() -> None:
    readme = model_readme.readme(card())
    assert readme.startswith("# Smile\n")
    assert "Input: the detector's box, gray, 40×48 pixels.\n" in readme
    assert "Nothing has been measured yet." in readme
    assert "Nothing has been measured yet." in model_readme.details(card())
    assert model_readme.training(card()).startswith("# Smile, training\n")


def test_what_the_model_is_and_does() -> None:
    readme = model_readme.readme(card(network="tiny", parameters=12_345, min_confidence=0.4, steady=True))
    assert readme.startswith("# Smile: tiny\n")
    assert "Predicts one label for a face: yes, no." in readme
    assert "Parameters: 12,345. It calls itself unsure if the top score is below 0.4. The label is steady" in readme


def test_other_files_are_linked_if_they_are_there() -> None:
    assert "notes.md)" not in model_readme.readme(card())
    readme = model_readme.readme(card(), ["notes.md", "recipe.toml"])
    assert "[notes.md](notes.md)" in readme
    assert "[recipe.toml](recipe.toml)" in readme
    training = model_readme.training(card(), ["history.csv", "curves.png", "history-before-1.csv"])
    assert "- [history-before-1.csv](history-before-1.csv)\n- [history.csv](history.csv)\n" in training
    assert "![learning curves](curves.png)" in training
    assert "curves.png" not in model_readme.training(card())


def test_a_run_is_described_once() -> None:
    training = model_readme.training(card(parts=(FIRST, SECOND), teachers=(FIRST,)))
    first, second = training.split("## Part 2 of 2")
    assert "## Part 1 of 2\n\nThe weights are the mean of the weights of several models." in first
    assert "| first | 90 | 10 | Somebody 2001 | research |" in first
    assert "| epochs | 60 |\n| epochs_run | 58 |\n" in first
    assert "| init |" not in first
    assert "### Before that\n" in second
    assert second.count("This run is described above. Its command:\n\n```\nemotion-cam train first\n```") == 2
    assert "## Teacher 1" in second


def test_groups_and_framing_have_tables() -> None:
    groups = (
        GroupFigures(group="a", pictures=7, accuracy=0.5, balanced_accuracy=0.25, recall={"yes": 0.5, "no": None}),
        GroupFigures(group="b", pictures=5, accuracy=1, balanced_accuracy=0.75, recall={"yes": 1, "no": 1}),
    )
    comparison = GroupComparison(groups=groups, mean=0.5, worst="a", worst_below_mean=0.25)
    change = FramingChange(box="left", balanced_accuracy=0.7, loss=0.05)
    measured = Measurement(
        data="some test",
        pictures=12,
        accuracy=0.7,
        balanced_accuracy=0.75,
        groups={"race": comparison},
        framing=Framing(changes=(change,), mean_loss=0.05, worst_loss=0.05),
    )
    milder = Measurement(
        data="other test",
        pictures=12,
        accuracy=0.7,
        balanced_accuracy=0.75,
        groups={"race": GroupComparison(groups=groups, mean=0.5, worst="b", worst_below_mean=0.1)},
    )
    details = model_readme.details(card(measured=(measured,)))
    assert "By race. The worst group is a, 0.2500 below the mean of the groups' balanced accuracies, 0.5000:" in details
    assert "| a | 7 | 0.500 | 0.250 | 0.500 | – |\n| b | 5 | 1.000 | 0.750 | 0.000 | 0.000 |" in details
    assert "| detector's | 0.7500 |  |\n| left | 0.7000 | 0.0500 |" in details
    assert "falls by 0.0500 on average and by 0.0500 at worst" in details
    readme = model_readme.readme(card(measured=(measured, milder)))
    assert "- By race, the worst group is a on some test: its balanced accuracy is 0.2500 below" in readme
    assert "| some test | 12 | 0.7000 | 0.7500 | not measured |" in readme


def test_a_missed_class_of_two_is_called_the_other() -> None:
    assert model_readme.missed_names(["man", "woman"]) == ["man called woman", "woman called man"]
    assert model_readme.missed_names(["a", "b", "c"]) == ["a missed", "b missed", "c missed"]
