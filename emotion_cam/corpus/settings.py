"""What the results of a corpus depend on: options, models and the program's version."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from emotion_cam.card import choose_models, read_card
from emotion_cam.corpus.manifest import Settings
from emotion_cam.drawing.view import View
from emotion_cam.errors import ModelError
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.version import __version__

_WITHOUT_EFFECT = ("threads",)
"""Options of recognition that change no result."""

_NETWORKS = {"litert": "model.tflite", "keras": "model.keras"}


@dataclass(frozen=True)
class Work:
    """What is done with every video of a corpus.

    Attributes:
        models: what recognizes faces.
        view: how they are drawn.
        also: the kinds of files that are written besides the rows.
        split: the longest stretch in seconds; None if videos are not cut.
    """

    models: ModelSpec = ModelSpec()
    view: View = View()
    also: tuple[str, ...] = ()
    split: float | None = None


@lru_cache
def settings_of(work: Work) -> Settings:
    """The settings of a work, with the hashes of its models as they are on this machine.

    Raises:
        ModelError: a model or a file that it names is missing.
    """
    models = work.models
    folders = choose_models(models.model, models.without)
    cards = {read_card(folder).task: folder for folder in folders}
    hashes = {task: _hash(folder / "model.json", folder / _NETWORKS[models.runtime]) for task, folder in cards.items()}
    options = {name: value for name, value in asdict(models).items() if name not in _WITHOUT_EFFECT}
    options["model"] = []  # their hashes stand for them
    options["adapt"] = [_hash(path) for path in models.adapt]
    options["detector_model"] = models.detector_model and _hash(models.detector_model)
    options |= {"view": asdict(work.view) if work.also else {"blur": work.view.blur, "mirror": work.view.mirror}}
    options |= {"also": sorted(work.also), "split": work.split}
    plain = msgspec.to_builtins(options)
    text = msgspec.json.encode([__version__, hashes, plain], order="deterministic")
    return Settings(hashlib.sha256(text).hexdigest()[:16], __version__, hashes, plain)


def _hash(*files: Path) -> str:
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()[:16]
