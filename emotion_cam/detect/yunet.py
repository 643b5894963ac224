"""YuNet, run by OpenCV's FaceDetectorYN.

Source: Wu, Peng and Yu, "YuNet: A tiny millisecond-level face detector" (Machine Intelligence Research 20, 2023).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import partial

import cv2
import numpy as np

from emotion_cam.checks import AnyPath, as_path
from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.base import Floats, Framing, NetworkDetector, check_threshold
from emotion_cam.errors import DetectorError
from emotion_cam.pool import Pool
from emotion_cam.types import Image

_FACE_SIDE = 16
"""The side in pixels that the smallest face has in the network's input. In our clips 12 was enough to find every face,
but with lower scores; the network was trained on faces of about 10 to 300 pixels."""

_MAX_SCALE = 2.0
"""How many times a picture is enlarged at most."""

_MIN_INPUT = 64
"""The least height and width in pixels of the network's input. At 32 or less, OpenCV runs it on a single row of cells,
and its answers are stray memory."""

_SAME_FACE_IOU = 0.3
"""Two answers that overlap by more are the same face; OpenCV's own number."""

PUBLISHED = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""The SHA-256 of OpenCV Zoo's face_detection_yunet_2023mar.onnx."""

_TRIAL = """
import sys
sys.path[:] = sys.argv[1:]
import cv2
import numpy as np
content = np.frombuffer(sys.stdin.buffer.read(), np.uint8)
network = cv2.FaceDetectorYN.create("onnx", content, np.zeros(0, np.uint8), (64, 64))
for width, height in ((64, 64), (160, 120)):
    network.setInputSize((width, height))
    network.detect(np.zeros((height, width, 3), np.uint8))
"""

_TRIAL_SECONDS = 60


class YuNetDetector(NetworkDetector):
    """OpenCV's FaceDetectorYN: faster than a search with the cascade, and finds tilted heads and dim faces.

    Args:
        model: YuNet's ONNX file, as in OpenCV Zoo: face_detection_yunet_2023mar.onnx.
        min_face: the side of the smallest face to find, as a share of the picture's shorter side. The picture is
            reduced until that face is just large enough for the network, so the time falls with the square of
            ``min_face``, and large pictures take hardly longer than small ones.
        threshold: the least score of a face, in (0, 1). OpenCV's own 0.9 finds clear faces only.

    Raises:
        TypeError, ValueError: ``min_face`` is not a number in (0, 1], or ``threshold`` not one in (0, 1).
        DetectorError: the file is missing, damaged or not YuNet's. Any file but the published one is first tried in
            another process, which takes half a second, because some damaged files crash OpenCV.
    """

    framing = Framing(scale=1.12, down=-0.03)
    crop_margin = 1.0
    finds_landmarks = True

    def __init__(self, model: AnyPath, min_face: float = MIN_FACE, threshold: float = 0.6) -> None:
        super().__init__(min_face)
        model = as_path(model, "model")
        check_threshold(threshold)
        if not model.is_file():
            raise DetectorError(f"The model file {model} does not exist.")
        try:
            content = model.read_bytes()
        except OSError as error:
            raise DetectorError(f"{model} cannot be read: {error.strerror}.") from error
        if hashlib.sha256(content).hexdigest() != PUBLISHED and not _survives(content):
            raise DetectorError(f"{model} is damaged or not a YuNet model (ONNX).")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error below says it all
        try:
            self._networks = Pool(partial(_open, content, threshold))
        except Exception as error:  # OpenCV raises errors of many kinds for a damaged file
            raise DetectorError(f"{model} is damaged or not a YuNet model (ONNX).") from error
        finally:
            cv2.utils.logging.setLogLevel(level)

    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes; see ``NetworkDetector``."""
        height, width = image.shape[:2]
        scale = min(_MAX_SCALE, _FACE_SIDE / smallest)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if min(size) < _MIN_INPUT:
            right, bottom = (max(0, _MIN_INPUT - side) for side in size)
            small = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        with self._networks as network:
            network.setInputSize((small.shape[1], small.shape[0]))
            _, faces = network.detect(small)
        if faces is None:
            return np.zeros((0, 14), np.float32)
        # Each row: left, top, width, height; x and y of eyes, nose and mouth, in the order of Landmarks; score.
        faces = faces[np.argsort(-faces[:, -1], kind="stable")]
        corners = np.hstack([faces[:, :2], faces[:, :2] + faces[:, 2:4], faces[:, 4:14]])
        return np.asarray(corners / scale, np.float32)


def _survives(content: bytes) -> bool:
    """Whether OpenCV opens and runs a network, and does not crash."""
    command = [sys.executable, "-c", _TRIAL, *sys.path]
    try:
        trial = subprocess.run(command, input=content, capture_output=True, timeout=_TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return trial.returncode == 0


def _open(content: bytes, threshold: float) -> cv2.FaceDetectorYN:
    network = cv2.FaceDetectorYN.create(
        *("onnx", np.frombuffer(content, np.uint8), np.zeros(0, np.uint8)),
        *((_MIN_INPUT, _MIN_INPUT), threshold, _SAME_FACE_IOU),
    )
    network.detect(np.zeros((_MIN_INPUT, _MIN_INPUT, 3), np.uint8))  # another network fails here
    return network
