"""One Recognizer, one detector and one classifier in several threads: the same answers as in one, and no error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.detect import open_detector
from emotion_cam.litert import silenced_stderr
from emotion_cam.pool import Pool
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.recognition.recognizer import Recognizer
from emotion_cam.types import Face, Image

T = TypeVar("T")
THREADS = 4


def at_the_same_time(work: Callable[[int], T]) -> list[T]:
    """What ``work`` returns for 0, 1, 2 …, each in a thread of its own; all begin together."""
    start = threading.Barrier(THREADS)

    def begin(number: int) -> T:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


def as_numbers(faces: tuple[Face, ...]) -> list[object]:
    return [(face.track, face.box, {task: each.as_dict() for task, each in face.predictions.items()}) for face in faces]


def pictures(portrait: Image) -> list[Image]:
    """One for each thread, with no face, one or two, so that the batches differ."""
    two = cv2.hconcat([np.asarray(portrait)] * 2)
    small = cv2.resize(np.asarray(portrait), (300, 300), interpolation=cv2.INTER_AREA)
    return [portrait, np.asarray(two, np.uint8), np.zeros((200, 200, 3), np.uint8), np.asarray(small, np.uint8)]


def test_a_recognizer_gives_each_thread_its_own_answer(portrait: Image) -> None:
    recognizer, images = Recognizer(), pictures(portrait)
    expected = [as_numbers(recognizer(image)) for image in images]
    assert [len(faces) for faces in expected] == [1, 2, 0, 1]
    found = at_the_same_time(lambda number: [as_numbers(recognizer(images[number])) for _ in range(8)])
    for number, answers in enumerate(found):
        assert answers == [expected[number]] * 8


def test_the_network_of_this_project_gives_each_thread_its_own_answer(portrait: Image) -> None:
    detector, images = open_detector("mini"), pictures(portrait)
    expected = [detector(image) for image in images]
    assert [len(boxes) for boxes in expected] == [1, 2, 0, 1]
    found = at_the_same_time(lambda number: [detector(images[number]) for _ in range(20)])
    for number, answers in enumerate(found):
        assert answers == [expected[number]] * 20


def test_followers_of_one_recognizer_run_at_the_same_time(portrait: Image) -> None:
    recognizer = Recognizer()

    def follow(number: int) -> list[object]:
        follower = recognizer.follow()
        return [as_numbers(follower(np.roll(portrait, index, axis=1), index / 10)) for index in range(8)]

    assert at_the_same_time(follow) == [follow(0)] * THREADS


@pytest.mark.parametrize("name", ["yunet", "blazeface"])
def test_the_detectors_with_a_network_run_in_several_threads(name: str, portrait: Image) -> None:
    detector, images = open_detector(name), pictures(portrait)
    expected = [detector(image) for image in images]
    assert expected[0]
    assert at_the_same_time(lambda number: [detector(images[number]) for _ in range(8)]) == [[e] * 8 for e in expected]


def test_a_classifier_runs_in_several_threads() -> None:
    classifier = Classifier(shipped_models()["gender"])
    noise = np.random.default_rng(0).integers(0, 255, (THREADS, *classifier.card.size), dtype=np.uint8)
    batches = [list(noise[: number + 1]) for number in range(THREADS)]
    expected = [classifier(batch) for batch in batches]
    found = at_the_same_time(lambda number: [classifier(batches[number]) for _ in range(20)])
    for answers, scores in zip(found, expected, strict=True):
        assert all(np.array_equal(answer, scores) for answer in answers)


@pytest.mark.slow
def test_a_classifier_of_keras_runs_in_several_threads() -> None:
    classifier = Classifier(shipped_models()["gender"], runtime="keras")
    noise = list(np.random.default_rng(0).integers(0, 255, (2, *classifier.card.size), dtype=np.uint8))
    expected = classifier(noise)
    for answer in at_the_same_time(lambda number: classifier(noise)):
        assert answer == pytest.approx(expected, abs=1e-6)


def test_a_pool_holds_as_many_instances_as_were_used_at_the_same_time() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    pool = Pool(make)
    for _ in range(3):
        with pool as first:
            pass
    assert made == [first]
    with pool as first, pool as second:
        assert first is not second
    with pytest.raises(ZeroDivisionError), pool:
        raise ZeroDivisionError
    with pool as one, pool as other:
        assert {id(one), id(other)} == {id(each) for each in made}


def test_standard_error_works_again_after_silence_in_several_threads(capfd: pytest.CaptureFixture[str]) -> None:
    first_is_inside, second_is_inside = threading.Event(), threading.Event()

    def first() -> None:
        with silenced_stderr():
            first_is_inside.set()
            second_is_inside.wait()
            os.write(2, b"first\n")

    def second() -> None:
        first_is_inside.wait()
        with silenced_stderr():
            second_is_inside.set()
            one.join()  # it ends while this one is still inside
            os.write(2, b"second\n")

    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    other.start()
    other.join()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
