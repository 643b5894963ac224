"""Batches of views with their targets, the same ones for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotion_cam.training.detector.scenes import CUTOUT_MARGIN, Floats, Scene, SceneSet, read_gray
from emotion_cam.training.detector.targets import targets
from emotion_cam.training.detector.views import Focus, View, ViewOptions, as_filmed, draw, framed, glimpsed, pasted
from emotion_cam.types import Image

LOOK = 96
"""Side in pixels of a look at a known face."""

LOOKS = ViewOptions(smallest=24, largest=64)
"""What is different about views of the size of a look."""


@dataclass
class Views:
    """Random views of scenes.

    Attributes:
        sets: the scenes.
        options: how views vary.
        cutouts: pictures of faces to be pasted into rooms.
        hard: places of the scenes that the network took for faces and are none.
    """

    sets: Sequence[SceneSet]
    options: ViewOptions
    cutouts: Sequence[Path] = ()
    hard: Sequence[Focus] = ()
    _faces: list[Focus] = field(init=False)
    _empty: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.scenes = [scene for scenes in self.sets for scene in scenes.scenes]
        self._faces = [Focus(i, *map(float, row)) for i, scene in enumerate(self.scenes) for row in scene.squares]
        # Every picture is seen equally often, not every face: crowds would be most of what is seen.
        share = np.array([1 / len(self.scenes[face.scene].squares) ** 0.5 for face in self._faces])
        self._chances = share / share.sum()
        self._empty = [i for i, scene in enumerate(self.scenes) if not len(scene.squares) and not len(scene.ignored)]

    def view(self, side: int, rng: np.random.Generator) -> View:
        """A random one, of so many pixels' side."""
        options = self.options if side > LOOK else self._for_looks()
        kind = rng.random()
        if kind < options.nobody or not self._faces:
            view = self._nobody(side, options, rng)
        elif kind < options.nobody + options.pasted and self.cutouts:
            view = self._nobody(side, options, rng)
            for _ in range(int(rng.integers(1, 4))):
                view = self._pasted(view, options, rng)
        else:
            focus = self._faces[int(rng.choice(len(self._faces), p=self._chances))]
            room = self._room(side, options, rng)
            view = framed(self.scenes[focus.scene], side, focus, options, rng, room)
        return as_filmed(view, options, rng)

    def _for_looks(self) -> ViewOptions:
        changes = {name: getattr(LOOKS, name) for name in ("smallest", "largest")}
        return ViewOptions(**{**vars(self.options), **changes})

    def _nobody(self, side: int, options: ViewOptions, rng: np.random.Generator) -> View:
        room = self._room(side, options, rng)
        if self.hard and rng.random() < options.hard:
            focus = self.hard[int(rng.integers(len(self.hard)))]
            view = framed(self.scenes[focus.scene], side, focus, options, rng, room)
        else:
            view = glimpsed(self._empty_scene(rng), side, options, rng, room)
        if not len(view.squares) and rng.random() < options.drawn:
            draw(view.image, rng)
        return view

    def _empty_scene(self, rng: np.random.Generator) -> Scene:
        return self.scenes[self._empty[int(rng.integers(len(self._empty)))]]

    def _room(self, side: int, options: ViewOptions, rng: np.random.Generator) -> Image | None:
        """What is behind a picture that does not fill the view: one gray, or another picture without faces."""
        if options.edges and rng.random() < options.edges:
            return None
        room = np.full((side, side), rng.integers(256), np.uint8)
        if rng.random() < 0.6 or not self._empty:
            return room
        return glimpsed(self._empty_scene(rng), side, options, rng, room).image

    def _pasted(self, view: View, options: ViewOptions, rng: np.random.Generator) -> View:
        face = read_gray(self.cutouts[int(rng.integers(len(self.cutouts)))])
        return pasted(face, CUTOUT_MARGIN, view, options, rng)


def batches(
    views: Views, sizes: Sequence[tuple[int, int, float]], steps: int, seed: int, epoch: int
) -> Iterator[tuple[Floats, Floats]]:
    """An epoch's batches.

    Args:
        views: where they are from.
        sizes: (side, views a batch, share of the batches).
        steps: how many batches.
        seed, epoch: decide which views.

    Yields:
        Pictures, float32 in [0, 255], (views, side, side, 1), and targets, (views, places, COLUMNS).
    """
    rng = np.random.default_rng((seed, epoch))
    shares = np.array([share for _, _, share in sizes])
    for _ in range(steps):
        side, count, _ = sizes[rng.choice(len(sizes), p=shares / shares.sum())]
        seen = [views.view(side, rng) for _ in range(count)]
        yield np.stack([view.image for view in seen])[..., None].astype(np.float32), targets(seen)
