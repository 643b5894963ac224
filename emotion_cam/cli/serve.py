"""The command that serves a page in the browser, and results to programs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from cyclopts import Group, Parameter

from emotion_cam.cli.console import UsageError, stdout
from emotion_cam.drawing.view import View
from emotion_cam.recognition.spec import ModelSpec
from emotion_cam.serve.spec import ServeSpec
from emotion_cam.sources.spec import InputSpec


def serve(
    *,
    server: Annotated[ServeSpec, Parameter(name="*", group=Group("Server", sort_key=1))] = ServeSpec(),
    input: Annotated[  # noqa: A002
        InputSpec, Parameter(name="*", group=Group("The server's own camera or video", sort_key=2))
    ] = InputSpec(),
    view: Annotated[View, Parameter(name="*", group=Group("View", sort_key=3))] = View(),
    models: Annotated[ModelSpec, Parameter(name="*", group=Group("Recognition", sort_key=4))] = ModelSpec(),
) -> None:
    """Serve a page for the browser's webcam, and results to other programs, on this machine. Needs the extra “serve”.

    Pictures go to this program only, and nothing is kept. With a camera or a video, the server shows it to everyone who
    opens the page.
    """
    from emotion_cam.serve import check_extra

    check_extra()
    if len(input.video) > 1:
        raise UsageError("`video` must be a single file or address here.")
    if "-" in input.video:
        raise UsageError("Standard input cannot be served: give `video` a file or an address.")
    from emotion_cam.serve.server import serve as run

    def on_ready(address: str) -> None:
        stdout.print(f"Serving on {address}", markup=False)
        stdout.print("Pictures stay on this machine; nothing is kept. Ctrl-C ends it.", markup=False)
        if not server.is_private and server.certificate is None:
            stdout.print(
                "Browsers give a page the webcam only over https (--certificate) or on localhost, as through an SSH "
                f"tunnel: ssh -L 8765:localhost:{server.port} …",
                markup=False,
            )
        if server.browser and server.is_private and _has_screen():
            import webbrowser

            webbrowser.open(address)

    run(server, input, models, view, on_ready)


def _has_screen() -> bool:
    """Whether a browser would open in a window, and not take over the terminal."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
