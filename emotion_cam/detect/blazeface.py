"""BlazeFace, MediaPipe's network, run by LiteRT.

Source: Bazarevsky, Kartynnik, Vakunov, Raveendran and Grundmann, "BlazeFace: Sub-millisecond neural face detection on
mobile GPUs" (CVPR Workshop on Computer Vision for Augmented and Virtual Reality, 2019). Anchors and numbers are those
of MediaPipe's mediapipe/modules/face_detection, unless a comment says otherwise.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from emotion_cam.checks import AnyPath, as_path
from emotion_cam.defaults import MIN_FACE
from emotion_cam.detect.base import Floats, Framing, NetworkDetector, check_threshold
from emotion_cam.errors import DetectorError
from emotion_cam.litert import open_interpreter
from emotion_cam.pool import Pool
from emotion_cam.types import Image

_GRIDS = {896: ((16, 2), (8, 6)), 2304: ((48, 1),)}
"""The grids of anchors by their total number, which differs between the short-range and the full-range network; each
grid as (cells along a side, anchors in each cell)."""

_SAME_FACE_IOU = 0.3
"""Two answers that overlap by more are the same face."""


class BlazeFaceDetector(NetworkDetector):
    """MediaPipe's BlazeFace: finds tilted heads and dim faces; takes the same time for a picture of any size.

    The picture is resized to the network's input, 192 × 192 pixels for full range and 128 × 128 for short range. So the
    network has a smallest face of its own, whatever ``min_face`` is: about a sixteenth of the picture's longer side for
    full range, an eighth for short range.

    Args:
        model: MediaPipe's TFLite file, for full range (dense or sparse) or short range.
        min_face: the side of the smallest face to return, as a share of the picture's shorter side.
        threshold: the least score of a face, in (0, 1); MediaPipe's number for short range.

    Raises:
        TypeError, ValueError: ``min_face`` is not a number in (0, 1], or ``threshold`` not one in (0, 1).
        DetectorError: the file is missing or not BlazeFace's.
    """

    framing = Framing(scale=1.12, down=-0.07)
    crop_margin = 1.5  # with less it misses more tilted and dim faces, and is no faster

    def __init__(self, model: AnyPath, min_face: float = MIN_FACE, threshold: float = 0.5) -> None:
        super().__init__(min_face)
        model = as_path(model, "model")
        check_threshold(threshold)
        if not model.is_file():
            raise DetectorError(f"The model file {model} does not exist.")
        self.threshold = threshold
        try:
            self._networks = Pool(partial(open_interpreter, model, max(1, cv2.getNumThreads())))
            with self._networks as network:
                (picture,) = network.get_input_details()
                outputs = {int(out["shape"][-1]): out for out in network.get_output_details()}
            self._input, self._side = picture["index"], int(picture["shape"][1])
            self._boxes, self._logits = outputs[16]["index"], outputs[1]["index"]
            self._anchors = anchor_centers(int(outputs[1]["shape"][1])) * self._side
            self.corners(np.zeros((self._side, self._side, 3), np.uint8), 1.0)  # another network fails here
        except Exception as error:  # LiteRT raises errors of many kinds for a damaged file
            raise DetectorError(f"{model} is damaged or not a BlazeFace model (TFLite).") from error

    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes; see ``NetworkDetector``. ``smallest`` makes no difference."""
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (self._side - size[0]) // 2, (self._side - size[1]) // 2
        square = np.zeros((self._side, self._side, 3), np.uint8)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        square[top : top + size[1], left : left + size[0]] = small[..., ::-1]  # the network takes RGB

        with self._networks as network:
            network.set_tensor(self._input, square[None].astype(np.float32) / 127.5 - 1)
            network.invoke()
            logits, boxes = network.get_tensor(self._logits)[0, :, 0], network.get_tensor(self._boxes)[0]
        faces = blend(*decode(logits, boxes, self._anchors, self.threshold))
        return np.asarray((faces - np.array([left, top, left, top])) / scale, np.float32)


def anchor_centers(count: int) -> Floats:
    """The centers of a network's anchors, (count, 2), as shares of its input's side. All anchors have the same size.

    Raises:
        LookupError: no BlazeFace network has this number of anchors.
    """
    grids = []
    for cells, anchors_per_cell in _GRIDS[count]:
        centers = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grids.append(np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2).repeat(anchors_per_cell, axis=0))
    return np.concatenate(grids)


def decode(logits: Floats, boxes: Floats, centers: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Convert a network's answers to boxes: those of the anchors at which it finds a face.

    Args:
        logits: (anchors,).
        boxes: (anchors, 16), in pixels of the network's input: the face's center relative to the anchor's, its width
            and height, and six points of it, which are not used: they do not have the mouth's corners.
        centers: the anchors' centers, (anchors, 2), in the same pixels.
        threshold: the least score of a face, in (0, 1).

    Returns:
        Scores, (faces,), and corners x1 y1 x2 y2, (faces, 4). Boxes without a size are left out.
    """
    scores = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    found = (scores >= threshold) & (boxes[:, 2:4] > 0).all(axis=1)
    middle, half = centers[found] + boxes[found, :2], boxes[found, 2:4] / 2
    return scores[found], np.hstack([middle - half, middle + half])


def blend(scores: Floats, corners: Floats) -> Floats:
    """Make one box of all boxes of a face: the mean of those that overlap the best one, weighted by their scores.

    The paper uses it in place of non-maximum suppression, because its boxes are steadier in a video (section 3.4).

    Args:
        scores: (boxes,).
        corners: x1 y1 x2 y2, (boxes, 4).

    Returns:
        x1 y1 x2 y2, (faces, 4), highest score first.
    """
    faces = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        boxes = corners[order]
        shared = np.minimum(boxes[0, 2:], boxes[:, 2:]) - np.maximum(boxes[0, :2], boxes[:, :2])
        area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        overlap = shared.clip(0).prod(axis=1)
        same = overlap > _SAME_FACE_IOU * (area[0] + area - overlap)
        same[0] = True
        faces.append(np.average(boxes[same], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return np.array(faces, np.float32).reshape(-1, 4)
