"""How far a model's scores can be taken at their word (Guo et al., "On Calibration of Modern Neural Networks", 2017).

A model is calibrated if, of all pictures of which it is 80 % sure, it names 80 % rightly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from emotion_cam.types import Scores

BINS = 15
"""Guo et al. 2017 use 15 bins of equal width."""

TEMPERATURES = (0.1, 10.0)
"""Where the temperature is looked for."""

ANSWERED = 0.9
"""The share of pictures for which a network should not call itself unsure."""


@dataclass(frozen=True)
class Bin:
    """The pictures whose top score lies in (lower, upper]: how many, their mean top score, and their accuracy."""

    lower: float
    upper: float
    pictures: int
    confidence: float
    accuracy: float


def reliability(scores: Scores, truth: npt.NDArray[np.intp], bins: int = BINS) -> list[Bin]:
    """The points of a reliability diagram: bins of equal width of the top score, those without a picture left out.

    Args:
        scores: float32, (pictures, classes), softmax.
        truth: int, (pictures,), the index of the true class.
        bins: how many there are between 0 and 1.

    Source: Guo et al. 2017, section 2.
    """
    top, correct = scores.max(axis=1), scores.argmax(axis=1) == truth
    number = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    return [
        Bin(i / bins, (i + 1) / bins, int(here.sum()), float(top[here].mean()), float(correct[here].mean()))
        for i in range(bins)
        if (here := number == i).any()
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """The distance between score and accuracy, in [0, 1], averaged over the pictures; Guo et al. 2017, equation 3."""
    pictures = sum(b.pictures for b in bins)
    return sum(b.pictures * abs(b.accuracy - b.confidence) for b in bins) / pictures


def best_temperature(scores: Scores, truth: npt.NDArray[np.intp]) -> float:
    """The number by which to divide the logits so that the true classes become most likely; above 1 for a boaster.

    Args:
        scores: float32, (pictures, classes), softmax at temperature 1, of pictures that the network was not fitted to.
        truth: int, (pictures,), the index of the true class.

    Source: Guo et al. 2017, section 4.2.
    """
    # Softmax forgets a constant in every row of logits, so the scores' logarithms do as well as the logits.
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny), dtype=np.float64)

    def negative_log_likelihood(log_temperature: float) -> float:
        likelihoods = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(likelihoods[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(negative_log_likelihood, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x))


def at_temperature(scores: Scores, temperature: float) -> Scores:
    """The scores, (pictures, classes), that come of dividing the logits by a temperature."""
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny), dtype=np.float64)
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def threshold(scores: Scores) -> float:
    """The top score, in hundredths, that the share ANSWERED of these pictures reaches: below it a label is a guess."""
    return math.floor(100 * float(np.quantile(scores.max(axis=1), 1 - ANSWERED))) / 100
