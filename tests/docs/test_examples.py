"""The examples on the pages are run as they stand there."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from emotion_cam import InputSpec, ModelSpec, OutputSpec, View
from emotion_cam.cli import app
from emotion_cam.cli.renamed import with_new_names
from emotion_cam.training.recipe_files import parse_recipe_file
from tests.command import emotion_cam
from tests.corpus.inline import InlineEngine
from tests.docs.pages import ROOT, commands, examples, text_of

PYTHON = examples("python")
COMMANDS = commands()
INPUTS = ("clip.mp4", "photo.jpg", "clips", "photos", "faces.csv", "info")


def runs_here(arguments: list[str]) -> bool:
    """Whether a command reads only what the tests have, writes files, and needs neither TensorFlow nor a download."""
    needs = {"--camera", "--detector", "cameras", "serve", "corpus"}
    needs |= {"explain", "train", "export", "evaluate", "average"}
    return not needs & {*arguments} and any(word in INPUTS for word in arguments)


COMMANDS_TO_RUN = list(dict.fromkeys(tuple(arguments) for _, arguments in COMMANDS if runs_here(arguments)))


@pytest.mark.parametrize(("place", "code"), PYTHON, ids=[place for place, _ in PYTHON])
def test_a_python_example_runs(
    place: str, code: str, workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in re.findall(r'pandas\.read_\w+\("([\w.]+)"', code):
        emotion_cam("--video", "clip.mp4", "--out", table)
    if re.search('["\']dataset[/"]', code):
        Path("list.csv").write_text("path,site\nclips/a.mp4,north\n", encoding="utf-8")
        monkeypatch.setattr("emotion_cam.corpus.run.Engine", InlineEngine)
        emotion_cam("corpus", "list.csv", "--out", "dataset")
    exec(compile(code, place, "exec"), {"__name__": "example"})
    if "print(" in code:
        assert capsys.readouterr().out.strip()


def test_the_readme_shows_the_faces_of_a_clip(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [code for place, code in PYTHON if place.startswith("README")]
    exec(compile(code, "README.md", "exec"), {})
    last = capsys.readouterr().out.splitlines()[-1]
    time, track, *_, label = last.split()
    assert (time, track, label) == ("1.10", "1", "happy")


@pytest.mark.parametrize(("place", "arguments"), COMMANDS, ids=[f"{p} {' '.join(a)}" for p, a in COMMANDS])
def test_a_command_is_understood(place: str, arguments: list[str]) -> None:
    assert with_new_names(arguments)[1] == [], "an old name"
    app.parse_args(joined(arguments), print_error=False, exit_on_error=False)


def joined(arguments: list[str]) -> list[str]:
    """The arguments with ``--out -`` as ``--out=-``, as the program joins them."""
    return [f"{word}=-" if after == "-" else word for word, after in pairs(arguments) if word != "-"]


def pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """Each word with the one after it."""
    return list(zip(words, [*words[1:], ""], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS_TO_RUN, ids=" ".join)
def test_a_command_runs(arguments: tuple[str, ...], workplace: Path) -> None:
    if "report" in arguments:
        emotion_cam("--video", "clip.mp4", "--out", "faces.csv")
    run = emotion_cam(*arguments)
    assert run.exit_code == 0, run.output
    assert run.stdout
    for path in (after for word, after in pairs(arguments) if word == "--out" and after != "-"):
        assert Path(path.replace("{name}", "a")).exists()


def test_the_line_of_json_has_the_fields_that_the_program_writes(workplace: Path) -> None:
    ((_, text),) = examples("json")
    run = emotion_cam("--video", "clip.mp4", "--out", "-", "--no-show", "--without", "emotion")
    shown, written = json.loads(text), json.loads(run.stdout.splitlines()[0])
    for line in (shown, written):
        line["faces"] = [fields_of(face) for face in line["faces"]]
    assert fields_of(shown) == fields_of(written)
    assert shown["faces"] == written["faces"]


def fields_of(table: dict[str, Any]) -> list[str]:
    """The names in a table and in the tables in it."""
    names = []
    for name, value in table.items():
        names += [name, *(fields_of(value) if isinstance(value, dict) else [])]
    return names


@pytest.mark.parametrize(("place", "text"), examples("toml"), ids=[place for place, _ in examples("toml")])
def test_a_recipe_is_understood(place: str, text: str) -> None:
    assert parse_recipe_file(text).stages


def test_the_programs_of_tools_and_benchmarks_that_pages_name_exist() -> None:
    named = set()
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        named |= set(re.findall(r"\b((?:tools|benchmarks)/\w+\.\w+)", page.read_text(encoding="utf-8")))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_make_has_the_targets_that_pages_name() -> None:
    makefile = text_of("Makefile")
    named = re.findall(r"`?\bmake ([a-z][a-z-]*)\b", text_of("README.md") + text_of("CONTRIBUTING.md"))
    assert {"demo", "test", "docs"} <= {*named}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("script", ["options_reference.py", "module_graph.py"])
def test_generated_pages_are_up_to_date(script: str) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_module_graph_finds_a_circle() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "module_graph.py"))
    with pytest.raises(ValueError, match="a → b → a"):
        tool["levels"]({"a": {"b"}, "b": {"a"}})
    assert tool["levels"]({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == [["a"], ["b"], ["c"]]
    assert tool["shortest"]({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_python_examples_state_their_imports() -> None:
    for place, code in PYTHON:
        tree = ast.parse(code)
        assert any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in tree.body), place


@pytest.mark.parametrize("spec", [InputSpec, ModelSpec, View, OutputSpec])
def test_every_field_of_a_spec_is_an_option_on_the_page(spec: type) -> None:
    page = text_of("docs/options.md")
    for field in fields(spec):
        assert f"`--{field.name.replace('_', '-')}" in page
