"""What the command line prints, and where it cannot: encodings, closed pipes, full devices, Ctrl-C, odd names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image as Pillow

from emotion_cam.types import Image
from tests.builders import write_picture
from tests.command import emotion_cam

PROGRAM = [sys.executable, "-m", "emotion_cam"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def photo(portrait: Image, tmp_path: Path) -> Path:
    return write_picture(tmp_path / "photo.png", portrait)


def run(*arguments: str, encoding: str) -> tuple[int, bytes, bytes]:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437:strict"])
def test_a_message_never_fails_for_its_encoding(photo: Path, encoding: str) -> None:
    name = photo.with_name("写真 “é”.png")
    photo.rename(name)
    code, out, err = run("--image", name.name, "--out", "結果.png", encoding=encoding)
    assert (code, err) == (0, b"")
    assert out.endswith(b"Wrote \\u7d50\\u679c.png" + os.linesep.encode())
    code, out, err = run("--image", "見.png", "--out", "o.png", encoding=encoding)
    assert code == 1
    assert b"\\u898b.png" in err
    assert b"Traceback" not in err


def test_the_help_can_be_shown_in_ascii() -> None:
    code, out, err = run("--help", encoding="ascii")
    assert (code, err) == (0, b"")
    assert b"--camera" in out


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not text are a matter of Linux")
def test_a_name_that_is_not_text_is_shown(photo: Path) -> None:
    name = os.fsencode(photo.with_name("m\udcfcnchen.png"))
    Path(photo).rename(os.fsdecode(name))
    done = subprocess.run([*PROGRAM, "--image", name, "--out", b"o\xfc.png"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"Wrote o\\udcfc.png\n")


def test_control_characters_do_not_reach_the_terminal(photo: Path) -> None:
    result = emotion_cam("--image", photo, "--out", "a\x1b[2J\nb\r.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == r"Wrote a\x1b[2J\nb\r.png"
    result = emotion_cam("--image", "no\x1b[2J\nwhere.png", "--out", "o.png")
    assert result.exit_code == 1
    assert r"no\x1b[2J\nwhere.png" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_pillow_logs_of_a_damaged_picture_is_not_shown(tmp_path: Path) -> None:
    Pillow.new("RGB", (32, 32)).save(tmp_path / "in.tif")
    content = (tmp_path / "in.tif").read_bytes()
    samples = bytes.fromhex(
        "1501 0300 01000000"
    )  # the tag with the number of samples in each pixel, and how it is stored
    assert samples + b"\3\0" in content
    (tmp_path / "in.tif").write_bytes(content.replace(samples + b"\3\0", samples + b"\0\x36"))
    command = [sys.executable, "-m", "emotion_cam", "--image", str(tmp_path), "--out", str(tmp_path / "out.csv")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("emotion-cam: ")


def test_names_are_not_taken_for_markup_or_emoji(photo: Path, emotion_model: Path) -> None:
    assert "Wrote [bold]:smile:.png\n" in emotion_cam("--image", photo, "--out", "[bold]:smile:.png").stdout
    card = json.loads((emotion_model / "model.json").read_text())
    card |= {"network": "[/red] :smile:", "labels": ["[/x]", *card["labels"][1:]]}
    (emotion_model / "model.json").write_text(json.dumps(card))
    result = emotion_cam("info", emotion_model)
    assert result.exit_code == 0, result.output
    assert ": [/x], disgust" in result.stdout
    assert "[/red] :smile:, 58,423 parameters" in result.stdout


needs_pipes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")


@needs_pipes
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info"], ["--image", "photo.png", "--out", "o.png"]])
def test_a_closed_pipe_ends_the_program_quietly_with_141(photo: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as by `| true`
    done = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@needs_pipes
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["info"], ["--image", "photo.png", "--out", "o.png"]])
def test_a_full_device_is_named(photo: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        silent = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=full, check=False)
    assert done.stderr == "emotion-cam: Standard output cannot be written: No space left on device.\n"
    assert done.returncode == silent.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("arguments", [["info"], ["--image", "photo.png", "--out", "o.png"]], ids=["info", "image"])
@pytest.mark.parametrize("moment", [0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2])
def test_ctrl_c_while_the_program_is_loaded_is_quiet(photo: Path, arguments: list[str], moment: float) -> None:
    # The announcement comes when Python itself is ready, before anything of the package is imported.
    program = "import sys; from emotion_cam.__main__ import main; print('ready', flush=True); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    # When all is done, Python itself ends, and leaves signals to the system.
    codes = (0, 130, -signal.SIGINT) if "Wrote" in out or "in /" in out else (130,)
    assert (process.returncode in codes, err) == (True, ""), out
    assert not list(Path().glob(".o*"))
