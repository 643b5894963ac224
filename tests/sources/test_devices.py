"""The cameras of a machine, on a folder of devices that is made here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from emotion_cam.errors import SourceError
from emotion_cam.sources import open_source
from emotion_cam.sources.devices import CameraInfo, find_camera, list_cameras
from tests.builders import picture
from tests.sources.fakes import FakeCapture, PlugIn


def test_list_cameras(plug_in: PlugIn, tmp_path: Path) -> None:
    assert list_cameras() == []
    plug_in(10, "")
    plug_in(2, "Webcam")
    plug_in(3, "Webcam", "1")  # its metadata
    assert list_cameras() == [
        CameraInfo(2, "Webcam", str(tmp_path / "dev/video2")),
        CameraInfo(10, "", str(tmp_path / "dev/video10")),
    ]


@pytest.mark.parametrize(
    ("name", "number"),
    [("logi", 2), ("INTEGRATED", 0), ("webcam", 4), ("webcam p", 6), ("dev/by-id/usb-Logitech", 2)],
    ids=["part", "case", "whole name", "part of two words", "link"],
)
def test_a_camera_by_its_name(
    plug_in: PlugIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    for device, known in {0: "Integrated Camera", 2: "Logitech C920", 4: "Webcam", 6: "Webcam Pro"}.items():
        plug_in(device, known)
    plug_in(3, "Logitech C920", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dev/by-id").mkdir()
    (tmp_path / "dev/by-id/usb-Logitech").symlink_to("/dev/video2")
    assert find_camera(name) == number


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        (
            {1: "Webcam Pro", 5: "Webcam Mini"},
            "“webcam” matches several cameras, 1 (Webcam Pro), 5 (Webcam Mini): give a number, or more of the name.",
        ),
        (
            {1: "Integrated Camera"},
            "“webcam” is not the number, name or path of a camera, nor an address such as rtsp://host/path; "
            "cameras found: 1 (Integrated Camera).",
        ),
        (
            {},
            "“webcam” is not the number, name or path of a camera, nor an address such as rtsp://host/path; "
            "no camera was found.",
        ),
    ],
    ids=["several", "another", "none"],
)
def test_a_name_of_no_camera_or_several(plug_in: PlugIn, cameras: dict[int, str], message: str) -> None:
    for number, name in cameras.items():
        plug_in(number, name)
    with pytest.raises(SourceError) as error:
        open_source(camera="webcam")
    assert str(error.value) == message


@pytest.mark.parametrize(("system", "backend"), [("win32", cv2.CAP_MSMF), ("darwin", cv2.CAP_AVFOUNDATION)])
def test_other_systems_list_cameras_with_the_numbers_of_their_backend(
    capture: FakeCapture, monkeypatch: pytest.MonkeyPatch, system: str, backend: int
) -> None:
    capture.default = picture()
    monkeypatch.setattr(sys, "platform", system)
    found = [SimpleNamespace(index=0, name="FaceTime"), SimpleNamespace(index=1, name="Webcam")]
    library = SimpleNamespace(enumerate_cameras={backend: found}.get)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", library)
    assert list_cameras() == [CameraInfo(0, "FaceTime"), CameraInfo(1, "Webcam")]
    with open_source(camera="web"):
        assert capture.opened_with == (1, backend)
