"""The sinks for pictures: every picture is read back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.errors import SinkError
from emotion_cam.sinks.pictures import FolderSink, ImageSink
from tests.builders import file_names, picture, result


def test_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    with ImageSink(path, numbered=False) as sink:
        before = sink.output
        sink.write(result())
    assert before is None
    np.testing.assert_array_equal(cv2.imread(str(path)), picture())
    assert (sink.output, file_names(tmp_path)) == (path, ["out.png"])


def test_jpeg_quality(tmp_path: Path) -> None:
    with ImageSink(tmp_path / "out.JPG", numbered=False) as sink:
        sink.write(result())
    expected = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    assert (tmp_path / "out.JPG").read_bytes() == expected


def test_several_pictures_are_numbered_by_frame(tmp_path: Path) -> None:
    with ImageSink(tmp_path / "out.png", numbered=True) as sink:
        for index in (0, 12):
            sink.write(result(index))
    assert file_names(tmp_path) == ["out-000000.png", "out-000012.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out-000012.png")), picture(12))
    assert sink.output == tmp_path / "out-*.png"


def test_a_picture_that_cannot_be_written_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"an older file")

    def fail(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(SinkError) as error, ImageSink(path, numbered=False) as sink:
        sink.write(result())
    assert str(error.value) == f"{path} cannot be written: No space left on device."
    assert (path.read_bytes(), file_names(tmp_path)) == (b"an older file", ["out.png"])


def test_a_folder_keeps_the_names_of_the_sources(tmp_path: Path) -> None:
    with FolderSink(tmp_path / "out") as sink:
        for index, name in enumerate(["a.png", "b.webp", "c.tif", "d.bmp"]):
            sink.write(result(index, source=name))
    assert file_names(tmp_path / "out") == ["a.png", "b.webp", "c.tif", "d.bmp"]
    assert sink.output == tmp_path / "out"
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "c.tif")), picture(2))
