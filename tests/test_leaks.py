"""The fixture that looks for what tests leave behind finds it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SHARED = Path(f"/dev/shm/psm_left{os.getpid()}")
"""Another suite on this machine may run the same test."""

LEAKS = {
    "thread": "threading.Thread(target=time.sleep, args=[8], name='sleeper', daemon=True).start()",
    "process": "subprocess.Popen(['sleep', '8'])",
    "shared memory": f"open('{SHARED}', 'w').close()",
    "handle": "global file; file = open('left.txt', 'w')",
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's /proc")
@pytest.mark.parametrize("kind", LEAKS)
def test_what_is_left_behind_fails_the_test(pytester: pytest.Pytester, kind: str) -> None:
    pytester.makeconftest("from tests import leaks\nfrom tests.leaks import no_leaks\nleaks.GRACE = 0.2\n")
    pytester.makepyfile(
        f"import subprocess, threading, time\n\ndef test_leak():\n    {LEAKS[kind]}\n\ndef test_clean():\n    pass\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    SHARED.unlink(missing_ok=True)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines([f"*left behind: {kind} *"])
