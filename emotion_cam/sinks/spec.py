"""Where results go, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion_cam.drawing.view import Controls
    from emotion_cam.sinks.base import Sink
    from emotion_cam.sources.base import Source

STDOUT = Path("-")
"""The path that stands for standard output."""

NAME = "{name}"
"""What stands for a video's name, without its suffix, in the path of an output."""


@dataclass(frozen=True)
class OutputSpec:
    """Where results go: files, a window, a virtual camera.

    Attributes:
        out: A file to write; its suffix chooses the format: .mp4 .mkv (H.264 video; audio is kept), .png .jpg, .csv,
            .jsonl, .html (a report). A folder for several videos or a folder of pictures; - for JSON Lines on standard
            output. {name} stands for a video's name, as in faces/{name}.csv. May be repeated.
        show: Show a window; h lists its keys. On by default for cameras and streams, and where nothing is written.
        virtual_camera: Offer the annotated picture to video calls as a camera (needs the extra “virtual-camera”).
        virtual_camera_device: The virtual camera to use, by its name or path, where there are several.
    """

    out: tuple[Path, ...] = ()
    show: bool | None = None
    virtual_camera: bool = False
    virtual_camera_device: str | None = None

    @property
    def has_virtual_camera(self) -> bool:
        return self.virtual_camera or self.virtual_camera_device is not None

    def has_window(self, live: bool) -> bool:
        """Whether results are shown in a window.

        Args:
            live: whether the source is a camera or stream.
        """
        return (live or not self.out) if self.show is None else self.show

    @property
    def is_files_only(self) -> bool:
        """Whether everything goes to named files, as it must for several videos."""
        return bool(self.out) and STDOUT not in self.out and not self.show and not self.has_virtual_camera

    def named_after(self, video: str | Path) -> tuple[Path, ...]:
        """The outputs for one video, with the video's name in the place of NAME. No name contains a password."""
        from emotion_cam.sources.address import is_address, stem_of

        stem = stem_of(str(video)) if is_address(str(video)) else Path(video).stem
        return tuple(Path(str(path).replace(NAME, "stdin" if stem == "-" else stem)) for path in self.out)

    @contextlib.contextmanager
    def open(
        self, source: Source, controls: Controls, tasks: Sequence[str] = (), *, landmarks: bool = False
    ) -> Iterator[list[Sink]]:
        """Open all outputs; they are whole once the context is left.

        Args:
            source: where the results come from.
            controls: what the window's keys change.
            tasks: what each face is recognized for; the window's keys can hide them.
            landmarks: whether the detector finds them, and CSV tables have columns for them.

        Raises:
            SinkError: an output cannot be opened.
            MissingExtraError: an output needs an extra that is not installed.
        """
        with contextlib.ExitStack() as stack:
            sinks = [stack.enter_context(open_sink(path, source, landmarks=landmarks)) for path in self.out]
            if self.has_virtual_camera:
                from emotion_cam.sinks.virtual_camera import VirtualCameraSink

                sinks.append(stack.enter_context(VirtualCameraSink(source, self.virtual_camera_device)))
            if self.has_window(source.live):
                from emotion_cam.sinks.window import WindowSink
                from emotion_cam.sources.pictures import ImageSource

                window = WindowSink(
                    controls,
                    mirror=source.live and controls.view.mirror is None,
                    show_fps=source.live,
                    hold=isinstance(source, ImageSource),
                    tasks=tasks,
                )
                sinks.append(stack.enter_context(window))
            yield sinks


def open_sink(path: str | Path, source: Source, *, landmarks: bool = False) -> Sink:
    """The sink for a path: chosen by its suffix, a folder for pictures, or - for JSON Lines on standard output.

    Args:
        path: what to write.
        source: where the results come from.
        landmarks: whether a CSV table has columns for the faces' landmarks.

    Raises:
        SinkError: nothing is written under that suffix, the place cannot be written to, or it is the source itself.
    """
    from emotion_cam.sinks.registry import open_sink as open_by_suffix

    return open_by_suffix(path, source, landmarks=landmarks)


def refuse_duplicates(out: Sequence[Path]) -> None:
    """Raise SinkError if two outputs are the same file."""
    from emotion_cam.errors import SinkError

    known = set()
    for path in out:
        real = os.path.realpath(path)  # Path.resolve raises an error for a link to itself
        if real in known:
            raise SinkError(f"{path} is given twice in `out`; each output needs a name of its own.")
        known.add(real)
