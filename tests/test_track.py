from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from emotion_cam.detect import HaarDetector, same_face
from emotion_cam.recognize import Recognizer
from emotion_cam.track import HOLD, LOOK, MEMORY, Tracker
from emotion_cam.types import Box, Frame, Image

FPS = 30
NOBODY = np.full((480, 640, 3), 110, np.uint8)


def with_portraits(portrait: Image, *places: tuple[float, float], scale: float = 0.8) -> Image:
    """640 × 480, grey, with the portrait's head at each place: its middle, in pixels."""
    image = NOBODY.copy()
    head = np.asarray(cv2.resize(portrait[20:220, 124:324], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    side = head.shape[0]
    for x, y in places:
        left, top = round(x - side / 2), round(y - side / 2)
        image[top : top + side, left : left + side] = head
    return image


class Marks:
    """A detector for pictures in which every face is a blob of a grey of its own; counts what it is asked to do."""

    def __init__(self) -> None:
        self.searches: list[float] = []
        self.looks = 0

    def __call__(self, image: Image) -> list[Box]:
        boxes = []
        for grey in np.unique(image[image > 0]):
            rows, columns = np.nonzero(image[..., 0] == grey)
            boxes.append(Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
        return sorted(boxes, key=lambda box: box.x1)

    def scan(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        self.searches.append(stop - start)
        if int(start) == int(stop) and stop < 2:
            return []
        return [box for box in self(image) if not any(same_face(box, other) for other in known)]

    def look(self, image: Image, near: Box) -> Box | None:
        self.looks += 1
        return next((box for box in self(image) if same_face(box, near)), None)


def blobs(*boxes: Box) -> Image:
    image = np.zeros((120, 160, 3), np.uint8)
    for number, box in enumerate(boxes):
        image[box.y1 : box.y2, box.x1 : box.x2] = 250 - 40 * number
    return image


def test_a_face_that_moves_keeps_its_number_and_its_box_follows(portrait: Image) -> None:
    track = Tracker(HaarDetector())
    for index in range(60):
        x, y = 200 + 4 * index, 200 + 60 * np.sin(index / 8)
        (face,) = track(with_portraits(portrait, (x, y)), index / FPS)
        assert face.number == 1
        assert face.seen
        assert abs((face.box.x1 + face.box.x2) / 2 - x) < 12
        assert abs((face.box.y1 + face.box.y2) / 2 - y) < 12


def test_a_face_that_comes_closer_grows(portrait: Image) -> None:
    track = Tracker(HaarDetector())
    sides = [
        track(with_portraits(portrait, (320, 240), scale=0.5 + index / 40), index / FPS)[0].box.width
        for index in range(60)
    ]
    assert sides[-1] / sides[0] == pytest.approx((0.5 + 59 / 40) / 0.5, rel=0.15)


def test_a_new_face_appears_within_a_third_of_a_second_and_has_a_number_of_its_own(portrait: Image) -> None:
    for start in range(8):
        track = Tracker(HaarDetector())
        for index in range(start + 1):
            assert [face.number for face in track(with_portraits(portrait, (150, 200)), index / FPS)] == [1]
        seconds = start / FPS
        for index in range(1, 10):
            faces = track(with_portraits(portrait, (150, 200), (480, 260)), seconds + index / FPS)
            if len(faces) == 2:
                break
        assert [face.number for face in faces] == [1, 2]
        assert faces[1].box.x1 > 320


def test_nobody_is_nobody() -> None:
    track = Tracker(HaarDetector())
    assert all(track(NOBODY, index / FPS) == [] for index in range(20))


def test_the_same_frames_give_the_same_faces(portrait: Image) -> None:
    frames = [with_portraits(portrait, (200 + 9 * index, 220), (420, 250)) for index in range(20)]
    runs = [
        [track(frame, index / FPS) for index, frame in enumerate(frames)]
        for track in (Tracker(HaarDetector()), Tracker(HaarDetector()))
    ]
    assert runs[0] == runs[1]


def test_the_search_is_shared_out_by_time_whatever_the_frame_rate() -> None:
    for fps in (10, 30, 120):
        detector = Marks()
        track = Tracker(detector, every=0.25)
        for index in range(fps + 1):
            track(blobs(), index / fps)
        assert detector.searches[0] == 2  # the first frame is searched in full
        assert sum(detector.searches[1:]) == pytest.approx(4, abs=0.8)
        assert max(detector.searches[1:]) <= 4 / fps + 1e-6


@pytest.mark.parametrize("seconds", [[0, 5, 10], [0, 0, 0], [2, 1, 0], [0.0, 0.25, 0.5]])
def test_after_a_jump_or_without_a_clock_every_frame_is_searched_in_full(seconds: list[float]) -> None:
    detector = Marks()
    track = Tracker(detector, every=0.25)
    for time in seconds:
        track(blobs(), time)
    assert detector.searches == [2, 2, 2]


def test_zero_seconds_search_every_frame_in_full() -> None:
    detector = Marks()
    track = Tracker(detector, every=0)
    for index in range(5):
        track(blobs(), index / FPS)
    assert detector.searches == [2] * 5
    with pytest.raises(ValueError, match="every"):
        Tracker(detector, every=-1)


def test_a_known_face_is_looked_for_about_ten_times_a_second(portrait: Image) -> None:
    class Counted(HaarDetector):
        looks = 0

        def look(self, image: Image, near: Box) -> Box | None:
            self.looks += 1
            return super().look(image, near)

    detector = Counted()
    track = Tracker(detector)
    for index in range(2 * FPS):
        track(with_portraits(portrait, (200 + 2 * index, 200)), index / FPS)
    assert 0.7 * 2 / LOOK <= detector.looks <= 1.1 * 2 / LOOK


def test_a_hidden_face_stays_a_moment_and_finds_its_number_again() -> None:
    a, b = Box(10, 20, 40, 50), Box(90, 20, 120, 50)
    track = Tracker(Marks())
    assert [face.number for face in track(blobs(a, b), 0.0)] == [1, 2]
    held = track(blobs(b), HOLD - 0.1)
    assert [(face.number, face.seen) for face in held] == [(1, False), (2, True)]
    assert held[0].box == a
    assert [face.number for face in track(blobs(b), HOLD + 0.1)] == [2]
    assert [face.number for face in track(blobs(a.moved(8, 4), b), HOLD + MEMORY / 2)] == [1, 2]
    track(blobs(b), 3.0)
    track(blobs(b), 3.1)
    assert [face.number for face in track(blobs(a, b), 3.2 + MEMORY)] == [2, 3]


def test_two_numbers_never_stay_on_one_face() -> None:
    a, b = Box(10, 20, 40, 50), Box(60, 20, 90, 50)
    track = Tracker(Marks())
    assert len(track(blobs(a, b), 0.0)) == 2
    # The second face vanishes where the first one now is.
    faces = track(blobs(b.moved(-4, 0)), 0.1)
    faces = track(blobs(b.moved(-4, 0)), 0.2)
    faces = track(blobs(b.moved(-4, 0)), 0.6)
    assert len(faces) == 1


def test_any_detector_will_do() -> None:
    calls = []

    def detect(image: Image) -> list[Box]:
        calls.append(image.shape)
        return Marks()(image)

    a = Box(10, 20, 40, 50)
    track = Tracker(detect, every=0.25)
    for index in range(31):
        (face,) = track(blobs(a.moved(index, index // 2)), index / FPS)
        assert face == (1, a.moved(index, index // 2), True)
    assert calls[0] == (120, 160, 3)
    # Four searches a second; between them crops.
    assert 4 <= calls.count((120, 160, 3)) <= 6


def test_a_picture_of_another_size_is_a_new_scene() -> None:
    track = Tracker(Marks())
    track(blobs(Box(100, 60, 140, 100)), 0.0)
    assert track(np.zeros((40, 50, 3), np.uint8), 0.1) == []


def test_a_hidden_face_shows_what_it_showed_before(portrait: Image) -> None:
    recognize = Recognizer().follow()
    image = with_portraits(portrait, (320, 240))
    (before,) = recognize(Frame(image, 0, 0.0))
    hidden = image.copy()
    hidden[150:330, 230:410] = 40
    (held,) = recognize(Frame(hidden, 1, 0.15))
    assert held.track == before.track == 1
    assert held.predictions == before.predictions
    assert recognize(Frame(hidden, 2, 0.5)) == ()
