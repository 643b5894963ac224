"""Where results go, as data. Imports nothing heavy, so that ``--help`` stays quick."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
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
    """Where results go: files, a window, other programs.

    Attributes:
        out: A file to write; its suffix chooses the format: .mp4 .mkv (H.264 video; audio is kept), .png .jpg, .csv,
            .jsonl, .parquet (needs the extra “parquet”), .vtt .srt (subtitles), .elan.tsv (intervals), .html (a
            report). A folder for several videos or a folder of pictures; - for JSON Lines on standard output. {name}
            stands for a video's name, as in faces/{name}.csv. May be repeated.
        show: Show a window; h lists its keys. On by default for cameras and streams, and where nothing is written.
        virtual_camera: Offer the annotated picture to video calls as a camera (needs the extra “virtual-camera”).
        virtual_camera_device: The virtual camera to use, by its name or path, where there are several.
        lsl: The name of a stream for the Lab Streaming Layer, which has the scores of each face; a second one has the
            changes of labels (needs the extra “lsl”).
        osc: Send the faces of each frame to a program that understands OSC: its host and port, as in localhost:9000
            (needs the extra “osc”).

    Raises:
        ValueError: a value makes no sense.
    """

    out: tuple[Path, ...] = ()
    show: bool | None = None
    virtual_camera: bool = False
    virtual_camera_device: str | None = None
    lsl: str | None = None
    osc: str | None = None

    def __post_init__(self) -> None:
        if self.lsl is not None and not self.lsl.strip():
            raise ValueError("`lsl` must be a name.")
        if self.osc is not None:
            parse_receiver(self.osc)

    @property
    def has_virtual_camera(self) -> bool:
        return self.virtual_camera or self.virtual_camera_device is not None

    @property
    def feeds_programs(self) -> bool:
        """Whether other programs get the results as they come."""
        return self.has_virtual_camera or self.lsl is not None or self.osc is not None

    def has_window(self, live: bool) -> bool:
        """Whether results are shown in a window.

        Args:
            live: whether the source is a camera or stream.
        """
        return (live or not self.out) if self.show is None else self.show

    @property
    def is_files_only(self) -> bool:
        """Whether everything goes to named files, as it must for several videos."""
        return bool(self.out) and STDOUT not in self.out and not self.show and not self.feeds_programs

    def named_after(self, video: str | Path) -> tuple[Path, ...]:
        """The outputs for one video, with the video's name in the place of NAME. No name contains a password."""
        from emotion_cam.sources.address import is_address, stem_of

        stem = stem_of(str(video)) if is_address(str(video)) else Path(video).stem
        return tuple(Path(str(path).replace(NAME, "stdin" if stem == "-" else stem)) for path in self.out)

    @contextlib.contextmanager
    def open(
        self,
        source: Source,
        controls: Controls,
        labels: Mapping[str, Sequence[str]] | None = None,
        *,
        landmarks: bool = False,
    ) -> Iterator[list[Sink]]:
        """Open all outputs; they are whole once the context is left.

        Args:
            source: where the results come from.
            controls: what the window's keys change.
            labels: what each face is recognized for: the labels of each task, by its name.
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
            if self.lsl is not None:
                from emotion_cam.sinks.lsl import LslSink

                sinks.append(stack.enter_context(LslSink(source, self.lsl, labels or {})))
            if self.osc is not None:
                from emotion_cam.sinks.osc import OscSink

                sinks.append(stack.enter_context(OscSink(source, *parse_receiver(self.osc))))
            if self.has_window(source.live):
                from emotion_cam.sinks.window import WindowSink
                from emotion_cam.sources.pictures import ImageSource

                window = WindowSink(
                    controls,
                    mirror=source.live and controls.view.mirror is None,
                    show_fps=source.live,
                    hold=isinstance(source, ImageSource),
                    tasks=tuple(labels or ()),
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


def parse_receiver(address: str) -> tuple[str, int]:
    """The host and port of a program that receives OSC, as in localhost:9000 or [::1]:9000.

    Raises:
        ValueError: it is no such address.
    """
    parts = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^\s:/]+)):(\d{1,5})", address)
    if not parts or not 0 < int(parts[3]) < 2**16:
        raise ValueError(f"`osc` must be a host and a port, as in localhost:9000, not “{address}”.")
    return parts[1] or parts[2], int(parts[3])


def refuse_duplicates(out: Sequence[Path]) -> None:
    """Raise SinkError if two outputs are the same file."""
    from emotion_cam.errors import SinkError

    known = set()
    for path in out:
        real = os.path.realpath(path)  # Path.resolve raises an error for a link to itself
        if real in known:
            raise SinkError(f"{path} is given twice in `out`; each output needs a name of its own.")
        known.add(real)
