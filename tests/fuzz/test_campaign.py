"""A short campaign with a fixed seed, and whether the campaign notices what it is there for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.mutations import VALUES, damage_value

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("fuzz"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs forks, and limits of memory"),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "good"
    assert campaign("--seed", "0", "--inputs", "0", "--good", folder).returncode == 0
    return folder


def campaign(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--few", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_hostile_inputs_for_a_minute(good: Path, tmp_path: Path) -> None:
    done = campaign("--seed", "15", "--minutes", "1", "--good", good, "--keep", tmp_path / "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 fell"


FAULTS = {
    "crash": "import os; os.abort()",
    "traceback": "raise ZeroDivisionError",
    "foreign line": "import os; os.write(2, b'from C')",
    "half file": "open('out.html', 'w').write('<html>')",
    "hang": "import time; time.sleep(9)",
    "secret": "from tests.fuzz.cases import SECRET; print(SECRET)",
    "no message": "raise SystemExit(1)",
    "foreign thread": "import threading, time; threading.Thread(target=time.sleep, args=[9], daemon=True).start()",
    "foreign warning": "import warnings; warnings.warn('careful')",
    "unfinished": "open('.out.part-1.csv', 'w').close()",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_campaign_notices(good: Path, tmp_path: Path, kind: str) -> None:
    program = (
        "import sys, runpy, emotion_cam.cli, tests.fuzz.runner as runner\n"
        f"def main(arguments):\n    {FAULTS[kind]}\n"
        "emotion_cam.cli.main, runner.SECONDS, runner._GRACE = main, 2, 0.5\n"
        "options = ['--seed', '1', '--inputs', '1', '--jobs', '1', '--good', sys.argv[1], '--keep', sys.argv[2]]\n"
        "sys.argv[1:] = options\n"
        "runpy.run_module('tests.fuzz.campaign', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", program, str(good), str(tmp_path / "kept")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name == "1-0"
    (fault,) = json.loads((kept / "arguments.json").read_text())["faults"]
    name = {"unfinished": "half file"}.get(kind, kind.partition(" ")[0])
    assert fault.startswith(name)


def test_damage_leaves_what_it_inserts_as_it_was() -> None:
    """Otherwise an input would depend on the ones before it, and some would contain themselves."""
    before = repr(VALUES)
    for number in range(300):
        random = Random(number)
        value: object = {"a": [1, {"b": 2}]}
        for _ in range(5):
            value = damage_value(value, random)
    assert repr(VALUES) == before


def test_the_same_number_makes_the_same_input(good: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        campaign("--seed", "3", "--only", "17", "--good", good, "--keep", tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "3-17" / "folder").rglob("in*") if path.is_file()}
        for name in ("first", "second")
    )
    assert first == second
    assert first
