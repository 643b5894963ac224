"""Data sets, read in their official layouts into arrays of gray pictures with labels.

``load("fer2013", Path("data/fer2013"), "test")`` reads one split of a data set in DATASETS. Whatever is chosen (epochs,
recipes, thresholds) is chosen on "validation"; "test" is for reporting only. A data set without an official validation
split holds out every twentieth picture of its training split.

``faces`` has the arrays, ``reading`` what the readers share, ``emotions``, ``genders`` and ``folders`` the readers, and
``registry`` the list of data sets. A new data set is a function (path, split) → FaceSet and an entry in the registry.
"""

from emotion_cam.training.datasets.emotions import EMOTIONS
from emotion_cam.training.datasets.faces import SPLITS, Dataset, FaceSet, Targets, without_copies
from emotion_cam.training.datasets.genders import GENDERS
from emotion_cam.training.datasets.registry import DATASETS, load

__all__ = ["DATASETS", "EMOTIONS", "GENDERS", "SPLITS", "Dataset", "FaceSet", "Targets", "load", "without_copies"]
