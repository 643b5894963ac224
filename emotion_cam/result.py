"""What a run hands to its outputs: a frame, its faces, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_cam.drawing.draw import annotate
from emotion_cam.drawing.view import View
from emotion_cam.errors import EmotionCamError
from emotion_cam.types import Face, Frame, Image

if TYPE_CHECKING:
    import pandas
    import supervision


@dataclass(frozen=True)
class Result:
    """A frame with its faces, and the annotated picture on demand.

    Attributes:
        frame: the frame.
        faces: the faces in it.
        view: how they are drawn.
    """

    frame: Frame
    faces: tuple[Face, ...]
    view: View = View()

    @cached_property
    def annotated(self) -> Image:
        """The picture with the faces drawn, uint8, (height, width, 3), BGR; drawn once, when first asked for."""
        return annotate(self.frame.image, self.faces, self.view)

    def mirrored(self) -> Result:
        """The same flipped left to right; text stays legible, because it is drawn after the flip."""
        width = self.frame.image.shape[1]
        return Result(self.frame.mirrored(), tuple(face.mirrored(width) for face in self.faces), self.view)

    def as_dict(self) -> dict[str, Any]:
        """The result as numbers, texts, lists and dictionaries: what a line of JSON Lines holds.

        >>> Result(Frame(image, index=0, time=0.0, source="photo.jpg"), ()).as_dict()
        {'source': 'photo.jpg', 'frame': 0, 'time': 0.0, 'faces': []}
        """
        return {
            "source": self.frame.source,
            "frame": self.frame.index,
            "time": round(self.frame.time, 6),
            "faces": [{"face": number, **face.as_dict()} for number, face in enumerate(self.faces)],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """The result as a table with the columns of the CSV output: a row for each face, task and label.

        It has columns for landmarks if a face has some.

        Raises:
            EmotionCamError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise EmotionCamError("A table needs pandas: pip install pandas") from error
        from emotion_cam.tables import columns_of, rows_of

        landmarks = any(face.landmarks for face in self.faces)
        rows = rows_of(self.frame, self.faces, landmarks=landmarks)
        cells = ([None if value == "" else value for value in row] for row in rows)
        table = pandas.DataFrame(cells, columns=[*columns_of(landmarks=landmarks)])
        return table.astype({"score": float}).convert_dtypes()

    def to_supervision(self) -> supervision.Detections:
        """The faces as ``supervision.Detections``: boxes, track numbers, and the label and score of every task.

        ``detections.data`` holds, for each task, its labels under the task's name and its scores under the name with
        ``_score`` behind it. ``confidence`` and ``class_id`` are those of the first task; the class is an index into
        its labels.

        Raises:
            EmotionCamError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise EmotionCamError("Detections need supervision: pip install supervision") from error
        if not self.faces:
            return supervision.Detections.empty()
        tasks = list(self.faces[0].predictions)
        data: dict[str, Any] = {}
        for task in tasks:
            predictions = [face.predictions[task] for face in self.faces]
            data[task] = np.array([prediction.label for prediction in predictions])
            data[f"{task}_score"] = np.array([prediction.score for prediction in predictions], np.float32)
        tracks = [face.track for face in self.faces]
        return supervision.Detections(
            xyxy=np.array([face.box.xyxy for face in self.faces], np.float32),
            confidence=data[f"{tasks[0]}_score"] if tasks else None,
            class_id=np.array([int(np.argmax(face.predictions[tasks[0]].scores)) for face in self.faces])
            if tasks
            else None,
            tracker_id=None if None in tracks else np.array(tracks),
            data=data,
        )
