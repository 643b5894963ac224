"""What there is: the cameras of this machine, and the installed models."""

from __future__ import annotations

from pathlib import Path

from emotion_cam.cli.console import one_line, plain, stdout
from emotion_cam.version import __version__


def cameras() -> None:
    """List the cameras of this machine: number, name, path, and on Linux the sizes that each one offers."""
    from emotion_cam.sources.devices import list_cameras
    from emotion_cam.sources.v4l2 import camera_modes

    found = list_cameras()
    if not found:  # an answer and no error, so that the exit code is 0
        stdout.print("No camera was found.")
    for camera in found:
        stdout.print(f"[bold]{camera.number}  {plain(camera.name)}[/]  {plain(camera.path)}".rstrip())
        try:
            for mode in camera_modes(camera.path) if camera.path else ():
                stdout.print(f"   {mode}")
        except OSError as error:
            stdout.print(f"   its sizes cannot be read: {error.strerror}")


def info(*models: Path) -> None:
    """Show the installed versions, the models, and their measured accuracy.

    Args:
        models: Model folders; the shipped ones by default.
    """
    import platform
    from importlib.metadata import version

    from emotion_cam.card import read_card, shipped_models

    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "ai-edge-litert", "av"))
    stdout.print(f"emotion-cam {__version__}, Python {platform.python_version()}, {packages}")
    for folder in models or shipped_models().values():
        card = read_card(folder)
        height, width = card.size
        stdout.print(f"\n[bold]{plain(card.task)}[/]: {plain(', '.join(card.labels))}")
        network = one_line(card.network) or "?"
        _print(f"  {network}, {card.parameters or 0:,} parameters, input {width}×{height}")
        _print(f"  in {one_line(str(folder))}")
        for figure in card.measured:
            data = one_line(figure.data)
            _print(f"  {data}: accuracy {figure.accuracy:.4f}, balanced {figure.balanced_accuracy:.4f}")


def _print(line: str) -> None:
    stdout.print(line, markup=False)
