"""What several tests build: pictures, videos, faces, results. Test files import from here, not from each other."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2  # isort: skip - before av, as in the package
import av
import numpy as np

from emotion_cam.drawing.view import View
from emotion_cam.result import Result
from emotion_cam.sinks.base import Sink
from emotion_cam.sources.video import VideoSource
from emotion_cam.types import Box, Face, Frame, Image, Landmarks, Prediction

WIDTH, HEIGHT, RATE = 320, 240, 30
"""The size in pixels and the frames per second of the pictures and videos."""

TIMES = tuple(index / RATE for index in range(60))
"""The times of the frames of a video of two seconds."""


def picture(index: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Blue on red, with a white top left corner, and brighter with every index."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = (40 + 3 * index) % 256
    image[:, width // 2 :, 2] = (40 + 3 * index) % 256
    image[: height // 4, : width // 4] = 255
    return image


def write_video(
    path: Path,
    times: Sequence[float] = TIMES,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = None,
    audio_times: tuple[float, float] = (0.0, 2.0),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Write a video with a picture at each of ``times``, and with a tone between two times. Returns its path."""
    rate = 48_000
    with av.open(str(path), "w", container_options=options or {}) as file:
        if title is not None:
            file.metadata["title"] = title
        video = file.add_stream(codec, RATE)
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        is_coarse = codec in ("gif", "mpeg4")  # codecs with slow clocks
        clock = Fraction(1, 100 if codec == "gif" else RATE if is_coarse else 90_000)
        video.codec_context.time_base = clock
        tone = file.add_stream(audio, rate) if audio else None
        packets = []
        for index, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="bgr24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(seconds / clock), clock
            packets += video.encode(frame)
        packets += video.encode(None)
        if tone is not None:
            times_in_samples = np.arange(round(audio_times[0] * rate), round(audio_times[1] * rate))
            samples = (np.sin(times_in_samples * 0.06) * 8000).astype(np.int16)
            for begin in range(0, len(samples), 1024):
                chunk = np.repeat(samples[begin : begin + 1024], 2)[None]
                block = av.AudioFrame.from_ndarray(chunk, format="s16", layout="stereo")
                block.rate, block.pts, block.time_base = rate, int(times_in_samples[begin]), Fraction(1, rate)
                packets += tone.encode(block)
            packets += tone.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.duration = packet.duration or round(1 / RATE / packet.time_base)
            file.mux(packet)
    return path


def read_frames(path: Path) -> list[Frame]:
    """Every frame of a video."""
    with VideoSource(path) as source:
        return list(source)


def copy_video(source: VideoSource, sink: Sink, frames: int | None = None) -> list[float]:
    """Write the frames of a source unchanged, or only the first ones; returns their times."""
    times = []
    for frame in source:
        sink.write(Result(frame, ()))
        times.append(frame.time)
        if len(times) == frames:
            break
    return times


def write_picture(path: Path, image: Image | None = None) -> Path:
    """Write a picture in the format of its suffix, under any name; returns its path."""
    path.write_bytes(cv2.imencode(path.suffix, picture() if image is None else image)[1].tobytes())
    return path


def prediction(**scores: float) -> Prediction:
    """A prediction with these scores by label."""
    return Prediction(tuple(scores), np.array(list(scores.values()), np.float32))


FACES = (
    Face(
        Box(10, 20, 30, 44),
        {"emotion": prediction(happy=0.75, sad=0.25), "gender": prediction(man=0.125, woman=0.875)},
        track=7,
    ),
    Face(Box(50, 60, 70, 84)),
)
"""A face with two predictions and a track, and one without."""

LANDMARKS = Landmarks((15.25, 30.0), (24.0, 28.75), (20.0, 34.0), (17.0, 39.5), (24.0, 38.0))
"""Eyes, nose and mouth of the first of these faces."""


def result(
    index: int = 0,
    time: float = 0.0,
    *,
    image: Image | None = None,
    faces: Sequence[Face] = (),
    source: str = "clip.mp4",
    view: View = View(),
) -> Result:
    """A result of a picture; without faces, its annotated picture is the picture itself."""
    frame = Frame(picture(index) if image is None else image, index, time, source)
    return Result(frame, tuple(faces), view)


def file_names(folder: Path) -> list[str]:
    """The names of everything in a folder, in order."""
    return sorted(path.name for path in folder.iterdir())
