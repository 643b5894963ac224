"""Runs the network of a model folder: crops of faces → scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.card import read_card
from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.litert import open_interpreter, silenced_stderr
from emotion_cam.types import Image, Scores

RUNTIMES = {"litert": "model.tflite", "keras": "model.keras"}
"""The runtimes that can run a network, each with the file of the model folder that it reads."""

ClassMaps: TypeAlias = npt.NDArray[np.float32]
"""Class activation maps, float32, (faces, rows, columns, labels); their means over rows and columns are the logits."""

_Run: TypeAlias = Callable[[npt.NDArray[np.float32]], tuple[Scores, ClassMaps | None]]
"""Crops as float32 in [0, 255], (faces, height, width, 1) → scores, (faces, labels), and any class maps."""

_Shape: TypeAlias = tuple[int, ...]
"""The (height, width, channels, labels) that a network takes and returns."""


class Classifier:
    """The network of a model folder, run by LiteRT or Keras: ``classifier(crops)`` returns scores.

    >>> import numpy as np
    >>> from emotion_cam import Classifier
    >>> from emotion_cam.card import shipped_models
    >>> classifier = Classifier(shipped_models()["gender"])
    >>> classifier.card.labels
    ('man', 'woman')
    >>> classifier([np.zeros(classifier.card.size, np.uint8)]).shape
    (1, 2)

    Args:
        folder: the model folder.
        runtime: "litert", the fast one, or "keras", which runs the Keras file itself and needs the extra ``train``.
        threads: the number of threads that LiteRT may use.

    Attributes:
        card: the model's card.

    Raises:
        ModelError: the folder is missing, incomplete or inconsistent, or there is no such runtime.
        MissingExtraError: the runtime is Keras, which is not installed.
    """

    def __init__(self, folder: Path, *, runtime: str = "litert", threads: int = 1) -> None:
        self.card = read_card(folder)
        if runtime not in RUNTIMES:
            raise ModelError(f"There is no runtime “{runtime}”; the runtimes are {' and '.join(RUNTIMES)}.")
        file = folder / RUNTIMES[runtime]
        if not file.is_file():
            raise ModelError(f"{folder} is incomplete: it has no {file.name}.")
        self._run, shape = _open_litert(file, threads) if runtime == "litert" else _open_keras(file)
        expected = (*self.card.size, 1, len(self.card.labels))
        if shape != expected:
            raise ModelError(
                f"{folder} is inconsistent: the (height, width, channels, labels) of {file.name} are {shape}, "
                f"but those of model.json are {expected}."
            )

    def __call__(self, crops: Sequence[Image]) -> Scores:
        """Score faces in one batch.

        Args:
            crops: faces as ``extract_face`` returns them, each uint8, gray, of the card's size.

        Returns:
            float32, (faces, labels), each row a softmax.
        """
        scores, _ = self.with_class_maps(crops)
        return scores

    def with_class_maps(self, crops: Sequence[Image]) -> tuple[Scores, ClassMaps | None]:
        """Score faces in one batch, and return the class activation maps that the scores were computed from.

        The maps take no extra time.

        Args:
            crops: as for ``__call__``.

        Returns:
            The scores, and the maps; None in their place if the network has none or there are no crops.
        """
        if not len(crops):
            return np.zeros((0, len(self.card.labels)), np.float32), None
        return self._run(np.stack(crops).astype(np.float32)[..., None])


def _open_litert(file: Path, threads: int) -> tuple[_Run, _Shape]:
    try:
        interpreter = open_interpreter(file, threads)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{file} is damaged or not a LiteRT model; export it again.") from error
    crops_in = interpreter.get_input_details()[0]
    # The scores have two axes; the class maps, which a model may also return, have four.
    outputs = {len(out["shape_signature"]): out for out in interpreter.get_output_details()}
    scores_out, maps_out = outputs.get(2), outputs.get(4)
    if scores_out is None or len(crops_in["shape_signature"]) != 4:
        raise ModelError(f"{file} does not take pictures and return scores; export it again.")

    batch = 1

    def read(output: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        return np.array(interpreter.get_tensor(output["index"]), dtype=np.float32)

    def run(crops: npt.NDArray[np.float32]) -> tuple[Scores, ClassMaps | None]:
        nonlocal batch
        if batch != len(crops):
            interpreter.resize_tensor_input(crops_in["index"], crops.shape)
            interpreter.allocate_tensors()
            batch = len(crops)
        interpreter.set_tensor(crops_in["index"], crops)
        interpreter.invoke()
        return read(scores_out), None if maps_out is None else read(maps_out)

    return run, (*map(int, crops_in["shape_signature"][1:]), int(scores_out["shape_signature"][-1]))


def load_keras(file: Path) -> Any:
    """Load a Keras model.

    Raises:
        ModelError: the file is missing, damaged, or not a Keras model.
        MissingExtraError: Keras is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with silenced_stderr():
            import keras
    except ImportError:
        raise MissingExtraError("A Keras model", "train") from None
    try:
        return keras.models.load_model(file, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise ModelError(f"{file} is damaged or not a Keras model.") from error


def _open_keras(file: Path) -> tuple[_Run, _Shape]:
    model = load_keras(file)
    import keras

    class_map = next((layer for layer in model.layers if layer.name == "class_map"), None)
    with_maps = None if class_map is None else keras.Model(model.input, [model.output, class_map.output])

    def run(crops: npt.NDArray[np.float32]) -> tuple[Scores, ClassMaps | None]:
        if with_maps is None:
            return np.asarray(model(crops, training=False), dtype=np.float32), None
        scores, maps = with_maps(crops, training=False)
        return np.asarray(scores, dtype=np.float32), np.asarray(maps, dtype=np.float32)

    return run, (*model.input_shape[1:], model.output_shape[-1])
