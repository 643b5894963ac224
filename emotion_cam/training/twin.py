"""A Keras network's twin in PyTorch: the same weights, trained outside of Keras.

Keras stays the source of truth: the twin is built by walking the Keras model's layers, and gives its weights back.
PyTorch's own batch normalization and channels-last convolutions are what is quicker; Keras on PyTorch has neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from emotion_cam.training.backend import keras

MOMENTUM = 0.01
"""PyTorch's for the statistics of batch normalization, Keras's 0.99."""


class Twin(nn.Module):  # type: ignore[misc]
    """Gray faces, float32 in [0, 255], (faces, 1, height, width) → logits, (faces, classes).

    Args:
        model: a functional Keras model made of what is in ``_STEPS``, ending in a softmax, which is left out.

    Raises:
        ValueError: the model has a layer or an operation of another kind.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._plan: list[tuple[str, str, list[str], dict[str, Any]]] = []
        self.parts = nn.ModuleDict()
        for layer in model.operations:
            kind = type(layer).__name__
            if kind not in _STEPS:
                raise ValueError(f"the twin knows no {kind}")
            if kind in ("InputLayer", "Softmax"):
                continue
            inputs = [tensor._keras_history.operation.name for tensor in layer._inbound_nodes[0].input_tensors]
            self._plan.append((layer.name, kind, inputs, _settings(layer)))
            if kind in _MODULES:
                self.parts[layer.name] = _MODULES[kind](layer)
        self._input = model.inputs[0]._keras_history.operation.name
        self.take_weights(model)
        self.to(memory_format=torch.channels_last)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        values = {self._input: faces.to(memory_format=torch.channels_last)}
        for name, kind, inputs, settings in self._plan:
            part = self.parts[name] if kind in _MODULES else None
            values[name] = _STEPS[kind](part, [values[key] for key in inputs], settings)
        return values[self._plan[-1][0]]

    def take_weights(self, model: keras.Model) -> None:
        """Copy the Keras model's weights into the twin."""
        for name, part in self.parts.items():
            tensors = _tensors(part)
            for tensor, array in zip(tensors, model.get_layer(name).get_weights(), strict=True):
                tensor.data.copy_(torch.from_numpy(_from_keras(part, tensor, np.array(array))))

    def give_weights(self, model: keras.Model) -> None:
        """Copy the twin's weights into the Keras model."""
        for name, part in self.parts.items():
            model.get_layer(name).set_weights([_to_keras(part, tensor) for tensor in _tensors(part)])


class _Separable(nn.Module):  # type: ignore[misc]
    """A depthwise 3×3 convolution and a pointwise one."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        channels = layer.depthwise_kernel.shape[2]
        self.depthwise = nn.Conv2d(channels, channels, layer.kernel_size, padding="same", groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, layer.filters, 1, bias=layer.use_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.pointwise(self.depthwise(x))
        return result


def _convolution(layer: Any) -> nn.Module:
    size, stride = layer.kernel_size[0], layer.strides[0]
    if layer.padding == "same" and size > 1 and stride > 1:
        raise ValueError("the twin has no strided convolution with padding")
    padding = size // 2 if layer.padding == "same" else 0
    return nn.Conv2d(layer.kernel.shape[2], layer.filters, size, stride=stride, padding=padding, bias=layer.use_bias)


def _normalisation(layer: Any) -> nn.Module:
    return nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon, momentum=MOMENTUM)


_MODULES: dict[str, Any] = {
    "Conv2D": _convolution,
    "SeparableConv2D": _Separable,
    "BatchNormalization": _normalisation,
}


def _settings(layer: Any) -> dict[str, Any]:
    names = ("scale", "offset", "size", "pool_size", "strides", "padding", "rate")
    return {name: getattr(layer, name) for name in names if hasattr(layer, name)}


def _run_part(part: Any, inputs: list[torch.Tensor], settings: dict[str, Any]) -> Any:
    return part(inputs[0])


def _resized(part: Any, inputs: list[torch.Tensor], settings: dict[str, Any]) -> torch.Tensor:
    return functional.interpolate(inputs[0], settings["size"], mode="bilinear", align_corners=False)


def _pooled(part: Any, inputs: list[torch.Tensor], settings: dict[str, Any]) -> torch.Tensor:
    """TensorFlow pads a 3×3 pooling by two on an odd side, by one at the end of an even one."""
    size, stride = settings["pool_size"][0], settings["strides"][0]
    odd = inputs[0].shape[-1] % 2
    if (size, stride) == (3, 2):
        return functional.max_pool2d(inputs[0], 3, 2, padding=odd, ceil_mode=not odd)
    return functional.max_pool2d(inputs[0], size, stride)


_STEPS: dict[str, Any] = {
    "InputLayer": None,
    "Softmax": None,
    "Conv2D": _run_part,
    "SeparableConv2D": _run_part,
    "BatchNormalization": _run_part,
    "Rescaling": lambda part, inputs, settings: inputs[0] * settings["scale"] + settings["offset"],
    "Resize": _resized,
    "ReLU": lambda part, inputs, settings: functional.relu(inputs[0]),
    "Add": lambda part, inputs, settings: inputs[0] + inputs[1],
    "MaxPooling2D": _pooled,
    "AveragePooling2D": lambda part, inputs, settings: functional.avg_pool2d(inputs[0], settings["pool_size"]),
    "GlobalAveragePooling2D": lambda part, inputs, settings: inputs[0].mean((2, 3)),
}


def _tensors(part: nn.Module) -> list[torch.Tensor]:
    """The weights of a part in the order of Keras's ``get_weights``."""
    if isinstance(part, nn.BatchNorm2d):
        assert part.running_mean is not None and part.running_var is not None
        return [part.weight, part.bias, part.running_mean, part.running_var]
    if isinstance(part, _Separable):
        tensors = [part.depthwise.weight, part.pointwise.weight]
        return tensors if part.pointwise.bias is None else [*tensors, part.pointwise.bias]
    assert isinstance(part, nn.Conv2d)
    return [part.weight] if part.bias is None else [part.weight, part.bias]


def _from_keras(part: nn.Module, tensor: torch.Tensor, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.ndim != 4:
        return array
    order = (2, 3, 0, 1) if _is_depthwise(part, tensor) else (3, 2, 0, 1)
    return np.asarray(np.ascontiguousarray(array.transpose(order)))


def _to_keras(part: nn.Module, tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    array = np.asarray(tensor.detach().numpy())
    if array.ndim != 4:
        return np.array(array)
    order = (2, 3, 0, 1) if _is_depthwise(part, tensor) else (2, 3, 1, 0)
    return np.asarray(np.ascontiguousarray(array.transpose(order)))


def _is_depthwise(part: nn.Module, tensor: torch.Tensor) -> bool:
    return isinstance(part, _Separable) and tensor is part.depthwise.weight
