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
    """What to add to the logits of every set's pictures in training: float32, (classes,), one for each set.

    Args:
        sets: the training sets.
        reference: the sets in whose class frequencies the network is to score when it is used.
    """
    common = np.log(prior(reference))
    return [np.asarray(np.log(prior([faces])) - common, np.float32) for faces in sets]
