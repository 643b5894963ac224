"""The networks, written as in the papers, as Keras functional models.

Every network takes gray or color faces as float32 in [0, 255], shape (batch, height, width, channels), and returns
softmax scores, shape (batch, classes). Scaling to [-1, 1] is a layer inside, so no caller can get it wrong. The layer
before the scores' pooling is named "class_map": the class activation map, which export and explanations need.

A new network is a function and an entry in NETWORKS. Its options are keyword-only, and fields of ``Recipe``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from emotion_cam.errors import TrainingError
from emotion_cam.training.backend import keras
from emotion_cam.training.recipe import Recipe
from emotion_cam.training.residual import residual_network

layers = keras.layers


def mini_xception(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    l2: float = 0.0,
    residual: bool = True,
    separable: bool = True,
    middle_activation: bool = False,
    width: float = 1.0,
    inside: int = 0,
) -> keras.Model:
    """Mini-Xception: fully convolutional, residual, with depthwise separable convolutions.

    58,423 parameters for 7 classes, 52,658 for 2.

    Args:
        input_shape: height, width and channels of a face; any size from 48×48 up.
        num_classes: the number of softmax outputs.
        l2: weight decay as a penalty on every convolution; the authors' code uses 0.01.
        residual: keep the shortcuts around the blocks; without them, as in Chollet's experiment on residual
            connections.
        separable: use depthwise separable convolutions in the blocks; plain 3×3 convolutions otherwise.
        middle_activation: put a ReLU between each depthwise convolution and its pointwise one, as in Chollet's
            experiment on intermediate activations.
        width: factor for the number of filters of every convolution, above 0.
        inside: side in pixels to which the network enlarges the face before its first convolution, bilinearly; 0 leaves
            it as it is. The published network works at 64×64 on FER2013's 48×48.

    Raises:
        ValueError: ``middle_activation`` without ``separable``; a width that is not above 0.

    Source: Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion and Gender
    Classification", 2017, section III and figure 3; sizes as in the authors' released weights. The experiments:
    Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016, sections 4.6 and 4.7.
    """
    build = _Builder(l2, residual, separable, middle_activation, width)
    inputs, x = build.scaled(input_shape)
    if inside:
        # Not the layer Resizing: that counts as training unless told otherwise, and has all after it do so.
        x = keras.ops.image.resize(x, (inside, inside), interpolation="bilinear")
    for i in (1, 2):
        x = build.stem(x, 8, f"stem{i}")
    for i, filters in enumerate((16, 32, 64, 128), start=1):
        x = build.shrinking_block(x, (filters, filters), f"block{i}", relu_first=False)
    return keras.Model(inputs, build.scores(x, num_classes, kernel_size=3), name="mini_xception")


def xception(
    input_shape: tuple[int, int, int] = (299, 299, 3),
    num_classes: int = 1000,
    *,
    l2: float = 0.0,
    residual: bool = True,
    separable: bool = True,
    middle_activation: bool = False,
    width: float = 1.0,
    middle_blocks: int = 8,
) -> keras.Model:
    """Xception: depthwise separable convolutions with shortcuts, in an entry, a middle and an exit flow.

    22,910,480 parameters for 1000 classes, 20,875,247 for 7 classes of gray faces. With the same weights it computes
    the same scores as ``keras.applications.Xception``.

    Args:
        input_shape: height, width and channels of a picture; any size from 71×71 up.
        num_classes, l2, residual, separable, middle_activation, width: as for ``mini_xception``.
        middle_blocks: the number of blocks in the middle flow.

    Raises:
        ValueError: as ``mini_xception``; a smaller picture; a negative number of blocks.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016, figure 5. The fully
    connected layer on top comes before the global average pooling here, as a 1×1 convolution. Both are linear, so
    scores and parameters are the same, and the input of the pooling is the class activation map.
    """
    if min(input_shape[:2]) < NETWORKS["xception"].smallest:
        raise ValueError("Xception takes pictures of 71×71 pixels or more.")
    if middle_blocks < 0:
        raise ValueError(f"`middle_blocks` must be at least 0, not {middle_blocks}.")
    build = _Builder(l2, residual, separable, middle_activation, width)
    inputs, x = build.scaled(input_shape)

    # Entry flow.
    x = build.stem(x, 32, "stem1", strides=2)
    x = build.stem(x, 64, "stem2")
    x = build.shrinking_block(x, (128, 128), "block2", relu_first=False)  # the stem ends with one
    x = build.shrinking_block(x, (256, 256), "block3")
    x = build.shrinking_block(x, (728, 728), "block4")
    # Middle flow.
    for i in range(5, 5 + middle_blocks):
        x = build.block(x, (728, 728, 728), f"block{i}")
    # Exit flow.
    x = build.shrinking_block(x, (728, 1024), f"block{5 + middle_blocks}")
    x = build.convolutions(x, (1536, 2048), f"block{6 + middle_blocks}", relu_first=False)
    x = layers.ReLU(name=f"block{6 + middle_blocks}_relu")(x)
    return keras.Model(inputs, build.scores(x, num_classes, kernel_size=1), name="xception")


@dataclass(frozen=True)
class Network:
    """An architecture that a recipe can name.

    Attributes:
        build: makes the Keras model from the input shape, the number of classes and options.
        smallest: the smallest height and width of its input, in pixels; the class map then has 3×3 places.
    """

    build: Callable[..., keras.Model]
    smallest: int

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options; each is a field of ``Recipe`` too."""
        parameters = signature(self.build).parameters.values()
        return tuple(parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY)

    def __call__(self, input_shape: tuple[int, int, int], num_classes: int, **options: Any) -> keras.Model:
        return self.build(input_shape, num_classes, **options)


NETWORKS = {
    "mini_xception": Network(mini_xception, smallest=48),
    "xception": Network(xception, smallest=71),
    "residual": Network(residual_network, smallest=48),
}

NETWORK_OPTIONS = tuple(dict.fromkeys(option for network in NETWORKS.values() for option in network.options))
"""The fields of a recipe that belong to the network."""


def network_options(recipe: Recipe) -> dict[str, Any]:
    """The options of the recipe's network.

    Raises:
        TrainingError: an option is set that this network does not have.
    """
    known = NETWORKS[recipe.network].options
    for name in NETWORK_OPTIONS:
        if name not in known and getattr(recipe, name) != getattr(Recipe, name):
            raise TrainingError(f"{recipe.network} has no `{name}`; leave that option out.")
    return {name: getattr(recipe, name) for name in known}


@dataclass(frozen=True)
class _Builder:
    """Builds the parts of a network, with the options that all of its parts share."""

    l2: float
    residual: bool
    separable: bool
    middle_activation: bool
    width: float

    def __post_init__(self) -> None:
        if self.middle_activation and not self.separable:
            raise ValueError("`middle_activation` needs `separable` convolutions; plain ones have no middle.")
        if self.width <= 0:
            raise ValueError(f"`width` must be above 0, not {self.width:g}.")

    def scaled(self, input_shape: tuple[int, int, int]) -> tuple[Any, Any]:
        """The network's input, and the input scaled to [-1, 1]."""
        inputs = layers.Input(input_shape, name="face")
        return inputs, layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)

    def stem(self, x: Any, filters: int, name: str, strides: int = 1) -> Any:
        """A plain convolution without padding, batch normalization and ReLU."""
        x = self._conv(x, self._wide(filters), 3, f"{name}_conv", strides=strides, padding="valid")
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def shrinking_block(self, x: Any, filters: Sequence[int], name: str, *, relu_first: bool = True) -> Any:
        """Convolutions and a max pooling, with a strided 1×1 convolution as shortcut; halves height and width."""
        shortcut = None
        if self.residual:
            shortcut = self._conv(x, self._wide(filters[-1]), 1, f"{name}_shortcut", strides=2)
            shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)
        x = self.convolutions(x, filters, name, relu_first=relu_first)
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
        return x if shortcut is None else layers.Add(name=f"{name}_add")([x, shortcut])

    def block(self, x: Any, filters: Sequence[int], name: str) -> Any:
        """Convolutions to which their input is added; keeps height, width and channels."""
        result = self.convolutions(x, filters, name)
        return layers.Add(name=f"{name}_add")([result, x]) if self.residual else result

    def convolutions(self, x: Any, filters: Sequence[int], name: str, *, relu_first: bool = True) -> Any:
        """Convolutions with batch normalization, and a ReLU before each; before the first only if ``relu_first``."""
        for i, number in enumerate(filters, start=1):
            conv = f"{name}_sepconv{i}" if self.separable else f"{name}_conv{i}"
            if i > 1 or relu_first:
                x = layers.ReLU(name=f"{conv}_relu")(x)
            x = self._convolution(x, self._wide(number), conv)
            x = layers.BatchNormalization(name=f"{conv}_bn")(x)
        return x

    def scores(self, x: Any, num_classes: int, kernel_size: int) -> Any:
        """One feature map for each class, the class activation map, and global average pooling to logits and scores."""
        x = self._conv(x, num_classes, kernel_size, "class_map", use_bias=True)
        x = layers.GlobalAveragePooling2D(name="logits")(x)
        # In float32 even where the rest is in float16, which would round small scores to 0.
        return layers.Softmax(name="scores", dtype="float32")(x)

    def _wide(self, filters: int) -> int:
        return max(1, round(self.width * filters))

    def _convolution(self, x: Any, filters: int, name: str) -> Any:
        """A 3×3 convolution, separable or plain."""
        if not self.separable:
            return self._conv(x, filters, 3, name)
        if not self.middle_activation:
            return layers.SeparableConv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                depthwise_regularizer=self._penalty(),
                pointwise_regularizer=self._penalty(),
                name=name,
            )(x)
        x = layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, depthwise_regularizer=self._penalty(), name=f"{name}_depthwise"
        )(x)
        x = layers.ReLU(name=f"{name}_middle_relu")(x)
        return self._conv(x, filters, 1, f"{name}_pointwise")

    def _conv(
        self,
        x: Any,
        filters: int,
        kernel_size: int,
        name: str,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = False,
    ) -> Any:
        return layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            kernel_regularizer=self._penalty(),
            name=name,
        )(x)

    def _penalty(self) -> keras.regularizers.Regularizer | None:
        return keras.regularizers.L2(self.l2) if self.l2 else None
