"""The command line: arguments → objects → run. The only place that prints or exits.

Whatever a command needs is imported inside it, so that --help and --version come at once.
"""

from __future__ import annotations

import typer

from emotion_cam.cli.run import cameras, info, recognise, report
from emotion_cam.cli.training import average, evaluate, explain, export, train

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.callback(invoke_without_command=True)(recognise)
for command in (cameras, report, explain, info, train, average, evaluate, export):
    app.command()(command)


def main() -> None:
    """The entry point of ``emotion-cam``."""
    app(prog_name="emotion-cam")
