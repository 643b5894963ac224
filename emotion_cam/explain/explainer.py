"""The three views of one face, computed from a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_cam.card import read_card
from emotion_cam.errors import ModelError
from emotion_cam.explain.gradients import Map, first_layers, grad_cam, guided, guided_backpropagation
from emotion_cam.preprocess import extract_face, roll_to_correct
from emotion_cam.recognition.classifier import load_keras
from emotion_cam.types import Box, Image


@dataclass(frozen=True)
class Explanation:
    """Why a network gives a face its most likely label.

    Attributes:
        title: the name of the face, its label and score.
        face: the input of the network, uint8, gray, (height, width).
        class_map: the class activation map of the label, (rows, columns), in logits.
        grad_cam: the result of ``grad_cam``, (rows, columns).
        guided: the result of ``guided_backpropagation``, (height, width).
    """

    title: str
    face: Image
    class_map: Map
    grad_cam: Map
    guided: Map

    @property
    def guided_grad_cam(self) -> Map:
        """Guided backpropagation times Grad-CAM, (height, width); Selvaraju et al. 2017, section 3.2."""
        height, width = self.guided.shape
        enlarged = cv2.resize(self.grad_cam, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(self.guided * enlarged, np.float32)


class Explainer:
    """Explains the labels of one model: ``explainer(image, box, name)``.

    Args:
        folder: a model folder with model.json and model.keras.

    Raises:
        ModelError: the folder is not a complete model, or its network has no class activation map.
    """

    def __init__(self, folder: Path) -> None:
        self.card = read_card(folder)
        self._model = load_keras(folder / "model.keras")
        if not {"class_map", "logits"} <= {layer.name for layer in self._model.layers}:
            raise ModelError(
                f"{folder / 'model.keras'} cannot be explained: it has no layers “class_map” and “logits”."
            )
        self._guided = guided(self._model)

    def __call__(self, image: Image, box: Box, name: str = "") -> Explanation:
        """Explain the most likely label of a face.

        Args:
            image: uint8, (height, width, 3), BGR.
            box: the face; it may reach beyond the picture.
            name: the name of the face in the title.
        """
        roll = roll_to_correct(box, self.card.upright_from)
        face = extract_face(image, box, self.card.size, self.card.margin, roll)
        pixels = face.astype(np.float32)[None, ..., None]
        scores = np.asarray(self._model(pixels, training=False))[0]
        index = int(scores.argmax())
        class_maps = first_layers(self._model, "class_map")(pixels, training=False)
        return Explanation(
            title=f"{name}\n{self.card.labels[index]} {scores[index]:.0%}",
            face=face,
            class_map=np.asarray(class_maps, np.float32)[0, ..., index],
            grad_cam=grad_cam(self._model, pixels, index),
            guided=guided_backpropagation(self._guided, pixels, index),
        )
