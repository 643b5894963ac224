"""The examples in docstrings are run as they stand there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import cv2
import pytest

import emotion_cam
from emotion_cam.types import Image

MODULES = [
    module.name
    for module in pkgutil.walk_packages(emotion_cam.__path__, "emotion_cam.")
    if not module.name.startswith(("emotion_cam.training", "emotion_cam.explain", "emotion_cam.__main__"))
]


@pytest.mark.parametrize("name", ["emotion_cam", *MODULES])
def test_examples_in_docstrings(
    name: str, portrait: Image, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``image`` is the portrait, ``clip`` a path; photo.jpg and clip.mp4 lie in the current folder."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", portrait)
    Path("clip.mp4").write_bytes(film.read_bytes())
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"image": portrait, "clip": "clip.mp4"}, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
