"""Fixtures of the tests of ``emotion-cam serve``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.types import Image
from tests.serve.running import Address, in_thread, jpeg

if TYPE_CHECKING:
    from emotion_cam.serve.limits import Limits
    from emotion_cam.serve.service import Service

NEEDED = ("fastapi", "httpx", "prometheus_client", "python_multipart", "uvicorn", "websockets")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if MISSING:
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header() -> list[str]:
    return [f"tests/serve is left out, because {', '.join(MISSING)} is missing"] if MISSING else []


def make_service(recognizer: Recognizer, limits: Limits | None = None, **settings: int) -> Service:
    """A service with one worker.

    Args:
        recognizer: recognizes.
        limits: what visitors may send; None for the usual ones.
        settings: further arguments of ``Service``.
    """
    from emotion_cam.serve.limits import Limits as UsualLimits
    from emotion_cam.serve.service import Service
    from emotion_cam.serve.workers import Workers

    limits = limits or UsualLimits()
    return Service(recognizer, ModelSpec(), Workers(1, limits.waiting), limits=limits, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="session")
def picture(portrait: Image) -> bytes:
    """The portrait as a JPEG file."""
    return jpeg(portrait)


@pytest.fixture(scope="session")
def server(recognizer: Recognizer) -> Iterator[Address]:
    """A server without a source of its own, with the usual limits."""
    with in_thread(make_service(recognizer, most_pages=3)) as address:
        yield address


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")
