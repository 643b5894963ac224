"""Calls on real workers: none is lost, and one that kills its workers is given up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion_cam.corpus.engine import Call, Engine, SchedulerLostError, WorkersDiedError
from emotion_cam.errors import EmotionCamError

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Dask's own, in the threads that start its workers
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(2) as engine:
        yield engine


def test_every_call_ends_once(engine: Engine) -> None:
    calls = deque(Call(abs, (-number,), number) for number in range(60))
    ended = [(call.about, outcome) for call, outcome in engine.run(calls)]
    assert sorted(ended) == [(number, number) for number in range(60)]


def test_an_exception_is_an_outcome(engine: Engine) -> None:
    ((_, outcome),) = engine.run(deque([Call(int, ("x",))]))
    assert isinstance(outcome, ValueError)


def test_calls_may_be_added_while_others_run(engine: Engine) -> None:
    calls = deque([Call(abs, (-1,))])
    outcomes = []
    for _, outcome in engine.run(calls):
        outcomes.append(outcome)
        if outcome < 3:
            calls.append(Call(abs, (outcome + 1,)))
    assert outcomes == [1, 2, 3]


def test_a_call_that_kills_its_workers_is_given_up_after_the_third_and_harms_no_other(
    engine: Engine, tmp_path: Path
) -> None:
    deaths = tmp_path / "deaths"
    calls = deque([Call(abs, (-1,)), Call(die, (deaths,)), *(Call(abs, (-number,)) for number in range(2, 20))])
    outcomes = [outcome for _, outcome in engine.run(calls)]
    assert sum(isinstance(outcome, WorkersDiedError) for outcome in outcomes) == 1
    assert sorted(outcome for outcome in outcomes if isinstance(outcome, int)) == [*range(1, 20)]
    assert deaths.read_text(encoding="utf-8") == "xxx"


def test_a_lost_worker_is_replaced(engine: Engine, tmp_path: Path) -> None:
    ((_, process),) = engine.run(deque([Call(os.getpid, ())]))
    calls = deque(Call(time.sleep, (0.05,)) for _ in range(20))
    ended = 0
    for _ in engine.run(calls):
        ended += 1
        if ended == 3:
            os.kill(process, signal.SIGKILL)
    assert ended == 20


def die(deaths: Path) -> None:
    """End this process as a crash does, and leave a trace."""
    with deaths.open("a", encoding="utf-8") as file:
        file.write("x")
    os._exit(1)


@pytest.fixture
def scheduler() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A scheduler in a process of its own, and its address; it has no workers."""
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = next(found[0] for line in process.stderr if (found := re.search(r"tcp://\S+:\d+", line)))
    yield process, address
    process.kill()
    process.communicate()


def test_a_lost_scheduler_ends_the_run_with_a_clear_line(scheduler: tuple[subprocess.Popen[str], str]) -> None:
    process, address = scheduler
    with Engine(1, address) as engine:
        running = engine.run(deque([Call(abs, (-1,))]))
        process.kill()
        with pytest.raises(SchedulerLostError, match=f"The Dask scheduler {address} does not answer any more"):
            next(running)


def test_a_wrong_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "PATIENCE", 0.5)
    with (
        pytest.raises(EmotionCamError, match=r"No Dask scheduler answers at tcp://127.0.0.1:1"),
        Engine(1, "tcp://127.0.0.1:1"),
    ):
        pass
