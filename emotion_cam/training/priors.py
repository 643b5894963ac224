"""Each data set's own prior in training, so that sets with other class frequencies than life's do no harm.

A set of posed faces has as many disgusted people as neutral ones. Mixed in plainly it teaches, beside what disgust
looks like, that disgust is frequent. With log π_set − log π_reference added to the logits for its pictures, the loss
explains that part away: the network learns what it would of pictures in the frequencies of the reference.

Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, section 4.2, there for one set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotion_cam.training.datasets import FaceSet, Targets

LEAST = 0.01
"""The share that a class has at the least in a prior, so that a class which a set lacks has a logarithm."""


def prior(sets: Sequence[FaceSet]) -> Targets:
    """The share of every class in these sets together: float32, (classes,), summing to 1, each at least about LEAST."""
    frequency = np.concatenate([faces.targets for faces in sets]).mean(axis=0)
    raised = np.maximum(frequency, LEAST)
    return np.asarray(raised / raised.sum(), np.float32)


def offsets(sets: Sequence[FaceSet], reference: Sequence[FaceSet]) -> list[Targets]:
    """What to add to the logits of every picture in training: float32, (pictures, classes), one for each set.

    Nothing is added for the reference sets themselves. Where a set knows the source of its pictures (its groups'
    "set"), every source has a prior of its own: some have two classes only, and would teach that what looks like them
    is one of the two.

    Args:
        sets: the training sets.
        reference: those of them in whose class frequencies, taken together, the network is to score when it is used.
    """
    common = np.log(prior(reference))
    return [
        np.zeros_like(faces.targets) if any(faces is one for one in reference) else _offsets(faces, common)
        for faces in sets
    ]


def _offsets(faces: FaceSet, common: Targets) -> Targets:
    shifts = np.empty_like(faces.targets)
    sources = faces.groups.get("set", np.zeros(len(faces), np.str_))
    for source in np.unique(sources):
        rows = sources == source
        shifts[rows] = np.log(prior([faces.take(rows)])) - common
    return shifts
