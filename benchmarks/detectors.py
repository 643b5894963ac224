"""How many faces each detector finds in your own clips, how long it takes, and how its boxes lie to the cascade's.

    python benchmarks/detectors.py talk.mp4 family.gif=3 empty_room.mp4=0

A clip is followed by how many faces it shows throughout; 1 if not told. Where they are is taken from a slow scan with
the cascade, as in haar.py. The first table has the share of the faces that are found (IoU of 0.5 or more), the mean
over the clips: as they are, with the camera tilted, and with the light turned down and noise added; then how many boxes
are no face, and the time on one thread. The second compares a detector's boxes with the cascade's, on frames in which
both see the face, beside what the cascade says of the mirrored picture; its last line is what ``framing`` should be.
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

from emotion_cam.detect import DETECTORS, open_detector
from emotion_cam.detect.base import Detector, NetworkDetector
from emotion_cam.detect.weights import WEIGHTS
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.sources import VideoSource
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.types import Box, Frame, Image


@dataclass
class Clip:
    """Frames, and the faces in each of them."""

    frames: Sequence[Frame]
    faces: list[list[Box]]


def tilted(image: Image, boxes: Sequence[Box], degrees: float) -> tuple[Image, list[Box]]:
    """As a camera sees it that leans to the side."""
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
    """With so much of the light, and a dark room's noise."""
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


def searched(detect: Detector, clip: Clip, condition: str) -> Tally:
    """Every frame for itself."""
    tally = Tally()
    for frame, faces in zip(clip.frames, clip.faces, strict=True):
        image, wanted = CONDITIONS[condition](frame.image, faces)
        start = time.process_time()
        boxes = detect(image)
        tally.add(boxes, wanted, time.process_time() - start)
    return tally


def followed(detect: Detector, clip: Clip) -> Tally:
    """As a video, with a tracker."""
    tally, track = Tally(), Tracker(detect)
    for frame, faces in zip(clip.frames, clip.faces, strict=True):
        start = time.process_time()
        boxes = [face.box for face in track(frame.image, frame.time)]
        tally.add(boxes, faces, time.process_time() - start)
    return tally


def recall(tallies: Sequence[Tally]) -> str:
    return f"{fmean(100 * tally.found / tally.wanted for tally in tallies if tally.wanted):.1f} %"


def false(tallies: Sequence[Tally]) -> str:
    return f"{100 * sum(tally.false for tally in tallies) / sum(tally.frames for tally in tallies):.1f}"


def milliseconds(tallies: Sequence[Tally]) -> str:
    return f"{fmean(1000 * tally.seconds / tally.frames for tally in tallies):.1f} ms"


def table(name: str, rows: dict[str, list[str]], columns: Sequence[str]) -> str:
    lines = [[name, *columns], ["---"] * (1 + len(columns)), *([row, *cells] for row, cells in rows.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def found(detectors: dict[str, Detector], clips: Sequence[Clip]) -> str:
    rows: dict[str, list[str]] = {}
    for detect in detectors.values():
        by_condition = {name: [searched(detect, clip, name) for clip in clips] for name in CONDITIONS}
        as_video = [followed(detect, clip) for clip in clips]
        plain = by_condition["as it is"]
        figures = {f"found, {name}": recall(tallies) for name, tallies in by_condition.items()} | {
            "found, followed as a video": recall(as_video),
            "no face, in 100 frames": false(plain),
            "no face, the worst of those conditions": max(map(false, by_condition.values()), key=float),
            "no face, followed": false(as_video),
            "time for a search": milliseconds(plain),
            "time for a frame of a video": milliseconds(as_video),
        }
        for name, figure in figures.items():
            rows.setdefault(name, []).append(figure)
    return table("", rows, list(detectors))


def of_the_mirrored(detect: Detector) -> Detector:
    def mirrored(image: Image) -> list[Box]:
        return [box.mirrored(image.shape[1]) for box in detect(np.ascontiguousarray(image[:, ::-1]))]

    return mirrored


@dataclass
class Pairs:
    """The cascade's box and another detector's around one face, for the faces of a clip that both see."""

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

    def agreement(self, recognizer: Recognizer, task: str) -> float:
        """How often a network says the same of both boxes."""
        (classifier,) = (classifier for classifier in recognizer.classifiers if classifier.card.task == task)
        same = [
            len({int(prediction.scores.argmax()) for prediction in recognizer.predict(classifier, image, boxes)}) == 1
            for image, *boxes in zip(self.image, self.haar, self.other, strict=True)
        ]
        return fmean(same)

    @property
    def scale(self) -> float:
        return median(a.width / b.width for a, b in zip(self.haar, self.other, strict=True))

    @property
    def down(self) -> float:
        return median((a.y1 + a.y2 - b.y1 - b.y2) / 2 / a.width for a, b in zip(self.haar, self.other, strict=True))


def framed(detectors: dict[str, Detector], clips: Sequence[Clip]) -> str:
    """Means over the clips, for a long one is no more than a short one."""
    haar, recognizer = detectors["haar"], Recognizer()
    rows: dict[str, list[str]] = {}
    others = {"haar, mirrored": of_the_mirrored(haar)} | {name: detectors[name] for name in WEIGHTS}
    for other in others.values():
        pairs = [pair for clip in clips if (pair := Pairs.of(haar, other, clip)).haar]
        row = {"IoU with the cascade's box": f"{fmean(pair.iou for pair in pairs):.2f}"}
        for task in ("emotion", "gender"):
            row[f"same {task}"] = f"{100 * fmean(pair.agreement(recognizer, task) for pair in pairs):.0f} %"
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
    parser.add_argument("clips", nargs="+", metavar="CLIP[=FACES]", help="a video, and how many faces it shows")
    parser.add_argument("--most", type=int, default=300, metavar="N", help="only the first N frames of each clip")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)  # or the processor time would count how the work is shared out
    clips = []
    for clip in arguments.clips:
        path, people = split(clip)
        with VideoSource(path) as source:
            frames = list(islice(source, arguments.most))
        clips.append(Clip(frames, where_faces_are([frame.image for frame in frames], people)))
    detectors = {name: open_detector(name, tell=print) for name in DETECTORS}
    print(found(detectors, clips), framed(detectors, clips), sep="\n\n")


if __name__ == "__main__":
    main()
