"""Makes hostile inputs for the command line: the same seed and number always make the same one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from emotion_cam.card import shipped_models
from tests.fuzz.mutations import TEXTS, damage, damage_csv, damage_json
from tests.fuzz.visits import Visit, make_visits

SECRET = "hunter2secret"
"""The password in all addresses; nothing that the program prints or writes may contain it."""


@dataclass
class Case:
    """One run of the command line.

    Attributes:
        kind: what is hostile about it.
        arguments: the arguments, with paths relative to the folder of the run.
        folder: the folder of the run, which holds its inputs.
        visits: what visitors send, if the program is to serve: each the bytes of one connection.
    """

    kind: str
    folder: Path
    arguments: list[str] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)


def make_case(good: Path, folder: Path, seed: int, number: int, kind: str | None = None) -> Case:
    """Make the input with a number.

    Args:
        good: a folder that ``good.make_all`` has filled.
        folder: a new folder for its files.
        seed: of the campaign.
        number: of the input in the campaign.
        kind: one of KINDS; by default one by chance.
    """
    random = Random(f"{seed}/{number}")
    kind = kind or random.choices([*KINDS], [weight for weight, _ in KINDS.values()])[0]
    case = Case(kind, folder)
    folder.mkdir(parents=True)
    KINDS[kind][1](case, good, random)
    return case


def _pick(folder: Path, random: Random) -> Path:
    return random.choice(sorted(folder.iterdir()))


def _outputs(random: Random, *suffixes: str) -> list[str]:
    chosen = random.sample(suffixes, random.choice((1, 1, 2)))
    return [argument for suffix in chosen for argument in ("--out", f"out{suffix}")]


def _video(case: Case, good: Path, random: Random) -> None:
    suffix = _write_video(case.folder, "in", good, random)
    case.arguments = ["--video", f"in{suffix}", *_outputs(random, ".mp4", ".mkv", ".csv", ".jsonl", ".html")]


def _many(case: Case, good: Path, random: Random) -> None:
    """Several videos in processes of their own."""
    (case.folder / "in").mkdir()
    (case.folder / "out").mkdir()
    for number in range(random.choice((2, 3))):
        _write_video(case.folder / "in", f"{number}", good, random)
    outputs = _outputs(random, "/{name}.mp4", "/{name}.csv", "/{name}.html")
    case.arguments = ["--video", "in", "--jobs", "2", *outputs]


def _write_video(folder: Path, name: str, good: Path, random: Random) -> str:
    """Write a video that is most often damaged; returns its suffix."""
    source = _pick(good / "videos", random)
    way = random.random()
    if way < 0.75:
        content = damage(source.read_bytes(), random)
    elif way < 0.85:  # two files in one, as recorders join them
        content = source.read_bytes() + _pick(good / "videos", random).read_bytes()
    elif way < 0.9:  # the inside of one container under the beginning of another
        head, tail = source.read_bytes(), _pick(good / "videos", random).read_bytes()
        content = head[: len(head) // 2] + tail[len(tail) // 2 :]
    else:
        content = random.choice((b"", b"a text\n" * 99, random.randbytes(9000), source.read_bytes()))
    suffix = source.suffix if random.random() < 0.9 else _pick(good / "videos", random).suffix
    (folder / f"{name}{suffix}").write_bytes(content)
    return suffix


def _picture(case: Case, good: Path, random: Random) -> None:
    for number in range(random.choice((1, 1, 3))):
        source = _pick(good / "pictures", random)
        content = damage(source.read_bytes(), random) if random.random() < 0.9 else source.read_bytes()
        (case.folder / f"in{number}{source.suffix}").write_bytes(content)
    names = sorted(path.name for path in case.folder.iterdir())
    if len(names) > 1:
        (case.folder / "in").mkdir()
        for name in names:
            (case.folder / name).rename(case.folder / "in" / name)
        case.arguments = ["--image", "in", *_outputs(random, ".csv", ".jsonl", ".html")]
    else:
        case.arguments = ["--image", names[0], *_outputs(random, ".png", ".jpg", ".csv", ".jsonl", ".html")]


def _model(case: Case, good: Path, random: Random) -> None:
    shipped = shipped_models()[random.choice(("emotion", "gender"))]
    model = case.folder / "model"
    model.mkdir()
    for name in ("model.json", "model.tflite"):
        shutil.copy(shipped / name, model)
    card, network = model / "model.json", model / "model.tflite"
    way = random.random()
    if way < 0.6:
        card.write_bytes(damage_json(card.read_text(encoding="utf-8"), random))
    elif way < 0.95:
        network.write_bytes(damage(network.read_bytes(), random))
    else:
        random.choice((card, network)).unlink()
    if random.random() < 0.4:
        case.arguments = ["info", "model"]
    else:
        shutil.copy(good / "pictures" / "color.png", case.folder / "in.png")
        options = random.choice(([], [], ["--explain"], ["--blur"]))
        case.arguments = ["--image", "in.png", "--model", "model", *options, *_outputs(random, ".png", ".csv", ".html")]


def _detector(case: Case, good: Path, random: Random) -> None:
    files = sorted((good / "detectors").iterdir())
    if not files:
        _options(case, good, random)
        return
    source = random.choice(files)
    (case.folder / "network").write_bytes(damage(source.read_bytes(), random))
    shutil.copy(good / "pictures" / "color.png", case.folder / "in.png")
    case.arguments = ["--image", "in.png", "--detector", source.name, "--detector-model", "network"]
    case.arguments += _outputs(random, ".png", ".csv")


def _serve(case: Case, good: Path, random: Random) -> None:
    case.arguments = ["serve", "--port", "0", "--no-browser", "--workers", "1"]
    case.visits = make_visits(good, random)


def _table(case: Case, good: Path, random: Random) -> None:
    source = _pick(good / "tables", random)
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".csv":
        content = damage_csv(text, random)
    else:
        lines = [line.encode() for line in text.splitlines()]
        place = random.randrange(len(lines))
        lines[place] = damage_json(lines[place].decode(), random)
        content = b"\n".join(lines)
    (case.folder / f"in{source.suffix}").write_bytes(content)
    case.arguments = ["report", f"in{source.suffix}", "--out", random.choice(("out.html", "out.png"))]


_NAMES = (
    *("写真.png", "é.png", "a b.png", " .png", "-x.png", "--out.png", ".png", "a\nb.png", "\x1b[2J.png", "[bold].png"),
    *(":smile:.png", "%d.png", "a" * 251 + ".png", "a" * 300 + ".png", "é" * 125 + ".png", "con.png", "a:b.png"),
    *("'\"&<>;$(x).png", "out.PNG", "out.", "..", ".", "/", "", "x/../out.png", "nowhere/x.png", "in.png", "link.png"),
    *("loop.png", "folder", "folder.csv", "out.png/x.png", os.fsdecode(b"\xff\xfe.png"), "\u202egnp.x.png", "-"),
)


def _name(case: Case, good: Path, random: Random) -> None:
    name = random.choice(_NAMES)
    shutil.copy(good / "pictures" / "color.png", case.folder / "in.png")
    (case.folder / "link.png").symlink_to("elsewhere.png")
    (case.folder / "loop.png").symlink_to("loop.png")
    (case.folder / "folder.csv").mkdir()
    if random.random() < 0.5:
        case.arguments = ["--image", "in.png", "--out", name]
        return
    with contextlib.suppress(OSError, ValueError):  # then it is the name of something that is not there
        shutil.copy(good / "pictures" / "color.png", case.folder / name)
    option = random.choice(("--image", "--video"))
    case.arguments = [f"{option}={name}", *_outputs(random, ".png", ".csv", ".html")]


_ADDRESSES = (
    *("http://user:{}@127.0.0.1:1/live", "rtsp://u:{}@127.0.0.1:1/x?pwd={}", "http://127.0.0.1:1/?password={}&x=1"),
    *("http://u:a@{}@127.0.0.1:1/", "http://u:p/{}@127.0.0.1:1/", "rtmp://127.0.0.1:1/{}", "https://u:{}@[::1]:1/a"),
    *("http://[::1/", "http://", "rtsp:", "://", "http://127.0.0.1:99999/", "http://u:{}@", "tcp://"),
    *(
        "file:nowhere.mp4",
        "file:///etc/hostname",
        "concat:a|b",
        "pipe:",
        "data:text/plain,x",
        "crypto:x",
        "subfile,,:x",
    ),
    *("http://127.0.0.1:1/%zz", "http://127.0.0.1:1/a b", "HTTP://127.0.0.1:1/", "ftp://127.0.0.1:1/"),
)
_HIDDEN = ("http://user:", "rtsp://u:", "http://127.0.0.1:1/?password", "https://u:", "http://u:")
"""The beginnings of the addresses whose passwords have to be masked."""


def _address(case: Case, good: Path, random: Random) -> None:
    address = random.choice(_ADDRESSES)
    secret = SECRET if address.startswith(_HIDDEN) else "x"
    case.arguments = ["--video", address.replace("{}", secret), "--out", "out.csv"]


_OPTIONS = ("size", "fps", "group", "min-confidence", "min-face", "every", "smooth", "threads", "without", "hide")
_OTHER_OPTIONS = (
    "detector",
    "detector-model",
    "runtime",
    "model",
    "jobs",
    "reconnect",
    "max-pixels",
    "camera",
    "nonsense",
)
_GROUPS = (
    "a=happy",
    "a=happy,sad",
    "=",
    "a=",
    "=happy",
    "a=happy,,",
    "happy=sad",
    "a=happy,man",
    "a,b=c",
    "a=b=c",
    "[]",
)
_NUMBERS = ("0", "1", "0.5", "0.2", "-1", "1e400", "nan", "inf", "1x1", "640x480", "99999x99999", "0x0", "1280 x 720")


def _options(case: Case, good: Path, random: Random) -> None:
    shutil.copy(good / "pictures" / "color.png", case.folder / "in.png")
    case.arguments = ["--image", "in.png", "--out", "out.csv"]
    for _ in range(random.choice((1, 2))):
        option = random.choice((*_OPTIONS, *_OTHER_OPTIONS))
        values = random.choice((TEXTS, _NUMBERS, _GROUPS))
        value = random.choice([text for text in values if "\0" not in text])
        # More threads than this machine has cores are allowed, and slow.
        case.arguments.append(f"--{option}={'1' if option in ('threads', 'jobs') and value.isdigit() else value}")


KINDS: dict[str, tuple[int, Callable[[Case, Path, Random], None]]] = {
    "video": (34, _video),
    "picture": (18, _picture),
    "model": (14, _model),
    "table": (14, _table),
    "name": (6, _name),
    "address": (4, _address),
    "options": (6, _options),
    "detector": (5, _detector),
    "many": (2, _many),
    "serve": (4, _serve),
}
"""By kind of input: how often it comes, and what makes it."""
