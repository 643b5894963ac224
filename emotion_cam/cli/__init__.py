"""The command line: arguments → specs → run. The only part of the package that prints or exits.

Whatever is heavy is imported inside the commands, so that --help and --version come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter

from emotion_cam.cli.console import UsageError, encode_all, errors_shown, show_log, stderr, stdout, usage_checked
from emotion_cam.cli.corpus import corpus
from emotion_cam.cli.enrollment import adapt, enroll
from emotion_cam.cli.info import cameras, info
from emotion_cam.cli.renamed import with_new_names
from emotion_cam.cli.report import report
from emotion_cam.cli.run import run
from emotion_cam.cli.serve import serve
from emotion_cam.cli.training import average, evaluate, explain, export, train
from emotion_cam.version import __version__

_EXAMPLES = """Examples:

emotion-cam --camera 0

emotion-cam --video clip.mp4 --out annotated.mp4 --out faces.csv

emotion-cam --image photo.jpg --out annotated.png
"""


def _short(default: object) -> object:
    """A default as the help shows it; what is off or empty is not shown."""
    if default is False or default in ((), ""):
        return None
    return f"{default:.3g}" if isinstance(default, float) else default


app = App(
    name="emotion-cam",
    version=f"emotion-cam {__version__}",
    help_epilogue=_EXAMPLES,
    help_format="markdown",
    default_parameter=Parameter(negative_iterable=(), show_default=_short, json_list=False, json_dict=False),
    console=stdout,
    error_console=stderr,
)
app.default(run)
for _command in (serve, corpus, cameras, report, explain, enroll, adapt, info, train, average, evaluate, export):
    app.command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of ``emotion-cam``.

    Args:
        arguments: what was typed after the program's name; by default this process's own.
    """
    with errors_shown(lambda: set(option_names())):
        encode_all()
        show_log()
        given = sys.argv[1:] if arguments is None else arguments
        new, messages = with_new_names(_hyphen_attached(given))
        for message in messages:
            stderr.print(message, markup=False)
        try:
            with usage_checked():
                command, bound, _ = app.parse_args(new, print_error=False, exit_on_error=False)
        except CycloptsError as error:
            raise UsageError(str(error)) from error
        command(*bound.args, **bound.kwargs)


def _hyphen_attached(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--out -`` as ``--out=-``: a hyphen that stands alone is taken for an option otherwise."""
    attached: list[str] = []
    for argument in arguments:
        if argument == "-" and attached and attached[-1].startswith("--"):
            attached[-1] += "=-"
        else:
            attached.append(argument)
    return attached


def option_names() -> Iterator[str]:
    """The names of all options of all commands, as in --min-face."""
    for command in (app, *(app[name] for name in app if not name.startswith("-"))):
        arguments: ArgumentCollection = command.assemble_argument_collection()
        for argument in arguments:
            yield from (name for name in argument.names if name.startswith("--"))
