"""A program that receives what LslSink sends: python lsl_receiver.py NAME SAMPLES MARKERS

It prints “ready” once it receives, and at the end one object of JSON: the labels of the channels, and each sample and
marker with its time by the clock of ``time.monotonic``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pylsl

TIMEOUT = 60  # seconds


def inlet_of(name: str) -> Any:
    (info, *_) = pylsl.resolve_byprop("name", name, timeout=TIMEOUT)
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(TIMEOUT)
    return inlet


def pull(inlet: Any, count: int) -> list[tuple[list[Any], float]]:
    """So many samples and their times; fewer if no more come."""
    found: list[tuple[list[Any], float]] = []
    while len(found) < count:
        sample, stamp = inlet.pull_sample(timeout=TIMEOUT)
        if sample is None:
            break
        found.append((sample, stamp + inlet.time_correction() + time.monotonic() - pylsl.local_clock()))
    return found


def main(name: str, samples: int, markers: int) -> None:
    scores, changes = inlet_of(name), inlet_of(f"{name} labels")
    scores.time_correction(TIMEOUT)  # takes a moment for the first time
    changes.time_correction(TIMEOUT)
    print("ready", flush=True)
    channel = scores.info().desc().child("channels").child("channel")
    labels = []
    while channel.name():
        labels.append(channel.child_value("label"))
        channel = channel.next_sibling()
    received = {"labels": labels, "type": scores.info().type(), "format": scores.info().channel_format()}
    print(json.dumps({**received, "scores": pull(scores, samples), "markers": pull(changes, markers)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
