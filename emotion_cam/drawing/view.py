"""What is drawn of a result: settings only, no drawing. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What is drawn, in the window and in every picture and video that is written.

    Attributes:
        bars: Draw a softmax bar for each label of a task that has more than two.
        landmarks: Draw eyes, nose and mouth corners as points, where the detector finds them.
        explain: Highlight the regions of each face that support its label: the network's class activation map.
        blur: Blur the detected faces so that nobody can be recognized.
        picture: Draw on the picture; without it, boxes and labels stand on a dark background.
        mirror: Flip every frame left to right, or none. By default only the window of a camera is mirrored.
        hide: A task that is not drawn; tables and reports keep it. May be repeated.
    """

    bars: bool = True
    landmarks: bool = False
    explain: bool = False
    blur: bool = False
    picture: bool = True
    mirror: bool | None = None
    hide: tuple[str, ...] = ()

    @property
    def shows_faces(self) -> bool:
        """Whether people can be recognized in what is drawn."""
        return self.picture and not self.blur


@dataclass
class Controls:
    """What the user can change while a run is going on: the window's keys write it, the loop reads it.

    Attributes:
        view: how the next frame is drawn.
    """

    view: View
