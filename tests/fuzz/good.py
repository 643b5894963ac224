"""Good inputs to damage: videos in every container and codec that PyAV writes here, pictures, tables, a model."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2  # isort: skip - before av, as in the package
import av
import numpy as np
from skimage.data import astronaut

from emotion_cam.detect.registry import MODEL_FILES, find_model_file
from emotion_cam.errors import DetectorError
from emotion_cam.tables import COLUMNS

FRAMES, RATE, SIZE = 6, 10, (128, 96)

CONTAINERS = (
    *(
        "mp4",
        "mov",
        "mkv",
        "webm",
        "avi",
        "flv",
        "ts",
        "mpg",
        "m4v",
        "3gp",
        "ogv",
        "wmv",
        "gif",
        "nut",
        "mxf",
        "y4m",
        "ivf",
    ),
    *("dv", "rm", "swf", "mjpeg", "h264", "hevc", "mpeg", "apng", "mts", "vob", "amv"),
)
"""The suffixes of the videos; those that PyAV cannot write here are left out."""

FEW = ("libx264.mp4", "libx264.mkv", "libx264.ts", "mpeg4.avi", "libvpx-vp9.webm", "gif.gif")
"""The most common codecs, each in its most common containers."""

_HARDWARE = ("nvenc", "vaapi", "qsv", "amf", "v4l2m2m", "omx", "vulkan", "mediacodec", "videotoolbox", "d3d12va", "_mf")

_SECONDS = 3
"""That writing one video may take; slower codecs are left out."""


def make_all(folder: Path, *, few: bool = False) -> None:
    """Write the good inputs into a folder for each kind; with ``few``, FEW videos only."""
    for name in ("videos", "pictures", "tables", "detectors"):
        (folder / name).mkdir(parents=True)
    _make_videos(folder / "videos", few)
    _make_pictures(folder / "pictures")
    for name in MODEL_FILES:
        with contextlib.suppress(DetectorError):  # then the package that contains it is not installed
            shutil.copy(find_model_file(name), folder / "detectors" / name)
    (folder / "tables" / "faces.csv").write_text(TABLE, encoding="utf-8")
    (folder / "tables" / "faces.jsonl").write_text(LINES, encoding="utf-8")
    (folder / "tables" / "pictures.csv").write_text(TABLE.replace(",1,10,", ",,10,"), encoding="utf-8")


def _portrait() -> Any:
    return np.ascontiguousarray(astronaut()[:240, 100:420, ::-1])  # type: ignore[no-untyped-call]


def _make_videos(folder: Path, few: bool) -> None:
    for codec in sorted(av.codecs_available):
        encoder = _video_encoder(codec)
        for container in CONTAINERS if encoder is not None else ():
            if few and f"{codec}.{container}" not in FEW:
                continue
            path = folder / f"{codec}.{container}"
            # A container refuses a codec in many ways, and not all of them are errors of FFmpeg.
            with contextlib.suppress(Exception), _limited():
                _write_video(path, codec, (encoder.video_formats or [None])[0], sound=container in ("mp4", "mkv", "ts"))
                with av.open(str(path)) as file:
                    next(file.decode(video=0))
                continue
            path.unlink(missing_ok=True)


def _video_encoder(name: str) -> Any:
    if any(mark in name for mark in _HARDWARE):
        return None
    try:
        codec = av.Codec(name, "w")
    except Exception:
        return None
    return codec if codec.type == "video" else None


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _write_video(path: Path, codec: str, format_: Any, *, sound: bool) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = format_.name if format_ else "yuv420p"
        tone = file.add_stream("aac", 48_000) if sound else None
        for index in range(FRAMES):
            picture = np.ascontiguousarray(np.roll(cv2.resize(_portrait(), SIZE), 3 * index, axis=1))
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if tone is not None:
            for index in range(28):
                block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
                block.rate, block.pts, block.time_base = 48_000, 1024 * index, Fraction(1, 48_000)
                file.mux(tone.encode(block))
            file.mux(tone.encode(None))


def _make_pictures(folder: Path) -> None:
    color = _portrait()
    alpha = np.dstack([color, color[..., :1]])
    kinds: dict[str, Any] = {
        "color.png": color,
        "gray.png": color[..., 0],
        "alpha.png": alpha,
        "deep.png": color.astype(np.uint16) * 257,
        "color.jpg": color,
        "gray.jpeg": color[..., 0],
        "color.bmp": color,
        "color.webp": color,
        "alpha.webp": alpha,
        "color.tif": color,
        "deep.tif": color.astype(np.uint16) * 257,
        "float.tiff": (color / 255).astype(np.float32),
        "tiny.png": color[:1, :1],
    }
    for name, image in kinds.items():
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())


def _rows() -> Iterator[str]:
    yield ",".join(COLUMNS)
    for index in range(12):
        for task, labels in {"emotion": ("happy", "sad", "neutral"), "gender": ("man", "woman")}.items():
            for place, label in enumerate(labels):
                score = 0.8 if place == index % 2 else 0.1
                yield f"clip.mp4,{index},{index / 10},0,1,10,20,50,60,{task},{label},{score},{int(score > 0.5)}"
    yield "clip.mp4,12,1.2,,,,,,,,,,"


TABLE = "\n".join(_rows()) + "\n"
LINES = "".join(
    f'{{"source": "clip.mp4", "frame": {index}, "time": {index / 10}, "faces": [{{"face": 0, "track": 1, '
    '"box": [10, 20, 50, 60], "predictions": {"emotion": {"label": "happy", "score": 0.9, '
    '"scores": {"happy": 0.9, "sad": 0.06, "neutral": 0.04}}}}]}\n'
    for index in range(12)
)
