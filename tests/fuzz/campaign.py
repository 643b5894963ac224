"""Runs the command line on hostile inputs for some time, and keeps every input that makes it fail.

    python -m tests.fuzz.campaign --minutes 30               # new inputs at every call
    python -m tests.fuzz.campaign --seed 7 --only 1234       # one input of an earlier campaign again

Prints how many inputs of each kind ran and what fell, and ends with 1 if anything did. The inputs that fell are in the
folder ``--keep``, each in a folder named after its seed and number, with the arguments and what the program printed.
Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import KINDS, make_case
from tests.fuzz.good import make_all
from tests.fuzz.runner import preload, run_case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to run (1)")
    parser.add_argument("--inputs", type=int, help="stop after this many inputs")
    parser.add_argument("--seed", type=int, help="the same seed makes the same inputs; by default a new one")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="run this input alone, and keep it")
    parser.add_argument("--kind", choices=KINDS, help="inputs of this kind alone")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes (2)")
    parser.add_argument("--good", type=Path, help="keep the good inputs in this folder, and use them if it exists")
    parser.add_argument("--few", action="store_true", help="damage videos of the most common kinds only")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where failing inputs are kept")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory() as name:
        good = arguments.good or Path(name, "good")
        _make_good(good, few=arguments.few)
        preload()
        begun = time.monotonic()
        if arguments.only is not None:
            results = [_run(arguments, seed, arguments.only, good.absolute(), Path(name))]
        else:
            results = _run_all(arguments, seed, good.absolute(), Path(name), begun)
    sys.exit(_report(seed, results, time.monotonic() - begun, arguments.keep))


def _make_good(folder: Path, *, few: bool) -> None:
    """Make the good inputs in a process of their own, because encoders leave threads behind."""
    if folder.is_dir():
        return
    process = os.fork()
    if not process:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)  # the encoders print
        code = 1
        try:
            make_all(folder, few=few)
            code = 0
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        sys.exit("The good inputs could not be made.")


def _run_all(arguments: argparse.Namespace, seed: int, good: Path, work: Path, begun: float) -> list[dict[str, object]]:
    """Run inputs 0, 1, 2 … shared among processes, until the time is over."""
    deadline = begun + 60 * arguments.minutes
    pipes, processes = [], []
    for job in range(arguments.jobs):
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            os.close(reading)
            number = job
            with os.fdopen(writing, "w") as found:
                while time.monotonic() < deadline and (arguments.inputs is None or number < arguments.inputs):
                    found.write(json.dumps(_run(arguments, seed, number, good, work)) + "\n")
                    found.flush()
                    number += arguments.jobs
            os._exit(0)
        os.close(writing)
        pipes.append(reading)
        processes.append(process)
    results = [json.loads(line) for pipe in pipes for line in os.fdopen(pipe)]
    for process in processes:
        os.waitpid(process, 0)
    return results


def _run(arguments: argparse.Namespace, seed: int, number: int, good: Path, work: Path) -> dict[str, object]:
    folder = work / f"{seed}-{number}"
    case = make_case(good, folder, seed, number, arguments.kind)
    status, faults = run_case(case)
    logs = folder.with_name(folder.name + ".log")
    if faults or arguments.only is not None:
        kept = arguments.keep / folder.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept / "folder", symlinks=True)
        shutil.copytree(logs, kept / "printed")
        for place, each in enumerate(case.visits):
            (kept / f"visit-{place:02}").write_bytes(b"\n--\n".join((each.request, *each.frames)))
        (kept / "arguments.json").write_text(json.dumps({"arguments": case.arguments, "faults": faults}, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(logs, ignore_errors=True)
    return {"number": number, "kind": case.kind, "arguments": case.arguments, "status": status, "faults": faults}


def _report(seed: int, results: list[dict[str, object]], seconds: float, keep: Path) -> int:
    kinds = Counter(str(result["kind"]) for result in results)
    statuses = Counter(str(result["status"]) for result in results)
    print(f"seed {seed}: {len(results)} inputs in {seconds:.0f} s: {dict(kinds)}; exit codes: {dict(statuses)}")
    fallen = [result for result in results if result["faults"]]
    faults = Counter(fault.partition(":")[0] for result in fallen for fault in result["faults"])  # type: ignore[attr-defined]
    for result in fallen:
        print(f"  {result['number']} {result['kind']} {result['arguments']}: {result['faults']}")
    print(f"{len(fallen)} fell" + (f", kept in {keep}: {dict(faults)}" if fallen else ""))
    return 1 if fallen else 0


if __name__ == "__main__":
    main()
