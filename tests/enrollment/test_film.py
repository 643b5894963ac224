"""A person is filmed take by take: countdown, pictures with exactly one face, and what an interruption leaves."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.detect import open_detector
from emotion_cam.detect.base import Detector
from emotion_cam.enrollment.film import COUNTDOWN, SPACING, Moment, film
from emotion_cam.enrollment.pictures import (
    Take,
    cut_out,
    find_model,
    missing_takes,
    prepare_folder,
    read_faces,
    save_take,
)
from emotion_cam.errors import DatasetError, ModelError, SinkError
from emotion_cam.preprocess import extract_face
from emotion_cam.types import Box, Frame, Image
from tests.builders import file_names, write_picture

RATE = 20
LABELS = ("happy", "sad")
TAKES = [Take("happy", 1), Take("sad", 1)]


class Recorder:
    """A screen that remembers what was shown, and stops after a number of frames."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.moments: list[Moment] = []
        self.idles = 0
        self._stop_after = stop_after

    @property
    def finished(self) -> bool:
        return len(self.moments) >= self._stop_after

    def show(self, frame: Frame, boxes: Sequence[Box], moment: Moment) -> None:
        self.moments.append(moment)

    def idle(self) -> None:
        self.idles += 1


def frames(seconds: float, image: Image | None = None) -> list[Frame]:
    picture = np.zeros((120, 160, 3), np.uint8) if image is None else image
    return [Frame(picture, index, index / RATE) for index in range(round(seconds * RATE))]


def one_face(image: Image) -> list[Box]:
    return [Box(40, 20, 100, 80)]


def shoot(
    folder: Path,
    given: Iterable[Frame | None],
    *,
    detector: Detector = one_face,
    screen: Recorder | None = None,
    pictures: int = 3,
) -> int:
    prepare_folder(folder, LABELS)
    takes = missing_takes(folder, LABELS, 1, pictures)
    return film(given, detector, folder, takes, pictures, screen or Recorder())


def test_each_label_gets_a_countdown_and_then_its_pictures(tmp_path: Path) -> None:
    screen = Recorder()
    assert shoot(tmp_path / "me", frames(20), screen=screen) == 2
    for label in LABELS:
        assert file_names(tmp_path / "me" / label) == ["01-01.png", "01-02.png", "01-03.png"]
    lines = list(dict.fromkeys((moment.take.label, moment.line) for moment in screen.moments))
    assert lines == [
        (label, line)
        for label in LABELS
        for line in ("in 3", "in 2", "in 1", "hold it: 1 of 3", "hold it: 2 of 3", "hold it: 3 of 3")
    ]
    # The first picture comes after the countdown, and the others at their distance.
    first = next(index for index, moment in enumerate(screen.moments) if moment.taken == 1)
    last = next(index for index, moment in enumerate(screen.moments) if moment.taken == 3)
    assert first == COUNTDOWN * RATE
    assert last - first == 2 * SPACING * RATE


def test_the_pictures_show_the_face_with_room_around_it(portrait: Image, tmp_path: Path) -> None:
    (box,) = open_detector("haar")(portrait)
    shoot(tmp_path / "me", frames(8, portrait), detector=lambda image: [box], pictures=1)
    saved = cv2.imread(str(tmp_path / "me" / "happy" / "01-01.png"))
    assert saved is not None
    assert saved.shape == (2 * box.height, 2 * box.width, 3)
    wide = box.padded(0.5)
    np.testing.assert_array_equal(saved, portrait[wide.y1 : wide.y2, wide.x1 : wide.x2])
    # The middle half is the detector's box, and the reader of the data set knows that.
    faces = read_faces(tmp_path / "me")
    assert (faces.labels, len(faces)) == (LABELS, 2)
    seen = faces.extracted((48, 48), 0.0)[0].astype(int)
    assert np.abs(seen - extract_face(portrait, box, (48, 48))).mean() < 4


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "no face is in view"),
        ([Box(0, 0, 50, 50), Box(60, 60, 110, 110)], "2 faces are in view: only one can be filmed"),
    ],
    ids=["none", "two"],
)
def test_frames_without_exactly_one_face_are_refused(
    boxes: list[Box], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emotion_cam")
    given = frames(30)
    found = {id(frame.image): one_face(frame.image) for frame in given}
    alone = np.zeros((120, 160, 3), np.uint8)
    bad = [Frame(alone, index, index / RATE) for index in range(8 * RATE)]
    good = [Frame(frame.image, frame.index, 8 + frame.time) for frame in given]
    screen = Recorder()
    done = shoot(
        tmp_path / "me", [*bad, *good], detector=lambda image: found.get(id(image), boxes), screen=screen, pictures=1
    )
    assert done == 2
    assert {moment.line for moment in screen.moments[: 8 * RATE]} == {reason}
    assert screen.moments[8 * RATE - 1].taken == 0
    # It is said once, and the picture comes with the first good frame.
    assert caplog.messages[0] == f"“happy” waits: {reason}."
    assert screen.moments[8 * RATE].taken == 1
    assert caplog.messages[1:] == ["happy: 1 picture (1 of 2)", "sad: 1 picture (2 of 2)"]


def test_a_frame_that_the_detector_misses_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls = iter(range(10_000))
    shoot(tmp_path / "me", frames(20), detector=lambda image: [] if next(calls) % 3 else one_face(image))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_was_finished_stays_and_the_rest_is_filmed_later(tmp_path: Path) -> None:
    folder = tmp_path / "me"
    # It stops in the middle of the second take.
    stopped = Recorder(stop_after=round((COUNTDOWN + 2 * SPACING + COUNTDOWN + SPACING) * RATE) + 3)
    assert shoot(folder, frames(20), screen=stopped) == 1
    assert file_names(folder / "sad") == []
    before = (folder / "happy" / "01-01.png").stat().st_mtime_ns
    screen = Recorder()
    assert shoot(folder, frames(20), screen=screen) == 1
    assert {moment.take for moment in screen.moments} == {Take("sad", 1)}
    assert (folder / "happy" / "01-01.png").stat().st_mtime_ns == before
    assert missing_takes(folder, LABELS, 1, 3) == []
    assert missing_takes(folder, LABELS, 2, 3) == [Take("happy", 2), Take("sad", 2)]


def test_a_source_that_ends_or_waits(tmp_path: Path) -> None:
    screen = Recorder()
    assert shoot(tmp_path / "me", [None, *frames(1), None], screen=screen) == 0
    assert screen.idles == 2
    assert file_names(tmp_path / "me" / "happy") == []


def test_a_note_says_what_the_folder_is(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "me", LABELS)
    about = json.loads((tmp_path / "me" / "about.json").read_text())
    assert about["about"].startswith("Pictures of one person's face, filmed by `emotion-cam enroll` on this machine")
    assert (about["box"], about["split"]) == (0.5, "test")
    prepare_folder(tmp_path / "me", LABELS)  # a later run takes it


def test_other_folders_and_labels_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "holiday.png")
    with pytest.raises(SinkError, match="is not a folder of `emotion-cam enroll`: give the name of a new one"):
        prepare_folder(tmp_path, LABELS)
    with pytest.raises(SinkError, match="cannot be written: there is no folder"):
        prepare_folder(tmp_path / "no" / "me", LABELS)
    for label in ("../up", ".hidden", "a/b", "a\\b", "con:"):
        with pytest.raises(ModelError, match="cannot be the name of a folder"):
            prepare_folder(tmp_path / "me", ("happy", label))
    with pytest.raises(DatasetError, match="There is no folder"):
        read_faces(tmp_path / "nobody")
    prepare_folder(tmp_path / "me", LABELS)
    with pytest.raises(DatasetError, match="has no pictures in a folder for each label"):
        read_faces(tmp_path / "me")


def test_a_picture_does_not_keep_its_frame_alive() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    assert not np.shares_memory(image, cut_out(image, Box(40, 40, 60, 60)))


def test_pictures_of_a_users_own_are_read_whole(tmp_path: Path) -> None:
    for label in LABELS:
        (tmp_path / label).mkdir()
        save_take(tmp_path, Take(label, 1), [np.full((60, 60, 3), shade, np.uint8) for shade in (10, 20, 30)])
    (tmp_path / "sad" / ".01-01.part-1.png").write_bytes(b"")  # what a killed run left
    faces = read_faces(tmp_path)
    assert (len(faces), faces.labels, faces.box) == (6, LABELS, Box(0, 0, 80, 80))


def test_the_shipped_model_is_found_by_its_labels() -> None:
    assert find_model().name == "emotion"
    assert find_model(("woman", "man")).name == "gender"
    assert find_model(("sad", "happy")).name == "emotion"
    with pytest.raises(ModelError, match="There is no shipped model with the labels mask: give a `model`"):
        find_model(("mask",))
