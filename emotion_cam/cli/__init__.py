"""The command line: arguments → specs → run. The only part of the package that prints or exits.

Whatever is heavy is imported inside the commands, so that --help and --version come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter

from emotion_cam.cli.console import UsageError, errors_shown, show_log, stderr, stdout, usage_checked
from emotion_cam.cli.info import cameras, info
from emotion_cam.cli.renamed import with_new_names
from emotion_cam.cli.report import report
from emotion_cam.cli.run import run
from emotion_cam.cli.training import average, evaluate, explain, export, train
from emotion_cam.version import __version__

_EXAMPLES = """Examples:

emotion-cam --camera 0

emotion-cam --video clip.mp4 --out annotated.mp4 --out faces.csv

emotion-cam --image photo.jpg --out annotated.png
"""


def _short(default: object) -> object:
    """A default as the help shows it."""
    return f"{default:.3g}" if isinstance(default, float) else default


app = App(
    name="emotion-cam",
    version=f"emotion-cam {__version__}",
    help_epilogue=_EXAMPLES,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=(), show_default=_short),
    console=stdout,
    error_console=stderr,
)
app.default(run)
for _command in (cameras, report, explain, info, train, average, evaluate, export):
    app.command(_command)


def main() -> None:
    """The entry point of ``emotion-cam``."""
    show_log()
    arguments, messages = with_new_names(sys.argv[1:])
    with errors_shown(set(option_names())):
        for message in messages:
            stderr.print(message, markup=False)
        try:
            with usage_checked():
                command, bound, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
        except CycloptsError as error:
            raise UsageError(str(error)) from error
        command(*bound.args, **bound.kwargs)


def option_names() -> Iterator[str]:
    """The names of all options of all commands, as in --min-face."""
    for command in (app, *(app[name] for name in app if not name.startswith("-"))):
        arguments: ArgumentCollection = command.assemble_argument_collection()
        for argument in arguments:
            yield from (name for name in argument.names if name.startswith("--"))
