from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from emotion_cam.detect.base import same_face
from emotion_cam.detect.haar import HaarDetector
from emotion_cam.detect.mini import MiniFaceDetector
from emotion_cam.recognition.tracker import HOLD, MEMORY, REDETECT_INTERVAL, Tracker
from emotion_cam.types import Box, FaceBox, Image, Landmarks
from tests.recognition.scenes import EMPTY, FPS, rectangles_in, with_portraits, with_rectangles


class FakeDetector:
    """A StreamDetector for pictures in which faces are rectangles; records how much of a search each call did."""

    def __init__(self) -> None:
        self.searches: list[float] = []

    def __call__(self, image: Image) -> list[Box]:
        return sorted(rectangles_in(image), key=lambda box: box.x1)

    def search(self, image: Image, start: float, stop: float, known: Sequence[Box]) -> list[Box]:
        self.searches.append(stop - start)
        if int(start) == int(stop) and stop < 2:
            return []
        return [box for box in self(image) if not any(same_face(box, other) for other in known)]

    def find_near(self, image: Image, box: Box) -> Box | None:
        return next((face for face in self(image) if same_face(face, box)), None)


def test_landmarks_follow_the_face_and_are_smoothed_like_the_box(portrait: Image) -> None:
    tracker, detector = Tracker(MiniFaceDetector()), MiniFaceDetector()
    for index in range(40):
        right, down = 4 * index, 40 * np.sin(index / 8)
        image = with_portraits(portrait, (200 + right, 220 + down))
        (face,), (found,) = tracker(image, index / FPS), detector.find(image)
        assert isinstance(face.box, FaceBox)
        away = np.array(face.box.landmarks) - np.array(found.landmarks)
        assert np.abs(away).max() < 0.12 * face.box.width


def test_landmarks_are_smoothed_like_the_box(portrait: Image) -> None:
    def with_nose(x: float) -> Box:
        return FaceBox(280, 200, 360, 280, Landmarks(*[(x, 240.0)] * 5))

    class Trembling(FakeDetector):
        def __call__(self, image: Image) -> list[Box]:
            return [with_nose(320)]

        def find_near(self, image: Image, box: Box) -> Box | None:
            return with_nose(324)

    image, tracker, noses = with_portraits(portrait, (320, 240)), Tracker(Trembling()), []
    for index in range(10):
        (face,) = tracker(image, index / FPS)
        assert isinstance(face.box, FaceBox)
        noses.append(face.box.landmarks.nose[0])
    assert noses == [320] * 4 + [322] * 4 + [323] * 2  # half of the way at each detection


def test_a_detector_may_say_how_far_the_box_of_a_still_face_moves(portrait: Image) -> None:
    class Trembling(FakeDetector):
        still_share = 0.25

        def __call__(self, image: Image) -> list[Box]:
            return [Box(280, 200, 360, 280)]

        def find_near(self, image: Image, box: Box) -> Box | None:
            return Box(288, 200, 368, 280)

    image, tracker = with_portraits(portrait, (320, 240)), Tracker(Trembling())
    lefts = [tracker(image, index / FPS)[0].box.x1 for index in range(10)]
    assert lefts == [280] * 4 + [282] * 4 + [284] * 2  # a quarter of 8 pixels, and of 6


def test_a_still_face_does_not_tremble_with_the_network(portrait: Image) -> None:
    rng, still = np.random.default_rng(0), with_portraits(portrait, (320, 240))
    tracker, boxes = Tracker(MiniFaceDetector()), []
    for index in range(60):
        noisy = (still + rng.normal(0, 4, still.shape)).clip(0, 255).astype(np.uint8)
        boxes.append(tracker(noisy, index / FPS)[0].box.xyxy)
    sides = np.array(boxes)[15:, 2] - np.array(boxes)[15:, 0]
    assert np.array(boxes)[15:].std(axis=0).max() < 0.012 * sides.mean()


def test_a_moving_face_keeps_its_number_and_its_box_follows(portrait: Image) -> None:
    tracker = Tracker(HaarDetector())
    for index in range(60):
        x, y = 200 + 4 * index, 200 + 60 * np.sin(index / 8)
        (face,) = tracker(with_portraits(portrait, (x, y)), index / FPS)
        assert face.number == 1
        assert face.detected
        assert abs((face.box.x1 + face.box.x2) / 2 - x) < 12
        assert abs((face.box.y1 + face.box.y2) / 2 - y) < 12


def test_the_box_of_an_approaching_face_grows(portrait: Image) -> None:
    tracker = Tracker(HaarDetector())
    sides = [
        tracker(with_portraits(portrait, (320, 240), scale=0.5 + index / 40), index / FPS)[0].box.width
        for index in range(60)
    ]
    assert sides[-1] / sides[0] == pytest.approx((0.5 + 59 / 40) / 0.5, rel=0.15)


def test_a_new_face_appears_within_a_third_of_a_second_with_its_own_number(portrait: Image) -> None:
    for start in range(8):
        tracker = Tracker(HaarDetector())
        for index in range(start + 1):
            assert [face.number for face in tracker(with_portraits(portrait, (150, 200)), index / FPS)] == [1]
        for index in range(1, 10):
            faces = tracker(with_portraits(portrait, (150, 200), (480, 260)), (start + index) / FPS)
            if len(faces) == 2:
                break
        assert [face.number for face in faces] == [1, 2]
        assert faces[1].box.x1 > 320


def test_an_empty_scene_has_no_faces() -> None:
    tracker = Tracker(HaarDetector())
    assert all(tracker(EMPTY, index / FPS) == [] for index in range(20))


def test_the_same_frames_give_the_same_faces(portrait: Image) -> None:
    frames = [with_portraits(portrait, (200 + 9 * index, 220), (420, 250)) for index in range(20)]
    runs = [
        [tracker(frame, index / FPS) for index, frame in enumerate(frames)]
        for tracker in (Tracker(HaarDetector()), Tracker(HaarDetector()))
    ]
    assert runs[0] == runs[1]


def test_a_search_takes_the_same_time_of_the_stream_at_any_frame_rate() -> None:
    for fps in (10, 30, 120):
        detector = FakeDetector()
        tracker = Tracker(detector, every=0.25)
        for index in range(fps + 1):
            tracker(with_rectangles(), index / fps)
        assert detector.searches[0] == 2  # the first frame is searched in full
        assert sum(detector.searches[1:]) == pytest.approx(4, abs=0.8)
        assert max(detector.searches[1:]) <= 4 / fps + 1e-6


def test_few_frames_of_a_live_stream_share_a_search() -> None:
    for live, largest in ((False, 2.0), (True, 0.25)):
        detector = FakeDetector()
        tracker = Tracker(detector, every=0.2, live=live)
        for index in range(60):
            tracker(with_rectangles(), index / 2)  # two frames a second, as on a very slow machine
        assert max(detector.searches[30:]) == pytest.approx(largest, abs=0.01)
    detector = FakeDetector()
    tracker = Tracker(detector, every=0, live=True)
    for index in range(5):
        tracker(with_rectangles(), index / 2)
    assert detector.searches == [2] * 5


def test_many_frames_of_a_live_stream_are_searched_as_those_of_a_file() -> None:
    searches = []
    for live in (False, True):
        detector = FakeDetector()
        tracker = Tracker(detector, every=0.2, live=live)
        for index in range(60):
            tracker(with_rectangles(), index / 30)
        searches.append(detector.searches)
    assert searches[0] == searches[1]


@pytest.mark.parametrize("times", [[0, 5, 10], [0, 0, 0], [2, 1, 0], [0.0, 0.25, 0.5]])
def test_after_a_jump_or_without_a_clock_every_frame_is_searched_in_full(times: list[float]) -> None:
    detector = FakeDetector()
    tracker = Tracker(detector, every=0.25)
    for time in times:
        tracker(with_rectangles(), time)
    assert detector.searches == [2, 2, 2]


def test_every_zero_searches_every_frame_in_full() -> None:
    detector = FakeDetector()
    tracker = Tracker(detector, every=0)
    for index in range(5):
        tracker(with_rectangles(), index / FPS)
    assert detector.searches == [2] * 5
    with pytest.raises(ValueError, match="`every`"):
        Tracker(detector, every=-1)


def test_how_often_is_searched_may_change_and_the_faces_keep_their_numbers(portrait: Image) -> None:
    tracker = Tracker(HaarDetector())
    for index in range(12):
        tracker.every = 0 if index % 4 >= 2 else 0.2
        assert [face.number for face in tracker(with_portraits(portrait, (150, 200)), index / FPS)] == [1]
    detector = FakeDetector()
    other = Tracker(detector, every=0.2)
    for index in range(6):
        other.every = 0 if index > 3 else 0.2
        other(with_rectangles(), index / FPS)
    assert detector.searches[-2:] == [2, 2]
    assert max(detector.searches[1:4]) < 1
    with pytest.raises(ValueError, match="`every`"):
        other.every = -1


def test_a_known_face_is_detected_again_several_times_a_second(portrait: Image) -> None:
    class CountingDetector(HaarDetector):
        calls = 0

        def find_near(self, image: Image, box: Box) -> Box | None:
            self.calls += 1
            return super().find_near(image, box)

    detector = CountingDetector()
    tracker = Tracker(detector)
    for index in range(2 * FPS):
        tracker(with_portraits(portrait, (200 + 2 * index, 200)), index / FPS)
    assert 0.7 * 2 / REDETECT_INTERVAL <= detector.calls <= 1.1 * 2 / REDETECT_INTERVAL


def test_a_hidden_face_stays_for_a_moment_and_gets_its_number_back() -> None:
    a, b = Box(10, 20, 40, 50), Box(90, 20, 120, 50)
    tracker = Tracker(FakeDetector())
    assert [face.number for face in tracker(with_rectangles(a, b), 0.0)] == [1, 2]
    held = tracker(with_rectangles(b), HOLD - 0.1)
    assert [(face.number, face.detected) for face in held] == [(1, False), (2, True)]
    assert held[0].box == a
    assert [face.number for face in tracker(with_rectangles(b), HOLD + 0.1)] == [2]
    assert [face.number for face in tracker(with_rectangles(a.moved(8, 4), b), HOLD + MEMORY / 2)] == [1, 2]
    tracker(with_rectangles(b), 3.0)
    tracker(with_rectangles(b), 3.1)
    tracker(with_rectangles(b), 3.2 + MEMORY / 2)
    assert [face.number for face in tracker(with_rectangles(a, b), 3.2 + MEMORY)] == [2, 3]


def test_two_numbers_never_stay_on_one_face() -> None:
    tracker = Tracker(FakeDetector())
    assert len(tracker(with_rectangles(Box(10, 20, 40, 50), Box(40, 20, 70, 50)), 0.0)) == 2
    between = Box(18, 20, 62, 50)  # near enough to be found from either place
    assert tracker(with_rectangles(between), 2 * REDETECT_INTERVAL) == [(1, between, True)]


def test_any_function_can_be_the_detector() -> None:
    calls = []

    def detect(image: Image) -> list[Box]:
        calls.append(image.shape)
        return FakeDetector()(image)

    a = Box(10, 20, 40, 50)
    tracker = Tracker(detect, every=0.25)
    for index in range(31):
        (face,) = tracker(with_rectangles(a.moved(index, index // 2)), index / FPS)
        assert face == (1, a.moved(index, index // 2), True)
    assert calls[0] == (120, 160, 3)
    # The whole picture four times a second; crops in between.
    assert 4 <= calls.count((120, 160, 3)) <= 6


def test_a_picture_of_another_size_is_a_new_scene() -> None:
    tracker = Tracker(FakeDetector())
    tracker(with_rectangles(Box(100, 60, 140, 100)), 0.0)
    assert tracker(np.zeros((40, 50, 3), np.uint8), 0.1) == []


def test_a_face_after_a_long_interruption_is_a_new_one() -> None:
    tracker, image = Tracker(FakeDetector()), with_rectangles(Box(100, 60, 140, 100))
    assert [face.number for face in tracker(image, 0.0)] == [1]
    assert [face.number for face in tracker(image, 1.5)] == [1]
    assert [face.number for face in tracker(image, 4.0)] == [2]


def test_the_box_of_a_still_face_does_not_jitter(portrait: Image) -> None:
    rng = np.random.default_rng(0)
    still = with_portraits(portrait, (320, 240)).astype(int)
    tracker = Tracker(HaarDetector())
    noisy = [np.clip(still + rng.normal(0, 6, still.shape), 0, 255).astype(np.uint8) for _ in range(45)]
    tracked = np.array([tracker(image, index / FPS)[0].box.x1 for index, image in enumerate(noisy)])
    detected = np.array([HaarDetector()(image)[0].x1 for image in noisy])
    assert np.abs(np.diff(tracked)).mean() < 0.5 * np.abs(np.diff(detected)).mean()
