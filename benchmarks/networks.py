"""Measures the networks: their parameters, their multiply-adds for a picture, and the time for one face.

    python benchmarks/networks.py              the Markdown table of docs/architectures.md
    python benchmarks/networks.py --no-time    the table without times, which need TensorFlow's converter

Multiply-adds are those of the convolutions; the rest is small in comparison. The time is the median for one face in
emotion_cam's Classifier with one thread, of a network with random weights, exported to LiteRT as `emotion-cam train`
does it. Needs the extra “train”.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotion_cam.card import ModelCard, write_card
from emotion_cam.recognition.classifier import Classifier
from emotion_cam.training.export import export
from emotion_cam.training.networks import NETWORKS

ROWS: list[tuple[str, tuple[int, int, int], int, dict[str, Any]]] = [
    ("mini_xception", (48, 48, 1), 7, {}),
    ("mini_xception", (48, 48, 1), 7, {"separable": False}),
    ("mini_xception", (64, 64, 1), 2, {}),
    ("xception", (71, 71, 1), 7, {"width": 0.25, "middle_blocks": 2}),
    ("xception", (71, 71, 1), 7, {}),
    ("xception", (299, 299, 3), 1000, {}),
]
"""Network, input, classes and options of each row of the table."""


def multiply_adds(model: Any) -> int:
    """The number of multiply-adds in all convolutions of a Keras model for one picture."""
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer: Any) -> int:
    kind = type(layer).__name__
    if kind not in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
        return 0
    # Each number of a kernel is multiplied once for every place of the output.
    places = int(np.prod(layer.output.shape[1:3]))
    return places * sum(int(np.prod(weight.shape)) for weight in layer.weights if len(weight.shape) == 4)


def milliseconds(model: Any) -> float:
    """The median time for one face, in the Classifier with the exported network."""
    height, width, _ = model.input_shape[1:]
    labels = tuple(str(number) for number in range(model.output_shape[-1]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_card(folder, ModelCard(task="timing", labels=labels, size=(height, width), margin=0.0))
        model.save(folder / "model.keras")
        face = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
        export(folder, [face])
        classifier = Classifier(folder)
        times: list[float] = []
        while len(times) < 5 or (sum(times) < 2 and len(times) < 1000):
            start = time.perf_counter()
            classifier([face])
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.1f} million"


def _named(network: str, options: dict[str, Any]) -> str:
    names = {"separable": "plain convolutions", "width": "width {}", "middle_blocks": "{} middle blocks"}
    return ", ".join([f"`{network}`", *(names[name].format(value) for name, value in options.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-time", action="store_true", help="leave out the times")
    timed = not parser.parse_args().no_time
    print("| network | input | classes | parameters | multiply-adds |" + " one face |" * timed)
    print("| --- | --- | --- | --- | --- |" + " --- |" * timed)
    for network, shape, classes, options in ROWS:
        model = NETWORKS[network](shape, classes, **options)
        cells = [
            _named(network, options),
            "×".join(map(str, shape)),
            str(classes),
            f"{model.count_params():,}",
            _count(multiply_adds(model)),
        ]
        if timed:
            # The Classifier takes gray faces only.
            cells.append(f"{milliseconds(model):.2g} ms" if shape[-1] == 1 else "")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
