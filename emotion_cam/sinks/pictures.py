"""Annotated pictures: one, numbered ones, or a folder of them."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from pathlib import Path

import cv2

from emotion_cam.files import check_writable, sweep, write_errors, write_file
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink, sink_errors
from emotion_cam.types import Image


def save_picture(path: Path, image: Image) -> None:
    """Write a BGR picture in the format of the path's suffix. Raises SinkError if that fails."""
    with sink_errors(path):
        # Not imwrite, which cannot write under every file name on Windows.
        options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
        ok, data = cv2.imencode(path.suffix, image, options)
        if not ok:
            raise OSError("OpenCV cannot encode the picture")
    write_file(path, data.tobytes())


class ImageSink(Sink):
    """The annotated picture in ``path`` itself, or, if ``numbered``, each one in NAME-000001.SUFFIX by its frame index.

    Raises:
        SinkError: the place cannot be written to.
    """

    def __init__(self, path: str | Path, *, numbered: bool) -> None:
        self.path = Path(path)
        self._numbered = numbered
        check_writable(self.path)
        if numbered:
            with write_errors(self.path), suppress(FileNotFoundError):
                with_number(self.path, 0).stat()  # whose name may be too long
            sweep(self.path.parent, re.escape(self.path.stem) + r"-\d+")

    def write(self, result: Result) -> None:
        if self._numbered:
            save_picture(with_number(self.path, result.frame.index), result.annotated)
            self.output = self.path.with_name(f"{self.path.stem}-*{self.path.suffix}")
        else:
            save_picture(self.path, result.annotated)
            self.output = self.path


def with_number(path: Path, number: int) -> Path:
    """The path with a number of six digits behind its name."""
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


class FolderSink(Sink):
    """The annotated pictures in a folder, under the names of their sources; the folder is made if it does not exist.

    Raises:
        SinkError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with sink_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
            sweep(self.folder)

    def write(self, result: Result) -> None:
        save_picture(self.folder / result.frame.source, result.annotated)
        self.output = self.folder
