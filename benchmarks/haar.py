"""Compares ways to use the Haar cascade: the faces they find in your own clips, the false positives, and the cost.

    python benchmarks/haar.py talk.mp4 family.gif=3 empty_room.mp4=0
    python benchmarks/haar.py --every 5 --cut 0.2 talk.mp4

Each clip shows the same number of faces throughout; give the number after the clip, if it is not 1. The faces are not
marked, so a slow scan stands in for the truth: full size, fine steps, its boxes joined into tracks. The tracks on which
most windows agree are the faces; a running median smooths their boxes, and frames in which even that scan fails are
interpolated.

The table has, for each clip, the percentage of the faces that are found (IoU with a box of 0.5 or more) / the false
positives in 100 frames. Cost is processor time, as a multiple of the first row's. “followed” is the default with a
tracker, as for a video.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice

import cv2
import imutils
import numpy as np

from emotion_cam.detect.base import Detector
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.recognition.tracker import Tracker
from emotion_cam.sources.video import VideoSource
from emotion_cam.types import Box, Image

CASCADE = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class SingleScan:
    """The usual way: one scan, and a face wherever enough windows agree."""

    shorter_side: int
    scale_factor: float
    min_neighbors: int
    equalize: bool = False

    def __call__(self, image: Image) -> list[Box]:
        return [box for _, box in self.votes(image)]

    def votes(self, image: Image) -> list[tuple[int, Box]]:
        """The number of windows that agree on each box."""
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        shorter = min(gray.shape)
        if shorter > self.shorter_side:
            gray = imutils.resize(gray, width=round(gray.shape[1] * self.shorter_side / shorter))
        scale = image.shape[1] / gray.shape[1]
        if self.equalize:
            gray = cv2.equalizeHist(gray)
        rectangles, counts = CASCADE.detectMultiScale2(gray, self.scale_factor, self.min_neighbors)
        corners = [[round(scale * side) for side in (x, y, x + w, y + h)] for x, y, w, h in rectangles]
        return [(int(count), Box(*corner)) for count, corner in zip(counts, corners, strict=True)]


class Followed:
    """The default detector with a tracker, as for a video; ``times`` are those of the frames, in order."""

    def __init__(self, times: Iterable[float]) -> None:
        self._times = iter(times)
        self._tracker = Tracker(HaarDetector())

    def __call__(self, image: Image) -> list[Box]:
        return [face.box for face in self._tracker(image, next(self._times))]


FOLLOWED = "followed"

WAYS: dict[str, Detector] = {
    "default": HaarDetector(),
    "border 0": HaarDetector(border=0),
    "border 0.2": HaarDetector(border=0.2),
    "min_neighbors 6": HaarDetector(min_neighbors=6),
    "min_neighbors 8": HaarDetector(min_neighbors=8),
    "min_neighbors 14": HaarDetector(min_neighbors=14),
    "scale_factor 1.15": HaarDetector(scale_factor=1.15),
    "scale_factor 1.2": HaarDetector(scale_factor=1.2),
    "scale_factor 1.3": HaarDetector(scale_factor=1.3),
    "scale_factor 1.4": HaarDetector(scale_factor=1.4),
    "min_face 1/10": HaarDetector(min_face=1 / 10),
    "min_face 1/12": HaarDetector(min_face=1 / 12),
    "min_face 1/16": HaarDetector(min_face=1 / 16),
    "min_face 1/20": HaarDetector(min_face=1 / 20),
} | {
    f"one scan {side} {scale} {neighbors}{' equalized' * equalize}": SingleScan(side, scale, neighbors, equalize)
    for side, scale, neighbors, equalize in (
        (240, 1.1, 3, False),
        (336, 1.3, 3, False),
        (336, 1.2, 3, False),
        (336, 1.1, 3, False),
        (336, 1.1, 5, False),
        (336, 1.1, 5, True),
        (336, 1.05, 4, False),
        (336, 1.05, 8, False),
        (480, 1.1, 5, False),
        (480, 1.05, 8, False),
    )
}
"""The ways to compare. The names of single scans have the shorter side in pixels, scale factor and neighbors."""


@dataclass
class Track:
    """One face, or one false positive, through a clip."""

    boxes: dict[int, Box] = field(default_factory=dict)
    votes: int = 0

    @property
    def last(self) -> Box:
        return self.boxes[max(self.boxes)]

    def smoothed(self, count: int, reach: int = 1) -> list[Box]:
        """A box for each of ``count`` frames: the median of those around it, interpolated where there is none."""
        found = sorted(self.boxes)
        corners = np.array([(box.x1, box.y1, box.x2, box.y2) for _, box in sorted(self.boxes.items())])
        filled = np.column_stack([np.interp(range(count), found, corner) for corner in corners.T])
        around = (filled[max(0, index - reach) : index + reach + 1] for index in range(count))
        return [Box(*np.median(near, axis=0).round().astype(int).tolist()) for near in around]


def where_faces_are(images: Sequence[Image], people: int) -> list[list[Box]]:
    """For each picture the boxes of this number of faces, by the slow scan."""
    if not people:
        return [[] for _ in images]
    tracks: list[Track] = []
    scan = SingleScan(shorter_side=10_000, scale_factor=1.03, min_neighbors=3)
    for index, image in enumerate(images):
        for votes, box in sorted(scan.votes(image), key=lambda found: -found[0]):
            near = [track for track in tracks if index not in track.boxes and track.last.iou(box) >= 0.5]
            if near:
                track = max(near, key=lambda track: track.last.iou(box))
            else:
                tracks.append(track := Track())
            track.boxes[index] = box
            track.votes += votes
    tracks.sort(key=lambda track: -track.votes)
    return [list(boxes) for boxes in zip(*(track.smoothed(len(images)) for track in tracks[:people]), strict=True)]


def cut_faces(images: Sequence[Image], faces: list[list[Box]], share: float) -> tuple[list[Image], list[list[Box]]]:
    """Cut off the left of every picture up to its leftmost face, and this share of the face itself."""
    pictures, moved = [], []
    for image, boxes in zip(images, faces, strict=True):
        left = min((max(0, round(box.x1 + share * box.width)) for box in boxes), default=0)
        pictures.append(np.ascontiguousarray(image[:, left:]))
        moved.append([Box(box.x1 - left, box.y1, box.x2 - left, box.y2) for box in boxes])
    return pictures, moved


@dataclass
class Tally:
    """The faces that one way found in one clip, its false positives, and its time."""

    found: int = 0
    wanted: int = 0
    false: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, boxes: list[Box], faces: list[Box], seconds: float) -> None:
        missing = list(faces)
        for box in boxes:
            best = max(missing, key=box.iou, default=None)
            if best and box.iou(best) >= 0.5:
                missing.remove(best)
            else:
                self.false += 1
        self.found += len(faces) - len(missing)
        self.wanted += len(faces)
        self.frames += 1
        self.seconds += seconds

    def __iadd__(self, other: Tally) -> Tally:
        for field_ in fields(self):
            setattr(self, field_.name, getattr(self, field_.name) + getattr(other, field_.name))
        return self

    def __str__(self) -> str:
        recall = f"{100 * self.found / self.wanted:.1f}" if self.wanted else "–"
        return f"{recall} / {100 * self.false / self.frames:.1f}"


def split(clip: str) -> tuple[str, int]:
    """The path of a clip, and the number of its faces."""
    path, _, people = clip.rpartition("=")
    return (path, int(people)) if people.isdigit() else (clip, 1)


def measure(detect: Detector, images: Sequence[Image], faces: list[list[Box]]) -> Tally:
    tally = Tally()
    for image, wanted in zip(images, faces, strict=True):
        start = time.process_time()
        boxes = detect(image)
        tally.add(boxes, wanted, time.process_time() - start)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP[=FACES]", help="a video, and the number of its faces")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every Nth frame only")
    parser.add_argument(
        "--cut",
        type=float,
        metavar="SHARE",
        help="move the edge of the picture to cut off this share of the leftmost face",
    )
    ways = [FOLLOWED, *WAYS]
    parser.add_argument("--ways", nargs="+", choices=ways, default=ways, metavar="WAY", help="only these")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)  # or the processor time would include what threads add
    tallies: dict[str, list[Tally]] = {way: [] for way in arguments.ways}
    names = []
    for clip in arguments.clips:
        path, people = split(clip)
        with VideoSource(path) as source:
            names.append(source.name)
            frames = list(islice(source, 0, None, arguments.every))
        images = [frame.image for frame in frames]
        faces = where_faces_are(images, people)
        if arguments.cut is not None:
            images, faces = cut_faces(images, faces, arguments.cut)
        for way, row in tallies.items():
            detect = Followed(frame.time for frame in frames) if way == FOLLOWED else WAYS[way]
            row.append(measure(detect, images, faces))

    print("| way | cost |", " | ".join(names), "|")
    print("| --- | --- |", " | ".join("---" for _ in names), "|")
    costs = {way: sum(tally.seconds / tally.frames for tally in row) for way, row in tallies.items()}
    first = next(iter(costs.values()))
    for way, row in tallies.items():
        print(f"| {way} | {costs[way] / first:.2f} |", " | ".join(map(str, row)), "|")


if __name__ == "__main__":
    main()
