"""Measures the speed of emotion-cam, of fer, of the published loop, and of decoding and encoding alone.

    python benchmarks/speed.py                                   # a clip made from scikit-image's portrait
    python benchmarks/speed.py --json speed.json talk.mp4 family.gif=3 empty_room.mp4=0
    python benchmarks/speed.py --detector mini                   # with another detector than the default

The first clip is timed (the portrait's clip three times in a row). In all clips the faces found are counted, as
benchmarks/haar.py counts them, and compared with a full scan of every frame. Each clip shows the same number of faces
throughout; give the number after the clip, if it is not 1.

Machines differ and are noisy. So the contenders take turns on one machine, the best of several rounds counts, and
ratios mean more than times. The first run installs fer into an environment of its own, benchmarks/.fer. The published
loop needs the extra “train”. The live part needs Linux with gcc, Xvfb and xdotool, and is left out elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tools"))

import haar  # noqa: E402
import portrait  # noqa: E402

from emotion_cam import Recognizer, annotate, open_sink, open_source  # noqa: E402
from emotion_cam.detect import open_detector  # noqa: E402
from emotion_cam.detect.base import Detector  # noqa: E402
from emotion_cam.detect.haar import HaarDetector  # noqa: E402
from emotion_cam.detect.registry import DETECTORS  # noqa: E402
from emotion_cam.recognition.spec import ModelSpec  # noqa: E402
from emotion_cam.recognition.tracker import Tracker  # noqa: E402
from emotion_cam.result import Result  # noqa: E402
from emotion_cam.sources.base import Source  # noqa: E402
from emotion_cam.types import Frame, Image  # noqa: E402

T = TypeVar("T")

FER = "fer==25.10.3"
FPS = 30
BOTH = "recognise and draw"  # codespell:ignore - a key of speed.json since the first version


# --- whole runs, each in its own process ----------------------------------------------------------------------------


def contenders(fer: Path | None, detector: str) -> dict[str, list[str]]:
    """The command of each contender, by name; the clip and an output are added to it."""
    mine = [sys.executable, str(HERE / "whole_run.py")]
    loop = [sys.executable, str(HERE / "published_loop.py")]
    return {
        "emotion-cam": [*mine, "--detector", detector],
        "decode and encode alone": [*mine, "--plain"],
        "fer": [str(fer or fer_python()), str(HERE / "fer_analyze.py")],
        "published loop": loop,
    }


def fer_python() -> Path:
    """The Python of the environment that has fer; it is made the first time."""
    folder = HERE / ".fer"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"Installing {FER} into {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", FER], check=True)
    return python


def whole_runs(clip: Path, rounds: int, fer: Path | None, detector: str) -> dict[str, dict[str, float]]:
    """Milliseconds of wall clock and of processor time per frame, for each contender: the best of the rounds."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, command in contenders(fer, detector).items():
            with tempfile.TemporaryDirectory() as folder:
                place = folder if name == "fer" else str(Path(folder) / "out.mp4")
                whole = [*command[:2], str(clip.absolute()), place, *command[2:]]
                output = subprocess.check_output(whole, cwd=folder, stderr=subprocess.DEVNULL)
            measured = json.loads(output.splitlines()[-1])
            per_frame = {f"{clock}_ms": 1000 * measured[clock] / measured["frames"] for clock in ("wall", "cpu")}
            if name not in best or per_frame["wall_ms"] < best[name]["wall_ms"]:
                best[name] = per_frame
    return best


def table_over_decoding(clip: Path, detector: str, rounds: int) -> float:
    """Processor time of a whole run that only writes a CSV table, start included, over that of decoding alone."""
    mine = [sys.executable, "-m", "emotion_cam", "--video", str(clip), "--detector", detector, "--out"]
    decode = "import av, sys\nfor frame in av.open(sys.argv[1]).decode(video=0): frame.to_ndarray(format='bgr24')"
    ratios = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            table = seconds_of([*mine, str(Path(folder) / "faces.csv")])
            ratios.append(table / seconds_of([sys.executable, "-c", decode, str(clip)]))
    return min(ratios)


def seconds_of(command: list[str]) -> float:
    """The processor time that a command takes."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


# --- where the time goes --------------------------------------------------------------------------------------------


def stages(clip: Path, detector: str) -> dict[str, float]:
    """Milliseconds of processor time per frame for each stage alone, one after the other."""
    tracker, follower = Tracker(open_detector(detector)), Recognizer(detector=open_detector(detector)).follow()
    with open_source(video=clip) as source:
        frames, decode = clocked(lambda: list(source))
    _, detect = clocked(lambda: [tracker(frame.image, frame.time) for frame in frames])
    faces, recognize = clocked(lambda: [follower(frame.image, frame.time) for frame in frames])
    results = [Result(frame, found) for frame, found in zip(frames, faces, strict=True)]
    _, draw = clocked(lambda: drawn(results))
    with tempfile.TemporaryDirectory() as folder, open_source(video=clip) as source:
        _, encode = clocked(lambda: encoded(results, Path(folder) / "out.mp4", source))
    times = {"decode": decode, "detect": detect, "classify": recognize - detect, "annotate": draw, "encode": encode}
    return {name: 1000 * seconds / len(frames) for name, seconds in times.items()}


def clocked(work: Callable[[], T]) -> tuple[T, float]:
    """What a function returns, and the processor time it took, in seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def drawn(results: Iterable[Result]) -> None:
    for result in results:
        annotate(result.frame.image, result.faces)


def encoded(results: Iterable[Result], path: Path, source: Source) -> None:
    with open_sink(path, source) as sink:
        for result in results:
            sink.write(result)


# --- more faces, larger pictures, new faces -------------------------------------------------------------------------


def scene(places: Sequence[tuple[float, float]], scale: float = 1.0) -> Image:
    """The portrait's head at several places on a gray picture of 640×480, everything enlarged by ``scale``."""
    head = head_of_portrait(0.75 * scale)
    side = head.shape[0]
    image = np.full((round(480 * scale), round(640 * scale), 3), 110, np.uint8)
    for x, y in places:
        left, top = round(x * scale) - side // 2, round(y * scale) - side // 2
        image[top : top + side, left : left + side] = head
    return image


def head_of_portrait(scale: float) -> Image:
    """The head from the portrait, 200×200 pixels times ``scale``."""
    return np.asarray(cv2.resize(portrait.portrait()[20:220, 124:324], None, fx=scale, fy=scale), np.uint8)


def moving(faces: int, scale: float = 1.0, count: int = 90) -> Iterator[Frame]:
    """Frames with up to six heads that sway."""
    for index in range(count):
        sway = 12 * np.sin(index / 6)
        places = [(100 + 215 * (n % 3) + sway, 120 + 225 * (n // 3) + sway / 2) for n in range(faces)]
        yield Frame(scene(places, scale), index, index / FPS)


def recognition(frames: list[Frame], detector: str) -> dict[str, float]:
    """Milliseconds of processor time per frame: recognition and drawing together, and the networks alone."""
    tracker, follower = Tracker(open_detector(detector)), Recognizer(detector=open_detector(detector)).follow()
    first, *rest = frames  # the first is searched in full, so its time says nothing about the others
    tracker(first.image, first.time)
    follower(first.image, first.time)
    _, detect = clocked(lambda: [tracker(frame.image, frame.time) for frame in rest])
    faces, recognize = clocked(lambda: [follower(frame.image, frame.time) for frame in rest])
    results = [Result(frame, found) for frame, found in zip(rest, faces, strict=True)]
    _, draw = clocked(lambda: drawn(results))
    milliseconds = {BOTH: recognize + draw, "networks": recognize - detect}
    return {
        "faces": statistics.mean(len(found) for found in faces),
        **{name: 1000 * seconds / len(rest) for name, seconds in milliseconds.items()},
    }


def new_face_after(detector: str, trials: int = 60) -> list[float]:
    """How many seconds of video pass until a new face is found, for faces of several sizes at several places."""
    rng = np.random.default_rng(0)
    waits = []
    for _ in range(trials):
        scale, enters = rng.uniform(0.4, 1.6), int(rng.integers(5, 20))
        head = head_of_portrait(scale)
        side = head.shape[0]
        left, top = int(rng.integers(0, 640 - side)), int(rng.integers(0, 480 - side))
        tracker = Tracker(open_detector(detector))
        for index in range(enters + 30):
            image = rng.normal(110, 4, (480, 640, 3)).astype(np.uint8)
            if index >= enters:
                image[top : top + side, left : left + side] = head
            if tracker(image, index / FPS):
                break
        waits.append((index - enters) / FPS)
    return waits


# --- all together ---------------------------------------------------------------------------------------------------


def faces_found(clips: list[str]) -> dict[str, dict[str, int]]:
    """Faces found, faces shown, and false positives, for a full scan of every frame and for the tracker."""
    tallies = {"full scan": haar.Tally(), "followed": haar.Tally()}
    for clip in clips:
        path, people = haar.split(clip)
        with open_source(video=path) as source:
            frames = list(source)
        images = [frame.image for frame in frames]
        where = haar.where_faces_are(images, people)
        ways: dict[str, Detector] = {
            "full scan": HaarDetector(),
            "followed": haar.Followed(frame.time for frame in frames),
        }
        for name, detect in ways.items():
            tally = haar.measure(detect, images, where)
            tallies[name] += tally
    return {name: {"found": tally.found, "of": tally.wanted, "no face": tally.false} for name, tally in tallies.items()}


def machine() -> dict[str, Any]:
    """The date, and what the figures depend on."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "date": date.today().isoformat(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
    }


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def measure(
    clips: list[str], timed: Path, rounds: int, fer: Path | None, live_seconds: float, detector: str
) -> dict[str, Any]:
    clip = Path(haar.split(clips[0])[0])
    runs = whole_runs(timed, rounds, fer, detector)
    by_faces = {count: recognition(list(moving(count)), detector) for count in range(1, 6)}
    by_lines = {480: by_faces[1]} | {
        round(480 * scale): recognition(list(moving(1, scale)), detector) for scale in (1.5, 2.25)
    }
    waits = new_face_after(detector)
    parts = stages(clip, detector)
    total = sum(parts.values())
    five = by_faces[5][BOTH] + parts["decode"] + parts["encode"]
    found = faces_found(clips)
    mine = runs["emotion-cam"]
    figures = {
        "frames a second": 1000 / mine["wall_ms"],
        "times fer's frames a second": runs["fer"]["wall_ms"] / mine["wall_ms"],
        "times less processor time than fer": runs["fer"]["cpu_ms"] / mine["cpu_ms"],
        "times the published loop's frames a second": runs["published loop"]["wall_ms"] / mine["wall_ms"],
        "times less processor time than the published loop": runs["published loop"]["cpu_ms"] / mine["cpu_ms"],
        "time over decoding and encoding alone": mine["wall_ms"] / runs["decode and encode alone"]["wall_ms"],
        "a table alone over decoding alone, with the start": table_over_decoding(timed, detector, rounds),
        "milliseconds for one more face": (by_faces[5][BOTH] - by_faces[1][BOTH]) / 4,
        "1080p over 480p, recognition": by_lines[1080][BOTH] / by_lines[480][BOTH],
        "networks' share of a frame with five faces": by_faces[5]["networks"] / five,
        "faces found over a full scan's": found["followed"]["found"] / max(1, found["full scan"]["found"]),
        "boxes that are no face": found["followed"]["no face"],
        "boxes that are no face, full scan": found["full scan"]["no face"],
        "seconds until a new face is told of, median": statistics.median(waits),
        "seconds until a new face is told of, most": max(waits),
    }
    report = {
        "machine": machine(),
        "detector": detector,
        "clips": [Path(clip).name for clip in clips],
        "figures": figures,
        "whole runs": runs,
        "stages": {name: {"ms": value, "share": value / total} for name, value in parts.items()},
        "faces": by_faces,
        "lines": by_lines,
        "found": found,
    }
    if live_seconds and all(shutil.which(tool) for tool in ("gcc", "Xvfb", "xdotool")):
        import live

        report["live"] = live.measure(live_seconds, ["--detector", detector])
    return report


def tables(report: dict[str, Any]) -> Iterator[str]:
    yield from table("measure", ["value"], {name: [value] for name, value in report["figures"].items()})
    yield from table(
        "whole run", ["wall ms", "processor ms"], {n: list(r.values()) for n, r in report["whole runs"].items()}
    )
    yield from table("stage", ["ms", "share"], {n: list(s.values()) for n, s in report["stages"].items()})
    yield from table("faces", list(report["faces"][1]), {str(n): list(r.values()) for n, r in report["faces"].items()})
    yield from table(
        "lines", list(report["lines"][480]), {str(n): list(r.values()) for n, r in report["lines"].items()}
    )
    yield from table("way", ["found", "of", "no face"], {n: list(r.values()) for n, r in report["found"].items()})
    if "live" in report:
        yield from table("live", ["value"], {name: [value] for name, value in report["live"].items()})


def table(first: str, columns: list[str], rows: dict[str, list[float]]) -> Iterator[str]:
    yield f"| {' | '.join([first, *columns])} |"
    yield f"| {' | '.join(['---'] * (len(columns) + 1))} |"
    for name, values in rows.items():
        yield f"| {' | '.join([name, *(f'{v:.2f}' if isinstance(v, float) else str(v) for v in values)])} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", metavar="CLIP[=FACES]", help="videos, and the number of faces in each")
    parser.add_argument("--detector", choices=DETECTORS, default=ModelSpec().detector, help="which detector to time")
    parser.add_argument("--rounds", type=int, default=3, help="of the whole runs")
    parser.add_argument("--live", type=float, default=30, metavar="SECONDS", help="length of the live part; 0 for none")
    parser.add_argument("--fer", type=Path, metavar="PYTHON", help="the Python of an environment that has fer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as in the program
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or [portrait_clip(Path(folder) / "portrait.mp4")]
        # A longer one for the whole runs, so that their beginning and end are only a small part.
        timed = haar.split(clips[0])[0] if arguments.clips else portrait_clip(Path(folder) / "longer.mp4", times=3)
        report = measure(clips, Path(timed), arguments.rounds, arguments.fer, arguments.live, arguments.detector)
    print("\n".join(tables(report)))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


def portrait_clip(path: Path, times: int = 1) -> str:
    """Write the portrait's clip, and return its path."""
    subprocess.run([sys.executable, HERE.parent / "tools" / "portrait.py", path, str(times)], check=True)
    return str(path)


if __name__ == "__main__":
    main()
