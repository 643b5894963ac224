"""Why a network gives a face its label: three views of still pictures, side by side. Needs the extra ``train``.

The class activation map is what a run can also show live. The other two are computed from gradients, and so need Keras:
Grad-CAM, and guided backpropagation, with which the authors of Mini-Xception examined their networks (Arriaga,
Valdenegro-Toro and Plöger 2017, section IV).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def explain(photo: Path, out: Path, models: Sequence[Path]) -> int:
    """Write a picture that explains the labels of every face in a photo.

    Args:
        photo: the photo.
        out: the picture to write, .png or .jpg.
        models: model folders with model.keras.

    Returns:
        The number of faces. The picture numbers them from left to right.

    Raises:
        SourceError: the photo cannot be read, or no face is found in it.
        SinkError: ``out`` is not a picture, is the photo, or cannot be written.
        ModelError: a model folder is missing or incomplete.
        MissingExtraError: TensorFlow is not installed.
    """
    from emotion_cam.detect.haar import HaarDetector
    from emotion_cam.errors import SinkError, SourceError
    from emotion_cam.explain.draw import draw
    from emotion_cam.explain.explainer import Explainer
    from emotion_cam.files import check_writable
    from emotion_cam.sinks.pictures import save_picture
    from emotion_cam.sinks.registry import refuse_inputs
    from emotion_cam.sources.spec import open_source

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise SinkError(f"{out} is not a picture: its name must end in .png or .jpg.")
    check_writable(out)
    with open_source(image=photo) as source:
        refuse_inputs(source.paths, out)
        frame = next(iter(source))
    explainers = [Explainer(folder) for folder in models]
    boxes = sorted(HaarDetector()(frame.image), key=lambda box: box.x1)
    if not boxes:
        raise SourceError(f"{photo} shows no face that could be explained.")
    explanations = [
        explainer(frame.image, box, f"face {number}") for number, box in enumerate(boxes, 1) for explainer in explainers
    ]
    save_picture(out, draw(explanations))
    return len(boxes)
