"""A model is a folder: what it says of itself (ModelCard), and the network in it, ready to run (Classifier)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion_cam.errors import MissingExtraError, ModelError
from emotion_cam.litert import open_interpreter, silenced_stderr
from emotion_cam.types import Image, Scores

RUNTIMES = {"litert": "model.tflite", "keras": "model.keras"}
"""The ways to run a network, and the file of the model folder that each one needs."""

_PLACES = (Path(__file__).parent.parent / "models", Path(__file__).parent.parent.parent / "models")
"""Where the shipped models lie: inside an installed package, or beside it in a checkout."""

Maps: TypeAlias = npt.NDArray[np.float32]
"""Class activation maps, float32, (faces, rows, columns, classes), whose means over rows and columns are the logits."""

Runner: TypeAlias = Callable[[npt.NDArray[np.float32]], tuple[Scores, Maps | None]]
"""Faces as float32 in [0, 255], (faces, height, width, 1) → softmax scores, (faces, classes), and the maps behind."""


@dataclass(frozen=True)
class ModelCard:
    """What a run needs to know of a model, read from the folder's model.json.

    Attributes:
        folder: where the model lies.
        task: what it tells, as people see it: "emotion", "gender", ….
        labels: its classes, in the order of its scores.
        size: (height, width) of its input in pixels.
        margin: what to add to the detector's box on every side, as a share of the box's side.
        min_confidence: below which score the network is taken to be unsure, in [0, 1].
        steady: whether what it tells stays the same while a face is in view.
        written: all that model.json says: the data, the training, the figures.
    """

    folder: Path
    task: str
    labels: tuple[str, ...]
    size: tuple[int, int]
    margin: float
    min_confidence: float
    steady: bool
    written: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> ModelCard:
        """Read and check model.json.

        Raises:
            ModelError: the folder or its model.json is missing, or does not say what is needed.
        """
        file = folder / "model.json"
        if not folder.is_dir():
            raise ModelError(f"{folder} is no model: there is no such folder.")
        try:
            written = json.loads(file.read_text(encoding="utf-8"))
            card = cls(
                folder=folder,
                task=str(written["task"]),
                labels=tuple(str(label) for label in written["labels"]),
                size=(int(written["size"][0]), int(written["size"][1])),
                margin=float(written["margin"]),
                min_confidence=float(written.get("min_confidence", 0)),
                steady=bool(written.get("steady", False)),
                written=written,
            )
        except FileNotFoundError:
            raise ModelError(f"{folder} is no model: it has no model.json.") from None
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, IndexError) as error:
            raise ModelError(f"{file} is not a model's card: {error}.") from error
        except KeyError as error:
            raise ModelError(f"{file} does not say the model's {error.args[0]}.") from error
        if not card.task or len(card.labels) < 2 or len(set(card.labels)) < len(card.labels) or min(card.size) < 1:
            raise ModelError(f"{file} needs a task, two or more different labels, and a size.")
        return card


def shipped_models() -> dict[str, Path]:
    """The folders of the models that come with the program, by task: those that are named like their task.

    Raises:
        ModelError: the installation has no models.
    """
    place = next((place for place in _PLACES if place.is_dir()), None)
    if place is None:
        raise ModelError(f"The shipped models are missing: there is no {_PLACES[0]}; install emotion-cam again.")
    cards = [ModelCard.load(file.parent) for file in sorted(place.glob("*/model.json"))]
    return {card.task: card.folder for card in cards if card.folder.name == card.task}


class Classifier:
    """A network that says what faces show, run by LiteRT or by Keras.

    Args:
        folder: the model folder.
        runtime: "litert" (quick, the default) or "keras" (the Keras file itself; needs the extra ``train``).
        threads: how many threads LiteRT may use.

    Raises:
        ModelError: the folder is missing, incomplete or inconsistent.
        MissingExtraError: Keras is wanted but not installed.
    """

    def __init__(self, folder: Path, *, runtime: str = "litert", threads: int = 1) -> None:
        self.card = ModelCard.load(folder)
        if runtime not in RUNTIMES:
            raise ModelError(f"There is no runtime “{runtime}”; there are {' and '.join(RUNTIMES)}.")
        file = folder / RUNTIMES[runtime]
        if not file.is_file():
            raise ModelError(f"{folder} is incomplete: it has no {file.name}.")
        self._run, shape = _litert(file, threads) if runtime == "litert" else _keras(file)
        expected = (*self.card.size, 1, len(self.card.labels))
        if shape != expected:
            raise ModelError(
                f"{folder} is inconsistent: {file.name} takes and gives (height, width, channels, classes) = {shape}, "
                f"but model.json says {expected}."
            )

    def __call__(self, faces: Sequence[Image]) -> Scores:
        """Score faces in one batch.

        Args:
            faces: what extract_face gives, each uint8 grey of the card's size.

        Returns:
            float32, (faces, classes), each row a softmax.
        """
        scores, _ = self.explain(faces)
        return scores

    def explain(self, faces: Sequence[Image]) -> tuple[Scores, Maps | None]:
        """Score faces in one batch, and say what in them the scores come from.

        Args:
            faces: as above.

        Returns:
            The scores, and the class activation maps, or None if the network has none (see ``Maps``). The maps come
            of the scores' own computation and take no time of their own.
        """
        if not len(faces):
            return np.zeros((0, len(self.card.labels)), np.float32), None
        return self._run(np.stack(faces).astype(np.float32)[..., None])


Shape: TypeAlias = tuple[int, ...]


def _litert(file: Path, threads: int) -> tuple[Runner, Shape]:
    try:
        interpreter = open_interpreter(file, threads)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{file} is damaged or no LiteRT model; export it again.") from error
    face = interpreter.get_input_details()[0]
    # The scores have two axes; the class activation map, which a model may have beside them, has four.
    outputs = {len(out["shape_signature"]): out for out in interpreter.get_output_details()}
    scores, maps = outputs.get(2), outputs.get(4)
    if scores is None or len(face["shape_signature"]) != 4:
        raise ModelError(f"{file} does not take pictures and give scores; export it again.")

    batch = 1

    def result(output: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        return np.array(interpreter.get_tensor(output["index"]), dtype=np.float32)

    def run(faces: npt.NDArray[np.float32]) -> tuple[Scores, Maps | None]:
        nonlocal batch
        if batch != len(faces):
            interpreter.resize_tensor_input(face["index"], faces.shape)
            interpreter.allocate_tensors()
            batch = len(faces)
        interpreter.set_tensor(face["index"], faces)
        interpreter.invoke()
        return result(scores), None if maps is None else result(maps)

    return run, (*map(int, face["shape_signature"][1:]), int(scores["shape_signature"][-1]))


def load_keras(file: Path) -> Any:
    """The Keras model in a file.

    Raises:
        ModelError: the file is missing, damaged, or something else.
        MissingExtraError: Keras is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with silenced_stderr():
            import keras
    except ImportError:
        raise MissingExtraError("--runtime keras", "train") from None
    try:
        return keras.models.load_model(file, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise ModelError(f"{file} is damaged or no Keras model.") from error


def _keras(file: Path) -> tuple[Runner, Shape]:
    model = load_keras(file)
    import keras

    last = next((layer for layer in model.layers if layer.name == "class_map"), None)
    both = None if last is None else keras.Model(model.input, [model.output, last.output])

    def run(faces: npt.NDArray[np.float32]) -> tuple[Scores, Maps | None]:
        if both is None:
            return np.asarray(model(faces, training=False), dtype=np.float32), None
        scores, maps = both(faces, training=False)
        return np.asarray(scores, dtype=np.float32), np.asarray(maps, dtype=np.float32)

    return run, (*model.input_shape[1:], model.output_shape[-1])
