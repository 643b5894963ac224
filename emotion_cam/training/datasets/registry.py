"""The data sets that models can be trained and measured on."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.errors import DatasetError
from emotion_cam.training.datasets.collections import COLLECTION_SPLITS, read_expressions, read_gender, read_posed
from emotion_cam.training.datasets.emotions import read_fer2013, read_ferplus, read_rafdb
from emotion_cam.training.datasets.faces import SPLITS, Dataset, FaceSet
from emotion_cam.training.datasets.folders import read_folders
from emotion_cam.training.datasets.genders import read_fairface, read_utkface

DATASETS: dict[str, Dataset] = {
    "fer2013": Dataset(
        read_fer2013,
        "FER2013: Goodfellow et al., “Challenges in Representation Learning”, ICML 2013 workshop",
        "released for research",
    ),
    "ferplus": Dataset(
        read_ferplus,
        "FER+: Barsoum et al., “Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label "
        "Distribution”, ICMI 2016; pictures of FER2013",
        "votes MIT; pictures released for research",
    ),
    "rafdb": Dataset(
        read_rafdb,
        "RAF-DB, basic emotions: Li, Deng and Du, “Reliable Crowdsourcing and Deep Locality-Preserving Learning for "
        "Expression Recognition in the Wild”, CVPR 2017",
        "non-commercial research",
    ),
    "fairface": Dataset(
        read_fairface,
        "FairFace: Kärkkäinen and Joo, “FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias "
        "Measurement and Mitigation”, WACV 2021",
        "CC BY 4.0",
    ),
    "utkface": Dataset(
        read_utkface,
        "UTKFace: Zhang, Song and Qi, “Age Progression/Regression by Conditional Adversarial Autoencoder”, CVPR 2017",
        "non-commercial research",
    ),
    "expressions": Dataset(
        read_expressions,
        "KDEF (Lundqvist, Flykt and Öhman 1998), Radboud Faces (Langner et al. 2010), Yale faces, Face Research Lab "
        "London Set (DeBruine and Jones 2017), IMFDB (Setty et al. 2013), AffectNet (Mollahosseini et al. 2017), web "
        "pictures",
        "research; most forbid redistribution",
        splits=COLLECTION_SPLITS,
    ),
    "posed": Dataset(
        read_posed,
        "of “expressions”, the posed sets: KDEF in front and at 45°, London, Yale",
        "research; most forbid redistribution",
        splits=COLLECTION_SPLITS,
    ),
    "gender": Dataset(
        read_gender,
        "All-Age-Faces (Cheng et al. 2019), Chicago Face Database (Ma et al. 2015), London (DeBruine and Jones 2017), "
        "IMFDB (Setty et al. 2013), KDEF, web pictures",
        "research; most forbid redistribution",
        splits=COLLECTION_SPLITS,
    ),
    "folder": Dataset(read_folders, "the user's own pictures, one folder for each class", "the user's own"),
}
"""By name the data sets; a new one needs an entry here and a function (path, split) → FaceSet."""


def load(name: str, path: Path, split: str) -> FaceSet:
    """Read one split of a data set.

    Args:
        name: a name in DATASETS.
        path: the folder (or file) that its authors publish.
        split: "train", "validation" or "test".

    Raises:
        DatasetError: there is no such data set or split, or the files are missing or not in the official layout.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set “{name}”; there are {', '.join(DATASETS)}.")
    if split not in SPLITS:
        raise DatasetError(f"`split` must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}, not “{split}”.")
    dataset = DATASETS[name]
    if split not in dataset.splits:
        raise DatasetError(f"{name} has no {split} split; `split` can be {' or '.join(dataset.splits)}.")
    if not path.exists():
        raise DatasetError(f"{path} does not exist; give the folder of the data set {name}.")
    faces = dataset.read(path, split)
    if len(faces) == 0:
        raise DatasetError(f"{path} has no pictures for the {split} split of {name}.")
    return faces
