from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from emotion_cam.detect import HaarDetector, same_face
from emotion_cam.recognition.recognizer import Follower, Recognizer
from emotion_cam.recognition.tracker import HOLD, LOOK, MEMORY, Tracker
from emotion_cam.types import Box, ClassMap, Face, Frame, Image

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


def test_a_known_face_is_looked_for_several_times_a_second(portrait: Image) -> None:
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
    track(blobs(b), 3.2 + MEMORY / 2)
    assert [face.number for face in track(blobs(a, b), 3.2 + MEMORY)] == [2, 3]


def test_two_numbers_never_stay_on_one_face() -> None:
    track = Tracker(Marks())
    assert len(track(blobs(Box(10, 20, 40, 50), Box(40, 20, 70, 50)), 0.0)) == 2
    between = Box(18, 20, 62, 50)  # near enough to be found where either was
    assert track(blobs(between), 2 * LOOK) == [(1, between, True)]


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


def test_who_is_there_after_a_long_interruption_is_somebody_new() -> None:
    track, image = Tracker(Marks()), blobs(Box(100, 60, 140, 100))
    assert [face.number for face in track(image, 0.0)] == [1]
    assert [face.number for face in track(image, 1.5)] == [1]
    assert [face.number for face in track(image, 4.0)] == [2]


def test_the_box_of_a_face_that_sits_still_does_not_tremble(portrait: Image) -> None:
    rng = np.random.default_rng(0)
    still = with_portraits(portrait, (320, 240)).astype(int)
    track = Tracker(HaarDetector())
    noisy = [np.clip(still + rng.normal(0, 6, still.shape), 0, 255).astype(np.uint8) for _ in range(45)]
    corners = np.array([track(image, index / FPS)[0].box.x1 for index, image in enumerate(noisy)])
    alone = np.array([HaarDetector()(image)[0].x1 for image in noisy])
    assert np.abs(np.diff(corners)).mean() < 0.5 * np.abs(np.diff(alone)).mean()


def face_of(recognize: Follower, image: Image, seconds: float) -> Face:
    (face,) = recognize(Frame(image, 0, seconds))
    return face


def test_scores_are_averaged_over_time_whatever_the_frame_rate(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    (alone,) = Recognizer(detector=lambda image: [Box(270, 190, 370, 290)])(image)
    changed = cv2.GaussianBlur(image, (0, 0), 6)
    shares = []
    for fps in (10, 50):
        recognize = Recognizer(detector=lambda image: [Box(270, 190, 370, 290)]).follow(every=0, smooth=0.5)
        for index in range(2 * fps):
            before = face_of(recognize, image, index / fps)
        # The face and its mirror image take turns, which leaves a ripple.
        assert before.predictions["emotion"].scores == pytest.approx(alone.predictions["emotion"].scores, abs=0.02)
        for index in range(2 * fps, 2 * fps + fps // 2 + 1):
            after = face_of(recognize, np.asarray(changed), index / fps)
        (target,) = Recognizer(detector=lambda image: [Box(270, 190, 370, 290)])(np.asarray(changed))
        a, b, c = (face.predictions["emotion"].scores for face in (before, after, target))
        way = np.abs(c - a).argmax()
        shares.append(float((b[way] - a[way]) / (c[way] - a[way])))
        assert after.predictions["emotion"].scores.sum() == pytest.approx(1, abs=1e-5)
    # After half a second an average over half a second has come most of the way, and not all of it.
    assert all(0.75 < share < 0.98 for share in shares)
    assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_what_is_steady_settles_and_zero_smooths_nothing(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    upside_down = np.ascontiguousarray(image[::-1])
    place = [Box(270, 190, 370, 290)]
    (right,), (wrong,) = (Recognizer(detector=lambda _: place)(picture) for picture in (image, upside_down))
    smoothed, raw = (Recognizer(detector=lambda _: place).follow(0, smooth) for smooth in (0.5, 0.0))
    for index in range(60):
        for recognize in (smoothed, raw):
            face_of(recognize, image, index / FPS)
    for index in range(60, 75):
        after = face_of(smoothed, upside_down, index / FPS)
        plain = face_of(raw, upside_down, index / FPS)
    for task in ("emotion", "gender"):
        assert plain.predictions[task].scores == pytest.approx(wrong.predictions[task].scores, abs=1e-5)

    def moved(task: str) -> float:
        a, b, c = (face.predictions[task].scores for face in (right, after, wrong))
        return float(np.abs(b - a).sum() / np.abs(c - a).sum())

    assert moved("gender") < 0.35 < moved("emotion")
    with pytest.raises(ValueError, match="smooth"):
        Recognizer().follow(smooth=-1)


def emotion_map(face: Face) -> ClassMap:
    class_map = face.predictions["emotion"].class_map
    assert class_map is not None
    return class_map


def test_what_speaks_for_a_label_is_averaged_with_the_scores(portrait: Image) -> None:
    image = with_portraits(portrait, (320, 240))
    changed = np.asarray(cv2.GaussianBlur(image, (0, 0), 3))
    recognize = Recognizer().follow(smooth=0.5)
    for index in range(30):
        before = face_of(recognize, image, index / FPS)
    mixed = face_of(recognize, changed, 1.0)
    recognizer = Recognizer()
    (after,) = recognizer.predict(recognizer.classifiers[0], changed, [mixed.box])  # its mirror image was seen before
    assert after.class_map is not None
    old, new = emotion_map(before).values, after.class_map.values
    share = 1 - np.exp(-2 / FPS / 0.5)
    assert emotion_map(mixed).values == pytest.approx(share * new + (1 - share) * old, abs=0.01)
    assert np.abs(new - old).max() > 1


def test_what_speaks_for_a_label_goes_with_the_face(portrait: Image) -> None:
    recognize = Recognizer().follow()
    for index in range(10):
        found = face_of(recognize, with_portraits(portrait, (250 + 10 * index, 240)), index / FPS)
        assert emotion_map(found).box == found.box
    assert found.box.x1 > 260


def test_one_persons_scores_do_not_mix_with_anothers(portrait: Image) -> None:
    image = with_portraits(portrait, (160, 240), (480, 240))
    image[:, 320:] = image[::-1, 320:]
    places = [Box(110, 190, 210, 290), Box(430, 190, 530, 290)]
    alone = Recognizer(detector=lambda _: places)(image)
    upright, upside_down = (face.predictions["emotion"].scores for face in alone)
    assert np.abs(upright - upside_down).max() > 0.3  # mixed, they would be told from each one's own
    recognize = Recognizer(detector=lambda _: places).follow(every=0)
    for index in range(10):
        together = recognize(Frame(image, index, index / FPS))
    for one, other in zip(alone, together, strict=True):
        assert one.predictions["emotion"].scores == pytest.approx(other.predictions["emotion"].scores, abs=0.05)


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
