"""The benchmark of the server runs, and its arithmetic is right."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serve.py"


@pytest.mark.slow
def test_the_benchmark_counts_what_is_served_and_what_is_refused() -> None:
    command: list[str | Path] = [sys.executable, SCRIPT, "--pages", "1", "3", "--seconds", "1.5", "--", "--pages", "2"]
    one, three = json.loads(subprocess.check_output(command, timeout=60))["runs"]
    assert (one["served"], one["refused"]) == (1, 0)
    assert (three["served"], three["refused"]) == (2, 1)
    assert one["answers_a_second_least"] > 1
    assert 0 < one["age_ms_median"] <= one["age_ms_99_of_100"]
    assert one["memory_mb_last"] > 20


def test_the_figures_leave_out_refused_pages_and_the_warm_up() -> None:
    module = runpy.run_path(str(SCRIPT))
    page = module["Page"](answers=[99.0, 100.5, 101.0], trips=[0.01, 0.03, 0.02], ages=[0.05, 0.07, 0.06])
    figures = module["summary"]([page, module["Page"](refused=True)], 100.0, 2.0, [10.0, 11.0, 12.0, 13.0])
    assert (figures["served"], figures["refused"], figures["answers_a_second_least"]) == (1, 1, 1.0)
    assert (figures["age_ms_median"], figures["round_trip_ms_median"]) == (60, 20)
    assert (figures["memory_mb_first"], figures["memory_mb_last"]) == (10, 13)
