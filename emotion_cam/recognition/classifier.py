"""Runs the network of a model folder: crops of faces → scores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.adaptation import Adaptation
from emotion_cam.card import read_card
from emotion_cam.checks import AnyPath, as_path, check_count
from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.keras_files import read_newer_files
from emotion_cam.litert import open_interpreter, silenced_stderr
from emotion_cam.pool import Pool
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

    Several threads may use one classifier at the same time: LiteRT gets an interpreter for each of them, and Keras runs
    one batch after the other.

    Args:
        folder: the model folder.
        runtime: "litert", the fast one, or "keras", which runs the Keras file itself and needs the extra ``train``.
        threads: the number of threads that LiteRT may use for one batch.
        adaptation: what is added to the logits for one person; None for nothing.

    Attributes:
        card: the model's card.

    Raises:
        ModelError: the folder is missing, incomplete, damaged or inconsistent, or there is no such runtime.
        MissingExtraError: the runtime is Keras, which is not installed.
        TypeError, ValueError: ``folder`` is not a path, or ``threads`` not a whole number from 1.
    """

    def __init__(
        self, folder: AnyPath, *, runtime: str = "litert", threads: int = 1, adaptation: Adaptation | None = None
    ) -> None:
        folder = as_path(folder, "folder")
        check_count(threads, "threads")
        self.card = read_card(folder)
        if runtime not in RUNTIMES:
            raise ModelError(f"There is no runtime “{runtime}”; the runtimes are {' and '.join(RUNTIMES)}.")
        file = folder / RUNTIMES[runtime]
        if not file.is_file():
            raise ModelError(f"{folder} is incomplete: it has no {file.name}.")
        self._file = file
        self._adaptation = adaptation
        self._run, shape = _open_litert(file, threads) if runtime == "litert" else _open_keras(file)
        expected = (*self.card.size, 1, len(self.card.labels))
        if shape != expected:
            raise ModelError(
                f"{folder} is inconsistent: the (height, width, channels, labels) of {file.name} are {shape}, "
                f"but those of model.json are {expected}."
            )
        self._score(np.zeros((2, *self.card.size), np.uint8))  # now, and not after the first face was found

    def __call__(self, crops: Sequence[Image]) -> Scores:
        """Score faces in one batch.

        Args:
            crops: faces as ``extract_face`` returns them, each uint8, gray, of the card's size.

        Returns:
            float32, (faces, labels), each row a softmax.

        Raises:
            ModelError: the network cannot be run, or its scores are not numbers: the file is damaged.
            TypeError, ValueError: the crops are not uint8, gray and of the card's size.
        """
        scores, _ = self.with_class_maps(crops)
        return scores

    def with_class_maps(self, crops: Sequence[Image]) -> tuple[Scores, ClassMaps | None]:
        """Score faces in one batch, and return the class activation maps that the scores were computed from.

        The maps take no extra time. They are the network's own: an adaptation changes the scores alone.

        Args:
            crops: as for ``__call__``, which also names the errors.

        Returns:
            The scores, and the maps; None in their place if the network has none or there are no crops.
        """
        if not len(crops):
            return np.zeros((0, len(self.card.labels)), np.float32), None
        return self._score(_stacked(crops, self.card.size))

    def _score(self, crops: Image) -> tuple[Scores, ClassMaps | None]:
        try:
            scores, maps = self._run(crops.astype(np.float32)[..., None])
        except Exception as error:  # both runtimes raise errors of many kinds
            raise ModelError(f"{self._file} cannot be run; export it again.") from error
        if scores.shape != (len(crops), len(self.card.labels)) or not np.isfinite(scores).all():
            raise ModelError(f"{self._file} is damaged: its scores are not numbers between 0 and 1; export it again.")
        return scores if self._adaptation is None else self._adaptation.apply(scores), maps


def _stacked(crops: Sequence[Image], size: tuple[int, int]) -> Image:
    """Crops as one array, (faces, height, width)."""
    wanted = f"pictures of dtype uint8 and shape {size}, as `extract_face` returns them"
    for crop in crops:
        if not isinstance(crop, np.ndarray) or crop.dtype != np.uint8:
            raise TypeError(f"`crops` must be {wanted}, not {getattr(crop, 'dtype', type(crop).__name__)}.")
        if crop.shape != size:
            raise ValueError(f"`crops` must be {wanted}, not of shape {crop.shape}.")
    return np.stack(crops)


class _Interpreter:
    """A LiteRT interpreter of a classifier; one thread at a time may use it.

    Attributes:
        shape: the (height, width, channels, labels) of the network.
    """

    def __init__(self, file: Path, threads: int) -> None:
        self._interpreter = open_interpreter(file, threads)
        self._crops = self._interpreter.get_input_details()[0]
        # The scores have two axes; the class maps, which a model may also return, have four.
        outputs = {len(out["shape_signature"]): out for out in self._interpreter.get_output_details()}
        self._scores, self._maps = outputs[2], outputs.get(4)
        _, *input_shape = map(int, self._crops["shape_signature"])
        self.shape: _Shape = (*input_shape, int(self._scores["shape_signature"][-1]))
        self._batch = 1

    def __call__(self, crops: npt.NDArray[np.float32]) -> tuple[Scores, ClassMaps | None]:
        if self._batch != len(crops):
            self._interpreter.resize_tensor_input(self._crops["index"], crops.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(crops)
        self._interpreter.set_tensor(self._crops["index"], crops)
        self._interpreter.invoke()
        return self._read(self._scores), None if self._maps is None else self._read(self._maps)

    def _read(self, output: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        return np.array(self._interpreter.get_tensor(output["index"]), dtype=np.float32)


def _open_litert(file: Path, threads: int) -> tuple[_Run, _Shape]:
    try:
        interpreters = Pool(partial(_Interpreter, file, threads))
        with interpreters as interpreter:
            shape = interpreter.shape
    except Exception as error:  # LiteRT raises errors of many kinds for a damaged file
        raise ModelError(
            f"{file} is damaged or not a LiteRT model that takes pictures and returns scores; export it again."
        ) from error

    def run(crops: npt.NDArray[np.float32]) -> tuple[Scores, ClassMaps | None]:
        with interpreters as interpreter:
            return interpreter(crops)

    return run, shape


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
    read_newer_files(keras)
    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # zipfile, HDF5 and Keras raise errors of many kinds for a damaged file
        raise ModelError(f"{file} is damaged or not a Keras model.") from error


def _open_keras(file: Path) -> tuple[_Run, _Shape]:
    model = load_keras(file)
    import keras

    try:
        class_map = next((layer for layer in model.layers if layer.name == "class_map"), None)
        with_maps = None if class_map is None else keras.Model(model.input, [model.output, class_map.output])
        shape = (*model.input_shape[1:], model.output_shape[-1])
    except Exception as error:  # a Keras model of any other kind
        raise ModelError(f"{file} does not take pictures and return scores; export it again.") from error
    lock = threading.Lock()

    def run(crops: npt.NDArray[np.float32]) -> tuple[Scores, ClassMaps | None]:
        with lock:
            outputs = [model(crops, training=False)] if with_maps is None else with_maps(crops, training=False)
            scores, *maps = (keras.ops.convert_to_numpy(output).astype(np.float32) for output in outputs)
            return scores, maps[0] if maps else None

    return run, shape
