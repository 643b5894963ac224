"""``python -m emotion_cam``, and the command ``emotion-cam``."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """The entry point of the command. Ctrl-C ends it quietly while it is still being loaded, too."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # an interrupted import would print a traceback
    from emotion_cam.cli import main as run

    run()


if __name__ == "__main__":
    main()
