"""Films a person: asks for one label after the other, counts down, and keeps pictures of the face."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from emotion_cam.detect.base import Detector
from emotion_cam.enrollment.pictures import Take, cut_out, save_take
from emotion_cam.types import Box, Frame, Image

log = logging.getLogger(__name__)

COUNTDOWN = 3.0
"""Seconds between the moment when a label is asked for and its first picture."""

SPACING = 0.25
"""The least number of seconds between two pictures."""

PATIENCE = 1.0
"""Seconds for which frames without exactly one face are refused before that is logged: detectors miss some frames."""


@dataclass(frozen=True)
class Moment:
    """What is asked for while a frame is filmed.

    Attributes:
        take: the label that is asked for, and the round.
        left: how many takes are left, with this one.
        countdown: the seconds until the first picture, in [0, COUNTDOWN].
        taken, pictures: how many pictures of this take there are, and how many there will be.
        faces: how many faces are in view; only with exactly one a picture is taken.
    """

    take: Take
    left: int
    countdown: float
    taken: int
    pictures: int
    faces: int

    @property
    def line(self) -> str:
        """What is to be done, in a few words."""
        if self.faces != 1:
            return problem(self.faces)
        if self.countdown > 0:
            return f"in {math.ceil(self.countdown)}"
        return f"hold it: {self.taken} of {self.pictures}"


def problem(faces: int) -> str:
    """Why a frame with so many faces, not one, is refused."""
    return "no face is in view" if not faces else f"{faces} faces are in view: only one can be filmed"


class Screen(Protocol):
    """Shows the person what is asked for."""

    @property
    def finished(self) -> bool:
        """Whether the person wants to stop."""

    def show(self, frame: Frame, boxes: Sequence[Box], moment: Moment) -> None:
        """Show a frame, the faces in it, and what is asked for."""

    def idle(self) -> None:
        """Called several times a second while the source has no frame."""


@dataclass
class _Shooting:
    """A take while it is filmed.

    Attributes:
        start: the source's time at which the label was asked for, in seconds.
        latest: the time of the latest picture.
        refused_since: the time from which on frames were refused; None while they are taken.
        refusal_logged: whether that was logged.
    """

    start: float
    latest: float = -math.inf
    refused_since: float | None = None
    refusal_logged: bool = False
    faces: list[Image] = field(default_factory=list)

    def add(self, frame: Frame, boxes: Sequence[Box], label: str) -> None:
        """Take a picture, if it is time and there is exactly one face."""
        if len(boxes) != 1:
            if self.refused_since is None:
                self.refused_since = frame.time
            if frame.time - self.refused_since >= PATIENCE and not self.refusal_logged:
                log.warning("“%s” waits: %s.", label, problem(len(boxes)))
                self.refusal_logged = True
            return
        self.refused_since, self.refusal_logged = None, False
        if self.countdown(frame.time) == 0 and frame.time - self.latest >= SPACING:
            self.faces.append(cut_out(frame.image, boxes[0]))
            self.latest = frame.time

    def countdown(self, time: float) -> float:
        return max(0.0, COUNTDOWN - (time - self.start))


def film(
    frames: Iterable[Frame | None],
    detector: Detector,
    folder: Path,
    takes: Sequence[Take],
    pictures: int,
    screen: Screen,
) -> int:
    """Film takes one after the other. Each is written as soon as it is complete, so an interruption loses one at most.

    Args:
        frames: as ``Source.poll`` gives them.
        detector: finds the faces.
        folder: where the pictures go; see ``prepare_folder``.
        takes: what to film.
        pictures: how many pictures of each.
        screen: shows what is asked for.

    Returns:
        How many takes were completed; all of them, unless the frames ended or the person stopped.

    Raises:
        SourceError: the source fails.
        SinkError: a picture cannot be written.
    """
    done = 0
    shooting: _Shooting | None = None
    for frame in frames:
        if frame is None:
            screen.idle()
        elif done < len(takes):
            take = takes[done]
            shooting = shooting or _Shooting(frame.time)
            boxes = detector(frame.image)
            shooting.add(frame, boxes, take.label)
            taken = len(shooting.faces)
            countdown = shooting.countdown(frame.time)
            screen.show(frame, boxes, Moment(take, len(takes) - done, countdown, taken, pictures, len(boxes)))
            if taken == pictures:
                save_take(folder, take, shooting.faces)
                log.info("%s: %d picture%s (%d of %d)", take.label, taken, "s" * (taken != 1), done + 1, len(takes))
                done, shooting = done + 1, None
        if screen.finished or done == len(takes):
            break
    return done
