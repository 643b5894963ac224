"""BlazeFace, MediaPipe's network, run by LiteRT.

Bazarevsky, Kartynnik, Vakunov, Raveendran and Grundmann, "BlazeFace: Sub-millisecond neural face detection on mobile
GPUs" (CVPR Workshop on Computer Vision for Augmented and Virtual Reality, 2019). Anchors and numbers are those of
MediaPipe's mediapipe/modules/face_detection, unless it says otherwise.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from emotion_cam.detect.base import MIN_FACE, Floats, Framing, NetworkDetector
from emotion_cam.errors import DetectorError
from emotion_cam.litert import open_interpreter
from emotion_cam.types import Image

_GRIDS = {896: ((16, 2), (8, 6)), 2304: ((48, 1),)}
"""By how many anchors a network has, those near and those far from the camera: the grids on which they lie, as cells
along a side and anchors in each cell."""

_OVERLAP = 0.3
"""Above which IoU two answers are of the same face."""


class BlazeFaceDetector(NetworkDetector):
    """MediaPipe's BlazeFace: sees tilted heads and dim faces; a picture of any size takes equally long.

    The picture is brought to the size of the network's input, 192 × 192 pixels for full range and 128 × 128 for short
    range, so there is a smallest face that it can see, whatever ``min_face`` says: about a sixteenth and an eighth of
    the picture's longer side.

    Args:
        model: MediaPipe's TFLite file, for full range (dense or sparse) or short range.
        min_face: the side of the smallest face to tell of, as a share of the picture's shorter side.
        threshold: the score above which a face is believed in, in (0, 1); MediaPipe's for short range.

    Raises:
        ValueError: ``min_face`` is not in (0, 1], or ``threshold`` not in (0, 1).
        DetectorError: the file is missing or no BlazeFace.
    """

    framing = Framing(scale=1.12, down=-0.07)
    around = 1.5  # with less, it misses more of the tilted and dim faces; it costs nothing

    def __init__(self, model: Path, min_face: float = MIN_FACE, threshold: float = 0.5) -> None:
        super().__init__(min_face)
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is a score in (0, 1), not {threshold}")
        if not model.is_file():
            raise DetectorError(f"There is no detector's model {model}.")
        self.threshold = threshold
        try:
            self._network = open_interpreter(model, max(1, cv2.getNumThreads()))
            (picture,) = self._network.get_input_details()
            outputs = {int(out["shape"][-1]): out for out in self._network.get_output_details()}
            self._input, self._side = picture["index"], int(picture["shape"][1])
            self._places, self._logits = outputs[16]["index"], outputs[1]["index"]
            self._anchors = anchors(int(outputs[1]["shape"][1])) * self._side
        except (ValueError, RuntimeError, LookupError) as error:
            raise DetectorError(f"{model} is damaged or no BlazeFace model (TFLite).") from error

    def corners(self, image: Image, smallest: float) -> Floats:
        """The network's own boxes, as ``NetworkDetector`` says, whatever the smallest."""
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (self._side - size[0]) // 2, (self._side - size[1]) // 2
        square = np.zeros((self._side, self._side, 3), np.uint8)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        square[top : top + size[1], left : left + size[0]] = small[..., ::-1]  # it takes RGB

        self._network.set_tensor(self._input, square[None].astype(np.float32) / 127.5 - 1)
        self._network.invoke()
        logits, places = self._network.get_tensor(self._logits)[0, :, 0], self._network.get_tensor(self._places)[0]
        faces = blended(*decoded(logits, places, self._anchors, self.threshold))
        return np.asarray((faces - np.array([left, top, left, top])) / scale, np.float32)


def anchors(count: int) -> Floats:
    """The centres of a network's anchors, (count, 2), as shares of the picture's side. All have the same size.

    Raises:
        LookupError: no BlazeFace has so many.
    """
    grids = []
    for cells, each in _GRIDS[count]:
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grids.append(np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2).repeat(each, axis=0))
    return np.concatenate(grids)


def decoded(logits: Floats, places: Floats, centres: Floats, threshold: float) -> tuple[Floats, Floats]:
    """What a network says of those anchors in which it sees a face, of some size.

    Args:
        logits: (anchors,).
        places: (anchors, 16): the face's centre, seen from the anchor's, its width and height, and six points of it,
            which are not used; in pixels of the network's input.
        centres: those of the anchors in the same pixels, (anchors, 2).
        threshold: the least score of a face, in (0, 1).

    Returns:
        Scores, (faces,), and corners x1 y1 x2 y2, (faces, 4).
    """
    scores = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    seen = (scores >= threshold) & (places[:, 2:4] > 0).all(axis=1)
    middle, half = centres[seen] + places[seen, :2], places[seen, 2:4] / 2
    return scores[seen], np.hstack([middle - half, middle + half])


def blended(scores: Floats, corners: Floats) -> Floats:
    """One box for each face: the mean of those that overlap the best one, weighted by their scores.

    The paper takes it in the place of non-maximum suppression, for boxes that tremble less (section 3.4).

    Args:
        scores: (boxes,).
        corners: x1 y1 x2 y2, (boxes, 4).

    Returns:
        (faces, 4), the best first.
    """
    faces = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        boxes = corners[order]
        shared = np.minimum(boxes[0, 2:], boxes[:, 2:]) - np.maximum(boxes[0, :2], boxes[:, :2])
        area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        overlap = shared.clip(0).prod(axis=1)
        same = overlap > _OVERLAP * (area[0] + area - overlap)
        same[0] = True
        faces.append(np.average(boxes[same], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return np.array(faces, np.float32).reshape(-1, 4)
