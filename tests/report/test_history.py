"""The strongest moments and their thumbnails."""

from __future__ import annotations

import cv2
import numpy as np

from emotion_cam.report import render
from emotion_cam.report.digest import digest
from emotion_cam.types import UNSURE, Box, Frame, Image
from tests.report.histories import ANGRY, HAPPY, SAD, UNCLEAR, face, history, page, shade


def decoded(jpeg: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_the_strongest_moment_of_each_label_has_a_thumbnail() -> None:
    scores = [HAPPY, SAD, (0.05, 0.95, 0), UNCLEAR, HAPPY, SAD]
    seen = history(*((index / 2, [face(*scores[index])]) for index in range(6)), images=True)
    ((section,),) = (source.faces for source in digest(seen, 9))
    (mood,) = section.tasks
    assert [(row.label, row.caption) for row in mood.rows] == [
        ("angry", ""),
        ("happy", "0:01.0"),
        ("sad", "0:00.5"),  # the first of two equal ones
        (UNSURE, ""),
    ]
    kinds, files = zip(*(image for image in page(seen).images if image[0] == "jpeg"), strict=True)
    assert kinds == ("jpeg", "jpeg")
    thumbnails = [decoded(data) for data in files]
    assert [round(float(thumbnail.mean()) / 20) for thumbnail in thumbnails] == [2, 1]
    assert thumbnails[0].shape == (56, 56, 3)  # the box and a margin of a fifth, as far as the picture reaches


def test_without_pictures_there_are_no_thumbnails() -> None:
    assert not page(history(*((index / 2, [face(*HAPPY)]) for index in range(3)))).tags & {"figure"}


def test_thumbnails_can_be_added_from_the_video() -> None:
    frames = [(index / 2, [face(*scores)]) for index, scores in enumerate([HAPPY, SAD, ANGRY, HAPPY, SAD])]
    direct, later = history(*frames, images=True), history(*frames)
    video = iter([Frame(shade(index), index, index / 2, "clip.mp4") for index in range(5)])
    later.add_thumbnails(video, "clip.mp4")
    assert render(later, ".html") == render(direct, ".html")
    assert [frame.index for frame in video] == [3, 4]  # no moment is in the rest, so it is not read


def test_a_face_outside_of_another_video_has_no_thumbnail() -> None:
    seen = history((0.0, [face(*HAPPY, box=Box(500, 500, 600, 600))]), (1.0, []), images=True)
    assert {kind for kind, _ in page(seen).images} == {"svg+xml"}
