"""The benchmark of endurance, for some seconds: nothing grows, and the recording is whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENDURANCE = Path(__file__).parent.parent.parent / "benchmarks" / "endurance.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs Linux with gcc")
def test_twenty_seconds_of_recording() -> None:
    done = subprocess.run(
        [sys.executable, str(ENDURANCE), "--minutes", "0.34"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert (found["exit_code"], found["recording_is_whole"]) == (130, True), done.stderr
    # The age of the pictures is left out: on a machine that is busy with other tests it goes up and down.
    assert not {"memory_mb", "handles", "threads"} & set(found["grown"]), found
    assert found["pictures"] > 20
