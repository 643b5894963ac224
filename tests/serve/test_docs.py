"""The clients on the page docs/serve.md are run as they stand there, and what it says of limits is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.serve.limits import Limits
from emotion_cam.types import Image
from tests.serve.conftest import make_service
from tests.serve.running import Address, in_thread
from tests.serve.test_live import with_source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def camera(recognizer: Recognizer, film: Path) -> Iterator[Address]:
    with in_thread(with_source(make_service(recognizer), film)) as address:
        yield address


@pytest.mark.parametrize(
    ("language", "program"), [("py", [sys.executable, "-u", "-"]), ("js", ["node", "--input-type=module", "-"])]
)
def test_a_client_gets_the_faces_of_a_picture_and_of_the_camera(
    language: str, program: list[str], camera: Address, portrait: Image, tmp_path: Path
) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"needs {program[0]}")
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    cv2.imwrite(str(tmp_path / "photo.jpg"), portrait)
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    ) as client:
        stop = threading.Timer(90, client.kill)
        stop.start()
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(code.replace("http://127.0.0.1:8765", camera.http))
        client.stdin.close()
        lines = []
        for line in client.stdout:
            lines.append(line)
            if len(lines) > 2 and "box" in line:
                break
        client.kill()
        stop.cancel()
    assert re.match(r"\[ ?\d+, \d+, \d+, \d+ ?\] happy", lines[0]), lines
    assert "box" in lines[-1], lines


def test_the_limits_are_those_of_the_program() -> None:
    limits = Limits()
    for text in (
        f"{limits.body_bytes / 1e6:g} MB and {limits.pixels / 1e6:g} megapixels | 413",
        f"{limits.frame_bytes / 1e6:g} MB and {limits.frame_pixels / 1e6:g} megapixels | close code 1009",
        f"beyond one for each worker | {limits.waiting} | 503",
        f"own source | {limits.watchers} | 503",
        f"connections | {limits.connections} | 503",
        f"{limits.header_bytes // 1024} kB, within {limits.header_seconds:g} seconds",
        f"within {limits.body_seconds:g} seconds | 408",
        f"{limits.idle_seconds:g} seconds | close code 4408",
    ):
        assert text in PAGE


def test_the_image_is_built_from_what_is_there() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    ]
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for path in copied.split():
            assert (ROOT / path).exists()
            assert path in allowed
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'^"(models/[\w-]+)" = ', project, re.MULTILINE)) <= set(allowed)
