"""A picture, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from emotion_cam.errors import SourceError
from emotion_cam.sources.base import Source, check_readable, files_in
from emotion_cam.types import Frame, Image

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""The suffixes of the pictures in a folder, in lower case."""


class ImageSource(Source):
    """A picture, or the pictures of a folder in natural order (2 before 10); each frame's source is its file's name.

    EXIF rotation is applied; grayscale and transparent pictures become BGR. The time of every frame is 0.

    Attributes:
        path: the picture or folder.
        folder: whether it is a folder.

    Raises:
        SourceError: there is no picture; while iterating: a file is not a picture.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.absolute().name
        self.folder = self.path.is_dir()
        if self.folder:
            self.paths = files_in(self.path, PICTURES, "pictures")
        else:
            check_readable(self.path)
            self.paths = (self.path,)
        self.frame_count = len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self.paths):
            yield Frame(_read_picture(path), index, 0.0, path.name)
        self.ended = True


def _read_picture(path: Path) -> Image:
    check_readable(path)
    try:
        # Not imread, which cannot open every file name on Windows.
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise SourceError(f"{path} is not a picture that can be read ({' '.join(PICTURES)}), or it is damaged.")
    return np.asarray(image, np.uint8)
