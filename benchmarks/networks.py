"""How large each network is, how much it computes for a picture, and how long one face takes.

    python benchmarks/networks.py              the Markdown table of docs/architectures.md
    python benchmarks/networks.py --no-time    without the times, which need TensorFlow's converter

Multiply-adds are those of the convolutions; all else is small beside them. Time is of one face in the run-time's
Classifier, with one thread: the network, with weights as they come, is exported to LiteRT as `emotion-cam train` does,
and the median of some runs is taken. Needs the extra “train”.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import emotion_cam.training  # noqa: F401  sets what TensorFlow reads when it starts
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
    """How many numbers all convolutions of a Keras model multiply, and add to others, for one picture."""
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer: Any) -> int:
    kind = type(layer).__name__
    if kind not in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
        return 0
    # Each number of a kernel is multiplied once for every place of the map that comes out.
    places = int(np.prod(layer.output.shape[1:3]))
    return places * sum(int(np.prod(weight.shape)) for weight in layer.weights if len(weight.shape) == 4)


def milliseconds(model: Any) -> float:
    """The median time of one face, in the run-time's Classifier on the exported network."""
    height, width, _ = model.input_shape[1:]
    labels = [str(number) for number in range(model.output_shape[-1])]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        card = {"task": "timing", "labels": labels, "size": [height, width], "margin": 0}
        (folder / "model.json").write_text(json.dumps(card))
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
    told = {"separable": "plain convolutions", "width": "width {}", "middle_blocks": "{} middle blocks"}
    return ", ".join([f"`{network}`", *(told[name].format(value) for name, value in options.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-time", action="store_true", help="leave the times away")
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
            # The run-time is for grey faces.
            cells.append(f"{milliseconds(model):.2g} ms" if shape[-1] == 1 else "")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
