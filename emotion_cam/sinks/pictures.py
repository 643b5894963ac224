"""Annotated pictures: one, numbered ones, or a folder of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2

from emotion_cam.sinks.base import Sink, check_place, save, telling
from emotion_cam.types import Image, Result


def save_picture(path: Path, image: Image) -> None:
    with telling(path):
        # Not imwrite, which on Windows cannot write under every name.
        options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
        done, data = cv2.imencode(path.suffix, image, options)
        if not done:
            raise OSError("OpenCV cannot encode the picture")
    save(path, data.tobytes())


class ImageSink(Sink):
    """The annotated picture: in ``path`` itself, or if ``numbered``, by the frame's index, in NAME-000001.SUFFIX.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path, *, numbered: bool) -> None:
        self.path = Path(path)
        self._numbered = numbered
        check_place(self.path)

    def write(self, result: Result) -> None:
        if self._numbered:
            save_picture(with_number(self.path, result.frame.index), result.annotated)
            self.kept = self.path.with_name(f"{self.path.stem}-*{self.path.suffix}")
        else:
            save_picture(self.path, result.annotated)
            self.kept = self.path


def with_number(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


class FolderSink(Sink):
    """The annotated pictures in a folder, under the names of their sources; the folder is made if it is not there.

    Raises:
        SinkError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with telling(self.folder):
            self.folder.mkdir(exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()

    def write(self, result: Result) -> None:
        save_picture(self.folder / result.frame.source, result.annotated)
        self.kept = self.folder
