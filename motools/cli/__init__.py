"""The command line: the one place that catches errors and prints them. Commands are thin; each calls the library.

Exit codes: 0 done, 1 a step failed, 2 the user's input, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from motools import __version__
from motools.cli import atoms, jobs, pipelines, trust, workflows, zoo
from motools.errors import MotoolsError
from motools.foreign import visible
from motools.secrets import redact

app = typer.Typer(
    name="motools",
    help="Train and evaluate model organisms as git and DVC pipelines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help as plain text: rich's takes longer to import than everything else
    epilog="Start: motools init my-project, then motools run in it. "
    "Exit codes: 0 done, 1 a step failed, 2 wrong input, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(pipelines.init)
app.command("run")(pipelines.run)
app.command("status")(pipelines.status)
app.add_typer(workflows.app, name="workflow")
app.add_typer(atoms.app, name="atoms")
app.command("lineage")(atoms.lineage)
app.command("compare")(atoms.compare)
app.command("costs")(pipelines.costs)
app.add_typer(jobs.app, name="jobs")
app.add_typer(zoo.app, name="zoo")
app.command("trust")(trust.trust)
app.add_typer(pipelines.step_app, name="step")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"motools {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Train and evaluate model organisms as git and DVC pipelines."""


def main() -> NoReturn:
    """Run the command line; every error that is a person's to mend is one sentence, without a traceback."""
    try:
        app(prog_name="motools")
    except MotoolsError as error:
        sys.stdout.flush()
        print(f"Error: {visible(redact(str(error)))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    raise AssertionError("typer exits by itself")
