"""One run at a time works on a data set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotion_cam.corpus.claim import NAME, Claim
from emotion_cam.errors import SinkError


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with Claim(tmp_path) as claim:
        assert not claim.taken_over
        with (
            pytest.raises(SinkError, match=rf"is being worked on since .*, by process {os.getpid()} on"),
            Claim(tmp_path),
        ):
            pass
        claim.check()
    assert [*tmp_path.iterdir()] == []
    with Claim(tmp_path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there, only the age of a claim counts")
def test_the_claim_of_a_killed_run_counts_no_more(tmp_path: Path) -> None:
    code = (
        f"import os; from emotion_cam.corpus.claim import Claim; from pathlib import Path\n"
        f"Claim(Path({str(tmp_path)!r})).__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / NAME).exists()
    with Claim(tmp_path) as claim:
        assert claim.taken_over
    assert [*tmp_path.iterdir()] == []


def test_the_claim_of_another_machine_counts_while_it_is_renewed(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps({"host": "elsewhere", "process": 1, "token": "x", "since": "noon"}))
    with pytest.raises(SinkError, match="since noon, by process 1 on elsewhere"), Claim(tmp_path):
        pass
    old = time.time() - Claim.OLD - 5
    os.utime(tmp_path / NAME, (old, old))
    with Claim(tmp_path) as claim:
        assert claim.taken_over


def test_a_run_notices_that_another_one_took_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Claim, "RENEW", 0.01)
    with Claim(tmp_path) as claim:
        before = (tmp_path / NAME).stat().st_mtime_ns
        time.sleep(0.1)
        assert (tmp_path / NAME).stat().st_mtime_ns > before, "renewed"
        (tmp_path / NAME).write_text(json.dumps({"token": "another"}))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                claim.check()
            except SinkError as error:
                assert "another run" in str(error)
                break
            time.sleep(0.01)
        else:
            pytest.fail("it did not notice")
    assert (tmp_path / NAME).exists(), "the other run's"
