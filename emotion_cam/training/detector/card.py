"""The pages of the detector's folder: detector.json, and the README.md that is made from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from emotion_cam.training.detector import CARD

README = "README.md"

MADE = "<!-- Made from detector.json. Do not edit; write in notes.md. -->"

TERMS = {
    "faces": "pictures from many sources, gathered for this project; many forbid commercial use or give no license",
    "wider": "WIDER FACE (Yang et al. 2016); for research",
    "fairface": "FairFace (Kärkkäinen and Joo 2021); CC BY 4.0",
    "utkface": "UTKFace (Zhang et al. 2017); for non-commercial research",
    "expressions": "KDEF, RaFD, Yale, London, IMFDB, AffectNet and pictures from the web; for research",
}
"""By data set what it is and what its terms allow."""


def read(folder: Path) -> dict[str, Any]:
    """The card of a detector's folder; empty if there is none."""
    file = folder / CARD
    card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return card


def write(folder: Path, card: dict[str, Any]) -> None:
    """Write detector.json and README.md, each whole or not at all."""
    for name, text in ((CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n"), (README, readme(card))):
        new = folder / (name + ".new")
        new.write_text(text, encoding="utf-8")
        new.replace(folder / name)


def readme(card: dict[str, Any]) -> str:
    """The text of README.md for a card."""
    names = sorted({name for stage in card["stages"] for name in _data_of(stage)})
    measured = card.get("measured", {})
    parts = [
        "# face",
        MADE,
        "Finds faces in gray pictures: for each the square that OpenCV's frontal cascade would put around it, and five "
        f"landmarks. {card['parameters']:,} parameters; `emotion_cam/training/detector/network.py` describes it.",
        "## Use",
        "- **For** finding the faces of people who look roughly towards a camera, upright or tilted by up to 45°, "
        "also in poor light.\n- **Not for** telling who somebody is, nor for counting or watching people; not for "
        "safety: faces in profile, from behind, small or hidden ones are missed.\n- Do not use it to decide about "
        "people. Error rates differ between groups of people, as shown below.",
        "## Figures",
        *_figures(measured),
        "## Data",
        "\n".join(f"- `{name}`: {TERMS.get(name, 'terms unknown')}" for name in names),
        "The pictures are not part of this project.",
        "## Training",
        "`emotion-cam train --recipe recipes/detector/face.toml --data-folder data --out models/face`",
        "[detector.json](detector.json) has every stage's settings, [history.csv](history.csv) the "
        "losses of every epoch. [notes.md](notes.md) tells what differed.",
    ]
    return "\n\n".join(parts) + "\n"


def _data_of(stage: dict[str, Any]) -> list[str]:
    return [name for name, _ in stage["data"]] + [path.split("/")[0] for path in stage["cutouts"]]


_SHARES = ("average_precision", "recall_at_few", "recall")


def _figures(measured: dict[str, Any]) -> list[str]:
    if not measured:
        return ["Nothing was measured yet."]
    parts = [
        f"Measured through `MiniFaceDetector` and model.tflite on the pictures of {measured['set']}, by "
        f"`{measured['by']}`. "
        "The labels are YuNet's, mistakes included. AP is average precision at IoU 0.5; “sparing” is recall at the "
        "threshold with one false box in a hundred pictures; then come recall and false boxes in a hundred pictures as "
        f"the detector is used (threshold {measured['threshold']:g}). Faces smaller than a fourteenth of the picture's "
        "shorter side do not count.",
        _table(
            ("", "pictures", "faces", "AP", "sparing", "recall", "false in 100"),
            [
                (
                    row["condition"],
                    row["pictures"],
                    row["faces"],
                    *(
                        f"{row[key]:.3f}" if key in row else "–"
                        for key in ("average_precision", "recall_at_few", "recall")
                    ),
                    f"{100 * row['false_boxes']:.1f}",
                )
                for row in measured["conditions"]
            ],
        ),
    ]
    groups = measured.get("groups", {})
    if groups:
        parts += [
            "Faces found among the validation pictures of FairFace, all of which show one, by the group that FairFace "
            "tells:",
            _table(
                ("group", "pictures", "found"),
                [(group, row["pictures"], f"{row['found']:.3f}") for group, row in sorted(groups.items())],
            ),
        ]
    return parts


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
