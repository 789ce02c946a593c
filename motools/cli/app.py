"""The command line. Commands are thin: each calls the library and shows what it gives; errors end in `cli/crash.py`.

Exit codes: 0 done, 1 a step failed, 2 the user's input, 70 what nobody foresaw, 130 interrupted.
"""

from __future__ import annotations

import sys
from copy import copy
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from motools.cli import (
    atoms,
    changes,
    datasets,
    history,
    housekeeping,
    jobs,
    judging,
    notes,
    pipelines,
    publishing,
    report,
    results,
    sharing,
    trust,
    workflows,
    zoo,
)
from motools.cli.crash import guarded
from motools.cli.levels import give_levels
from motools.errors import UserError
from motools.version import __version__

_WrongUse: Any = typer.BadParameter.__base__
"""Click's UsageError: Typer has a copy of Click, or, before that, Click itself."""

app = typer.Typer(
    name="motools",
    help="Train and evaluate model organisms as git and DVC pipelines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help as plain text: rich's takes longer to import than everything else
    epilog="Start: motools init my-project, then motools run in it. "
    "Exit codes: 0 done, 1 a step failed, 2 wrong input, 70 a fault of MOTools, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(pipelines.init)
app.command("run")(pipelines.run)
app.command("status")(pipelines.status)
app.command("log")(pipelines.log)
app.command("note")(notes.note)
app.command("rm")(housekeeping.rm)
app.command("gc")(housekeeping.gc)
app.command("push")(sharing.push)
app.command("pull")(sharing.pull)
app.add_typer(workflows.app, name="workflow")
atoms.app.command("artifact")(publishing.artifact)
app.add_typer(atoms.app, name="atoms")
app.add_typer(datasets.app, name="dataset")
app.command("lineage")(atoms.lineage)
app.command("history")(history.history)
app.command("export")(atoms.export)
app.command("publish")(publishing.publish)
app.command("compare")(atoms.compare)
app.command("diff")(changes.diff)
app.command("results")(results.results)
app.command("rescore")(judging.rescore)
app.command("report")(report.report)
app.command("costs")(pipelines.costs)
app.add_typer(judging.app, name="judge")
app.add_typer(jobs.app, name="jobs")
app.add_typer(zoo.app, name="zoo")
app.command("trust")(trust.trust)
app.add_typer(pipelines.step_app, name="step")
give_levels(app)


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


@cache
def _with_only(name: str) -> typer.Typer:
    """The command line with the one command of that name, if there is one: Typer makes all that there are, which takes
    as long as to start Python."""
    one = copy(app)
    one.registered_commands = [command for command in app.registered_commands if command.name == name]
    one.registered_groups = [group for group in app.registered_groups if group.name == name]
    return one if one.registered_commands or one.registered_groups else app


def main() -> NoReturn:
    """Run the command line."""
    with guarded():
        try:
            code = _with_only(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="motools", standalone_mode=False)
        except _WrongUse as error:
            raise _in_a_sentence(error) from None
        if code == 130:  # Typer has caught Ctrl-C, and says nothing
            raise KeyboardInterrupt
        raise SystemExit(code)


def _in_a_sentence(error: Any) -> BaseException:
    """What is said of words that are no command; of a group alone, its help."""
    said = error.format_message().strip()
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return SystemExit(error.exit_code)
    command = error.ctx.command_path if error.ctx else "motools"
    return UserError(f"{said if said[-1:] in '.?!' else f'{said}.'} `{command} --help` shows what it takes.")
