"""enroll, evaluate and adapt, one after the other, with the real detector and models and a pretend camera."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_cam.card import shipped_models
from emotion_cam.sources import InputSpec
from emotion_cam.sources.base import Source
from emotion_cam.types import Frame, Image
from tests.command import Completed, emotion_cam

GENDER = shipped_models()["gender"]

TAKE = 5
"""The frames of a take of two pictures, at one frame a second: three for the countdown."""


class PretendCamera(Source):
    """Shows pictures one after the other, each for a number of seconds, and keeps the last one in view."""

    live = True
    name = "camera 0"

    def __init__(self, *shown: tuple[int, Image]) -> None:
        self._shown = shown

    def __iter__(self) -> Iterator[Frame]:
        images = [image for count, image in self._shown for _ in range(count)]
        for index, image in enumerate(images):
            yield Frame(image, index, float(index), self.name)


@pytest.fixture(scope="module")
def person(portrait: Image) -> Image:
    """A picture of 320×240 with the portrait's face, which the model takes for a woman's."""
    return np.ascontiguousarray(portrait[20:260, 60:380])


def enroll(camera: Source, *arguments: str) -> Completed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InputSpec, "open", lambda self: camera)
        fixed = ("--no-show", "--pictures", "2", "--model", str(GENDER))
        return emotion_cam("enroll", "me", "--camera", "0", *fixed, *arguments)


@pytest.fixture(scope="module")
def enrolled(person: Image, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Completed]:
    """Three rounds of two takes in the folder me of a folder, in which the model takes every face for a woman's."""
    less_surely = np.asarray(cv2.GaussianBlur(person, (0, 0), 1.5), np.uint8)
    folder = tmp_path_factory.mktemp("enrolled")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, enroll(PretendCamera(*[(TAKE, less_surely), (TAKE, person)] * 3))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def me(enrolled: tuple[Path, Completed], place: Path) -> Completed:
    """What filming printed; the pictures are in the folder me of the current folder."""
    folder, run = enrolled
    shutil.copytree(folder / "me", place / "me")
    return run


def test_a_person_is_filmed_measured_and_adapted_to(me: Completed) -> None:
    assert me.exit_code == 0, me.output
    assert me.stdout.splitlines() == [
        "man    0 of 6 right; instead woman 6",
        "woman  6 of 6 right",
        "Right on 6 of 12 pictures (50%); 50% as the mean over the labels.",
    ]
    assert me.stderr.splitlines()[:5] == [
        "man: in 3",
        "man: in 2",
        "man: in 1",
        "man: 2 pictures (1 of 6)",
        "woman: in 3",
    ]
    assert me.stderr.splitlines()[-1] == "woman: 2 pictures (6 of 6)"

    adapted = emotion_cam("adapt", "me", "--out", "me.json")
    assert adapted.exit_code == 0, adapted.output
    first, second, offsets, last = adapted.stdout.splitlines()
    assert first == "12 pictures; each third was tried with offsets fitted to the other two."
    assert second == "Right on 50% without and on 100% with offsets (mean over the labels)."
    assert offsets.startswith("man +")
    assert last == "Wrote me.json"

    # The file works in a run, and only for its own model.
    photo = ("--image", "me/man/01-01.png", "--out", "out.csv", "--min-confidence", "0")
    run = emotion_cam(*photo, "--adapt", "me.json", "--without", "emotion")
    assert "1 face: man" in run.stdout + run.stderr
    refused = emotion_cam(
        "--image", "me/man/01-01.png", "--out", "out.csv", "--adapt", "me.json", "--without", "gender"
    )
    assert refused.exit_code == 1
    assert refused.stderr == "emotion-cam: me.json is for the task “gender”, but the models here are for emotion.\n"


@pytest.mark.slow
def test_evaluate_reads_the_same_pictures_with_and_without_the_adaptation(me: Completed) -> None:
    pytest.importorskip("sklearn")
    emotion_cam("adapt", "me", "--out", "me.json")
    base = ("evaluate", GENDER, "--data", "folder=me", "--mirrored", "--json", "figures.json")
    found = {}
    for adapt in ((), ("--adapt", "me.json")):
        run = emotion_cam(*base, *adapt)
        assert run.exit_code == 0, run.output
        (figures,) = json.loads(Path("figures.json").read_text())
        found[bool(adapt)] = figures["confusion"]
        assert figures["data"] == "me test"
    assert found == {False: [[0, 6], [0, 6]], True: [[6, 0], [0, 6]]}
    refused = emotion_cam(*base[:-2], "--adapt", "me.json", "--card")
    assert refused.exit_code == 2
    assert "leave out --mirrored, --adapt or --card" in refused.stderr


def test_where_offsets_do_not_help_the_file_says_nothing(me: Completed) -> None:
    shutil.rmtree("me/man")
    shutil.copytree("me/woman", "me/man")  # the same pictures for both labels
    run = emotion_cam("adapt", "me", "--out", "me.json")
    assert run.exit_code == 0, run.output
    assert "Offsets do not help: right on 50% without, on 50% with them." in run.stdout
    assert json.loads(Path("me.json").read_text())["offsets"] == [0, 0]


def test_a_run_goes_on_where_another_was_interrupted(person: Image, place: Path) -> None:
    class Interrupted(PretendCamera):
        def __iter__(self) -> Iterator[Frame]:
            yield from super().__iter__()
            raise KeyboardInterrupt

    run = enroll(Interrupted((2 * TAKE + 3, person)), "--rounds", "2")
    assert run.exit_code == 130
    assert run.stderr.splitlines()[-2:] == [
        "2 left; what is finished is in me.",
        "The same command goes on from there.",
    ]
    kept = sorted(path.relative_to("me").as_posix() for path in Path("me").rglob("*.png"))
    assert kept == ["man/01-01.png", "man/01-02.png", "woman/01-01.png", "woman/01-02.png"]

    unplugged = enroll(PretendCamera((TAKE + 2, person)), "--rounds", "2")
    assert unplugged.exit_code == 1
    assert unplugged.stderr.splitlines()[0] == "2 of 4 are there already."
    assert unplugged.stderr.splitlines()[-1] == "emotion-cam: camera 0 ended before “woman” was filmed."

    last = enroll(PretendCamera((TAKE, person)), "--rounds", "2")
    assert last.exit_code == 0
    assert last.stderr.splitlines()[0] == "3 of 4 are there already."
    assert "Right on 4 of 8 pictures (50%)" in last.stdout
    # Once all is there, the same command only measures.
    again = enroll(PretendCamera(), "--rounds", "2")
    assert (again.exit_code, again.stdout, again.stderr) == (0, last.stdout, "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only on Linux can a display be missing")
def test_without_a_display_the_terminal_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(InputSpec, "open", lambda self: PretendCamera())
    run = emotion_cam("enroll", "me")
    assert run.exit_code == 1
    (line,) = run.stderr.splitlines()
    assert (
        "There is no display for a window: DISPLAY is not set; --no-show counts down in the terminal instead." in line
    )


def test_nobody_in_view_is_said_and_nothing_is_kept(place: Path) -> None:
    run = enroll(PretendCamera((TAKE, np.full((240, 320, 3), 90, np.uint8))))
    assert run.exit_code == 1
    assert run.stderr.splitlines()[0] == "“man” waits: no face is in view."
    assert not list(Path("me").rglob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("enroll", "me", "--image", "photo.png"), 2, "Only a --camera or one --video can be filmed"),
        (("enroll", "me", "--video", "-"), 2, "Only a --camera or one --video can be filmed"),
        (("enroll", "me", "--rounds", "0"), 2, "--rounds must be between 1 and 99, not 0."),
        (("enroll", "me", "--model", "nothing"), 1, "nothing is not a model: there is no such folder."),
        (("adapt", "nobody", "--out", "me.json"), 1, "There is no folder nobody; `emotion-cam enroll` makes one."),
        (("adapt", "nobody", "--out", "me.toml"), 2, "--out must end in .json, not “.toml”."),
        (("adapt", "nobody", "--out", "no/me.json"), 1, "no/me.json cannot be written: there is no folder no."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_refused_in_one_line(
    arguments: tuple[str, ...], code: int, message: str, place: Path
) -> None:
    run = emotion_cam(*arguments)
    assert run.exit_code == code
    (line,) = run.stderr.splitlines()
    assert message in line
    assert os.listdir() == []  # noqa: PTH208
