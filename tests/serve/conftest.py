"""Fixtures of the tests of ``emotion-cam serve``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra “serve”")
pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("websockets", reason="needs the extra “serve”")

from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.serve.limits import Limits
from emotion_cam.serve.service import Service
from emotion_cam.serve.workers import Workers
from emotion_cam.types import Image
from tests.serve.running import Address, in_thread, jpeg


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="session")
def picture(portrait: Image) -> bytes:
    """The portrait as a JPEG file."""
    return jpeg(portrait)


def make_service(recognizer: Recognizer, limits: Limits = Limits(), **settings: int) -> Service:
    """A service with small pools."""
    workers = Workers(settings.pop("workers", 1), limits.waiting)
    return Service(recognizer, ModelSpec(), workers, limits=limits, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def server(recognizer: Recognizer) -> Iterator[Address]:
    """A server without a source of its own, with the usual limits."""
    with in_thread(make_service(recognizer, most_pages=3)) as address:
        yield address


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")
