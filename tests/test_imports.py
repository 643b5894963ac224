"""Dependencies point one way, and heavy packages are loaded only where they are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emotion_cam

PACKAGE = Path(emotion_cam.__file__).parent

LAYERS = [
    {"errors", "version", "defaults", "checks", "pool"},
    {"types", "litert", "card", "keras_files"},
    {"pictures", "files", "parquet"},
    {"tables"},
    {"adaptation"},
    {"preprocess"},
    {"sources", "detect", "drawing"},
    {"recognition", "progress"},
    {"report", "result"},
    {"sinks"},
    {"loop"},
    {"training", "pipeline"},
    {"batch", "corpus", "explain", "serve", "enrollment"},
    {"cli"},
    {"__main__", "__init__"},
]
"""A part of the package may import from the layers above its own in this list, and from no other."""


def imported(file: Path) -> set[str]:
    """The parts of the package that a file imports anywhere; "training" stands for that whole folder."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "emotion_cam":
            names |= {alias.name for alias in node.names if (PACKAGE / f"{alias.name}.py").exists()}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emotion_cam."):
            names.add((node.module or "").split(".")[1])
    return names


def layer(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imported(file) - {part}:
        assert layer(other) < layer(part), f"{part} may not import {other}"


HEAVY = {"tensorflow", "keras", "cv2", "av", "numpy", "matplotlib", "sklearn", "ai_edge_litert", "multiprocessing"}


def loaded_by(code: str) -> set[str]:
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.splitlines()[-1].split()}


COMMANDS = ("enroll", "adapt", "corpus", "train", "evaluate", "report", "info", "serve")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(f"from emotion_cam.cli import main; main({arguments})")
    assert "emotion_cam" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("room", ["", ".sources", ".recognition", ".drawing", ".sinks", ".detect", ".pipeline"])
def test_a_front_door_loads_nothing_heavy(room: str) -> None:
    assert not loaded_by(f"import emotion_cam{room}") & HEAVY


def test_recognition_never_loads_tensorflow() -> None:
    loaded = loaded_by("from emotion_cam import Recognizer, open_source, open_sink, annotate, Result; Recognizer()")
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "sklearn", "pandas", "supervision"}


def test_a_person_is_enrolled_and_adapted_to_without_an_extra() -> None:
    loaded = loaded_by("import emotion_cam.enrollment.fit, emotion_cam.enrollment.window")
    assert "cv2" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "sklearn", "scipy", "pandas"}


def test_a_single_run_loads_nothing_for_many() -> None:
    arguments = ["--image", "no-such-picture.png", "--no-show", "--out", "out.png"]
    loaded = loaded_by(f"from emotion_cam.cli import main; main({arguments})")
    assert "cv2" in loaded
    assert not loaded & {"multiprocessing", "imutils"}  # imutils is for the window


def test_the_public_names_are_listed_and_load() -> None:
    assert {"Recognizer", "View", "annotate", "open_source"} <= set(dir(emotion_cam))
    for name in dir(emotion_cam):
        assert getattr(emotion_cam, name) is not None
    with pytest.raises(AttributeError, match=r"Annotator is gone: use annotate"):
        emotion_cam.Annotator  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute"):
        emotion_cam.nonsense  # noqa: B018
