from __future__ import annotations

import numpy as np

from emotion_cam.training.backend import keras
from emotion_cam.training.networks import mini_xception


def test_a_face_is_enlarged_inside_without_a_parameter_more() -> None:
    plain, inside = mini_xception((48, 48, 1), 7), mini_xception((48, 48, 1), 7, inside=64)
    assert plain.count_params() == inside.count_params() == 58423
    assert inside.get_layer("class_map").output.shape[1:] == (4, 4, 7)


def test_a_call_without_a_word_on_training_is_no_training() -> None:
    """Keras's layer Resizing counts as training by default, and batch normalization after it would use the batch."""
    model = mini_xception((48, 48, 1), 7, inside=64)
    rng = np.random.default_rng(1)
    model.set_weights([weights + 0.1 * rng.random(weights.shape, np.float32) for weights in model.get_weights()])
    faces = rng.uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    told, untold = (keras.ops.convert_to_numpy(scores) for scores in (model(faces, training=False), model(faces)))
    assert np.array_equal(told, untold)
