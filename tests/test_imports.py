"""Dependencies point one way, and what is heavy is loaded only where it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emotion_cam

PACKAGE = Path(emotion_cam.__file__).parent

LAYERS = [
    {"types", "errors"},
    {"preprocess", "groups", "litert"},
    {"sources", "detect", "annotate", "classify"},
    {"report", "track"},
    {"sinks"},
    {"recognize"},
    {"loop"},
    {"training", "job"},
    {"batch"},
    {"cli"},
    {"__main__", "__init__"},
]
"""A module may import from the layers above it in this list, and from none below; types and errors from nothing."""


def imported(file: Path) -> set[str]:
    """The package's modules that a file imports anywhere, "training" standing for all of that folder."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "emotion_cam":
            names |= {alias.name for alias in node.names if (PACKAGE / f"{alias.name}.py").exists()}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emotion_cam."):
            names.add((node.module or "").split(".")[1])
    return names


def layer(module: str) -> int:
    return next(number for number, modules in enumerate(LAYERS) if module in modules)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    module = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imported(file) - {module}:
        assert layer(other) < layer(module), f"{module} may not import {other}"


HEAVY = {"tensorflow", "keras", "cv2", "av", "numpy", "matplotlib", "sklearn", "ai_edge_litert", "pooch"}


def loaded_by(code: str) -> set[str]:
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(f"sys.argv[1:] = {arguments}; from emotion_cam.cli import main; main()")
    assert "emotion_cam" in loaded
    assert not loaded & HEAVY


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import emotion_cam") & HEAVY


def test_recognising_never_loads_tensorflow() -> None:
    loaded = loaded_by("from emotion_cam import Recognizer, open_source, open_sink, Annotator; Recognizer()")
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "sklearn", "pooch"}


def test_a_single_run_loads_nothing_for_many() -> None:
    arguments = ["--image", "no-such-picture.png", "--no-show", "--out", "out.png"]
    loaded = loaded_by(f"sys.argv[1:] = {arguments}; from emotion_cam.cli import main; main()")
    assert "cv2" in loaded
    assert "multiprocessing" not in loaded
