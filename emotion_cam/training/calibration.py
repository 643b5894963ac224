"""Calibration: how far scores can be read as probabilities, and the temperature that brings them closer to it.

A model is calibrated if it is right on 80 % of the pictures to which it gives a score of 0.8.

Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from emotion_cam.card import BINS, Bin
from emotion_cam.types import Scores

TEMPERATURES = (0.1, 10.0)
"""The range in which the temperature is searched."""

COVERAGE = 0.9
"""The share of pictures whose top score is to reach the threshold."""


def reliability(scores: Scores, truth: npt.NDArray[np.intp], bins: int = BINS) -> tuple[Bin, ...]:
    """The points of a reliability diagram: bins of equal width over the top score, without the empty ones.

    Args:
        scores: float32, (pictures, classes), softmax.
        truth: int, (pictures,), the index of the true class.
        bins: the number of bins between 0 and 1.

    Source: Guo et al. 2017, section 2.
    """
    top, correct = scores.max(axis=1), scores.argmax(axis=1) == truth
    number = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    return tuple(
        Bin(
            lower=i / bins,
            upper=(i + 1) / bins,
            pictures=int(here.sum()),
            confidence=float(top[here].mean()),
            accuracy=float(correct[here].mean()),
        )
        for i in range(bins)
        if (here := number == i).any()
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance between score and accuracy over all pictures, in [0, 1]; Guo et al. 2017, equation 3."""
    pictures = sum(b.pictures for b in bins)
    return sum(b.pictures * abs(b.accuracy - b.confidence) for b in bins) / pictures


def best_temperature(scores: Scores, truth: npt.NDArray[np.intp]) -> float:
    """The number by which to divide the logits to make the true classes most likely; above 1 if scores are too high.

    Args:
        scores: float32, (pictures, classes), softmax at temperature 1, of pictures that were not used for training.
        truth: int, (pictures,), the index of the true class.

    Source: Guo et al. 2017, section 4.2.
    """
    # Softmax cancels a constant in every row of logits, so the logarithms of the scores serve as well as the logits.
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny), dtype=np.float64)

    def negative_log_likelihood(log_temperature: float) -> float:
        likelihoods = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(likelihoods[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(negative_log_likelihood, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x))


def at_temperature(scores: Scores, temperature: float) -> Scores:
    """The scores, (pictures, classes), after the logits are divided by a temperature."""
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny), dtype=np.float64)
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def threshold(scores: Scores) -> float:
    """The top score that the share COVERAGE of the pictures reaches, rounded down to two places."""
    return math.floor(100 * float(np.quantile(scores.max(axis=1), 1 - COVERAGE))) / 100
