from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion_cam.card import read_card
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.rebalance import rebalance, rebalanced


def test_the_prior_goes_out_of_the_weights_as_out_of_the_scores(emotion_model: Path) -> None:
    faces = list(np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8))
    common = np.array([0.1, 0.02, 0.08, 0.3, 0.15, 0.05, 0.3], np.float32)
    before = Classifier(emotion_model, runtime="keras")(faces)
    rebalance(emotion_model, common, 0.3)
    rebalance(emotion_model, common, 0.2)
    assert Classifier(emotion_model, runtime="keras")(faces) == pytest.approx(rebalanced(before, common, 0.5), abs=1e-5)
    card = read_card(emotion_model)
    assert card.training.settings["prior_strength"] == 0.5
    assert card.measured == ()
    assert not (emotion_model / "model.tflite").exists()
