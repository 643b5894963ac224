"""Why a network says what it says of a face in a still picture: three views, side by side.

The class activation map is what ``--explain`` shows live. The other two need gradients, and with them Keras: Grad-CAM,
and guided backpropagation, with which the authors of Mini-Xception looked into their networks (Arriaga,
Valdenegro-Toro and Plöger 2017, section IV).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import keras
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from emotion_cam.annotate.draw import draw_activation
from emotion_cam.recognition.classifier import ModelCard, load_keras
from emotion_cam.detect import HaarDetector
from emotion_cam.errors import MissingExtraError, ModelError, SinkError, SourceError
from emotion_cam.preprocess import extract_face
from emotion_cam.sinks import ImageSink, open_sink
from emotion_cam.sources import open_source
from emotion_cam.types import Box, Image, Result

try:
    import tensorflow as tf
except ImportError:
    raise MissingExtraError("This command", "train") from None

Map: TypeAlias = npt.NDArray[np.float32]
"""float32, (rows, columns)."""

TINY = 1e-9  # what is divided by, at least, so that nothing stays nothing


@dataclass(frozen=True)
class Explanation:
    """Why a network gives a face its most likely label.

    Attributes:
        title: whose face, and what the network says of it.
        face: what the network sees, uint8, grey, (height, width).
        class_map: the class activation map of the label, (rows, columns), in logits.
        grad_cam: what ``grad_cam`` gives, (rows, columns).
        guided: what ``guided_backpropagation`` gives, (height, width).
    """

    title: str
    face: Image
    class_map: Map
    grad_cam: Map
    guided: Map

    @property
    def guided_grad_cam(self) -> Map:
        """Guided backpropagation where Grad-CAM says that it matters, (height, width).

        Selvaraju et al. 2017, section 3.2.
        """
        height, width = self.guided.shape
        enlarged = cv2.resize(self.grad_cam, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(self.guided * enlarged, np.float32)


class Explainer:
    """Says why a model gives a face its label: ``explainer(face, name)``.

    Args:
        folder: a model folder with model.json and model.keras.

    Raises:
        ModelError: the folder is no whole model, or its network has no class activation map.
    """

    def __init__(self, folder: Path) -> None:
        self.card = ModelCard.load(folder)
        self._model = load_keras(folder / "model.keras")
        if not {"class_map", "logits"} <= {layer.name for layer in self._model.layers}:
            raise ModelError(f"{folder / 'model.keras'} has no layers “class_map” and “logits” to explain it by.")
        self._guided = guided(self._model)

    def __call__(self, image: Image, box: Box, name: str = "") -> Explanation:
        """Explain the most likely label of a face.

        Args:
            image: uint8, (height, width, 3), BGR.
            box: the face; it may reach over the edge.
            name: what to call it.
        """
        face = extract_face(image, box, self.card.size, self.card.margin)
        pixels = face.astype(np.float32)[None, ..., None]
        scores = np.asarray(self._model(pixels, training=False))[0]
        index = int(scores.argmax())
        return Explanation(
            title=f"{name}\n{self.card.labels[index]} {scores[index]:.0%}",
            face=face,
            class_map=np.asarray(_part(self._model, "class_map")(pixels, training=False), np.float32)[0, ..., index],
            grad_cam=grad_cam(self._model, pixels, index),
            guided=guided_backpropagation(self._guided, pixels, index),
        )


def grad_cam(model: keras.Model, pixels: npt.NDArray[np.float32], index: int) -> Map:
    """Grad-CAM: the features before the last convolution, each weighted by what it does for a class on the whole.

    Those features are the input of the layer ``class_map``. A feature's weight is the mean, over its map, of the
    gradient of the class's logit; what comes out negative becomes 0. Were ``class_map`` a 1×1 convolution, this would
    be the positive part of the class activation map divided by the number of its fields, but for the bias
    (section 3.1); Mini-Xception's is 3×3, and so Grad-CAM lacks what it does with neighbouring fields.

    Args:
        model: a network with the layers ``class_map`` and ``logits``.
        pixels: one face, float32 in [0, 255], (1, height, width, 1).
        index: the class.

    Returns:
        (rows, columns), at least 0.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017,
    section 3, equations 1 and 2.
    """
    both = keras.Model(model.input, [model.get_layer("class_map").input, model.get_layer("logits").output])
    with tf.GradientTape() as tape:
        features, logits = both(pixels, training=False)
        logit = logits[:, index]
    weights = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2))
    return np.asarray(tf.nn.relu(tf.einsum("nhwk,nk->nhw", features, weights))[0], np.float32)


def guided_backpropagation(model: keras.Model, pixels: npt.NDArray[np.float32], index: int) -> Map:
    """Guided backpropagation: which pixels raise the logit of a class, by way of neurons that all speak for it.

    Args:
        model: what ``guided`` makes of a network with the layer ``logits``.
        pixels: one face, float32 in [0, 255], (1, height, width, 1).
        index: the class.

    Returns:
        (height, width): by how much brighter pixels raise (above 0) or lower the logit, in logits for a step of 1.

    Source: Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2015, section 3.4.
    """
    face = tf.constant(pixels)
    with tf.GradientTape() as tape:
        tape.watch(face)
        logit = _part(model, "logits")(face, training=False)[:, index]
    return np.asarray(tape.gradient(logit, face)[0, ..., 0], np.float32)


def guided(model: keras.Model) -> keras.Model:
    """A copy of a network whose ReLU layers let only positive gradients through, and only where they were active."""

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.ReLU):
            return _GuidedReLU(name=layer.name)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


class _GuidedReLU(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return _guided_relu(inputs)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _guided_relu(inputs: Any) -> Any:
    def gradient(upstream: Any) -> Any:
        return tf.nn.relu(upstream) * tf.cast(inputs > 0, upstream.dtype)

    return tf.nn.relu(inputs), gradient


def _part(model: keras.Model, last: str) -> keras.Model:
    """The network as far as a layer."""
    return keras.Model(model.input, model.get_layer(last).output)


def explain(photo: Path, out: Path, models: Sequence[Path]) -> int:
    """Write a picture that says of each face in a photo why the models give it its labels.

    Args:
        photo: the picture.
        out: what to write, .png or .jpg.
        models: model folders with model.keras.

    Returns:
        How many faces there are, which are numbered from the left.

    Raises:
        SourceError: the photo cannot be read, or shows no face.
        SinkError: ``out`` is no picture or cannot be written.
        ModelError: a model folder is missing or incomplete.
    """
    with open_source(image=photo) as source, open_sink(out, source) as sink:
        if not isinstance(sink, ImageSink):
            raise SinkError(f"{out} is no picture: its name must end in .png or .jpg.")
        explainers = [Explainer(folder) for folder in models]
        frame = next(iter(source))
        boxes = sorted(HaarDetector()(frame.image), key=lambda box: box.x1)
        if not boxes:
            raise SourceError(f"{photo} shows no face that could be explained.")
        explanations = [
            explainer(frame.image, box, f"face {number}")
            for number, box in enumerate(boxes, 1)
            for explainer in explainers
        ]
        sink.write(Result(frame, (), lambda *_: drawn(explanations)))
    return len(boxes)


COLUMNS = ("what the network sees", "class activation map", "Grad-CAM", "guided backpropagation", "guided Grad-CAM")

SIDE = 240
"""The longer side of a face in the picture, in pixels."""


def drawn(explanations: Sequence[Explanation]) -> Image:
    """A row for each explanation, with captions, uint8 BGR.

    Maps lie over the face, the more of their colour the more a part speaks for the label. Gradients are grey where
    they are 0, bright where a brighter pixel speaks for the label, and dark where a darker one does.
    """
    figure = Figure(figsize=(11, 2.3 * len(explanations) + 0.3), dpi=100, layout="constrained")
    grid = figure.subplots(len(explanations), len(COLUMNS), squeeze=False)
    for axes, caption in zip(grid[0], COLUMNS, strict=True):
        axes.set_title(caption, fontsize=11)
    for row, explanation in zip(grid, explanations, strict=True):
        row[0].set_ylabel(explanation.title, fontsize=11)
        for axes, view in zip(row, _views(explanation), strict=True):
            axes.imshow(view[..., ::-1])
            axes.set(xticks=[], yticks=[])
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture: Image = np.asarray(canvas.buffer_rgba(), np.uint8)[..., 2::-1].copy()
    return picture


def _views(explanation: Explanation) -> Iterator[Image]:
    """What goes under each of COLUMNS."""
    face = _enlarged(explanation.face)
    yield face
    yield _under(explanation.class_map, face)
    yield _under(explanation.grad_cam / max(float(explanation.grad_cam.max()), TINY), face)
    yield _in_grey(explanation.guided)
    yield _in_grey(explanation.guided_grad_cam)


def _under(activation: Map, face: Image) -> Image:
    covered: Image = face.copy()
    draw_activation(covered, activation, Box(0, 0, face.shape[1], face.shape[0]))
    return covered


def _in_grey(gradient: Map) -> Image:
    # A few pixels are far stronger than all others; they may be cut off.
    most = max(float(np.percentile(np.abs(gradient), 99)), TINY)
    return _enlarged(np.clip(127.5 + 127.5 * gradient / most, 0, 255).astype(np.uint8))


def _enlarged(grey: Image) -> Image:
    scale = SIDE / max(grey.shape)
    large = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), np.uint8)
