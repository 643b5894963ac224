"""YuNet, run by OpenCV's FaceDetectorYN.

Wu, Peng and Yu, "YuNet: A tiny millisecond-level face detector" (Machine Intelligence Research 20, 2023).
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from emotion_cam.detect.base import MIN_FACE, Floats, Framing, NetworkDetector
from emotion_cam.errors import DetectorError
from emotion_cam.types import Image

_SMALLEST = 16
"""The side in pixels to which the smallest face that is wanted is reduced. It saw every face in our clips at 12, too,
but was less sure of them; it was trained on faces from about 10 to 300 pixels."""

_LARGEST = 2.0
"""How many times a picture is enlarged at most."""

_LEAST = 64
"""The least height and width in pixels that the network is shown. At 32 or less, OpenCV runs it on one cell in a row,
and what it then says is made up of stray memory."""

_OVERLAP = 0.3
"""Above which IoU two answers are of the same face; OpenCV's own figure."""


class YuNetDetector(NetworkDetector):
    """OpenCV's FaceDetectorYN: quicker than a search with the cascade, and sees tilted heads and dim faces.

    Args:
        model: YuNet's ONNX file, as of OpenCV Zoo: face_detection_yunet_2023mar.onnx.
        min_face: the side of the smallest face to find, as a share of the picture's shorter side. The picture is
            reduced until that face just is large enough for the network, so the time goes with the inverse square of
            ``min_face``, and large pictures take hardly longer than small ones.
        threshold: the score above which a face is believed in, in (0, 1). OpenCV's own 0.9 is for clear ones only.

    Raises:
        ValueError: ``min_face`` is not in (0, 1].
        DetectorError: the file is missing or no YuNet.
    """

    framing = Framing(scale=1.12, down=-0.03)
    around = 1.0

    def __init__(self, model: Path, min_face: float = MIN_FACE, threshold: float = 0.6) -> None:
        super().__init__(min_face)
        if not model.is_file():
            raise DetectorError(f"There is no detector's model {model}.")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what goes wrong is told below
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (_LEAST, _LEAST), threshold, _OVERLAP)
            self._network.detect(np.zeros((_LEAST, _LEAST, 3), np.uint8))  # another network fails here
        except cv2.error as error:
            raise DetectorError(f"{model} is damaged or no YuNet model (ONNX).") from error
        finally:
            cv2.utils.logging.setLogLevel(level)

    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes, as ``NetworkDetector`` says."""
        height, width = image.shape[:2]
        scale = min(_LARGEST, _SMALLEST / smallest)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if min(size) < _LEAST:
            right, bottom = (max(0, _LEAST - side) for side in size)
            small = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        self._network.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self._network.detect(small)
        if faces is None:
            return np.zeros((0, 4), np.float32)
        x, y, across, down = faces[np.argsort(-faces[:, -1], kind="stable"), :4].T
        return np.asarray(np.stack([x, y, x + across, y + down], axis=1) / scale, np.float32)
