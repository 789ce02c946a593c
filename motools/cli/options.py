"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from motools.cli.run_arguments import RunArguments

if TYPE_CHECKING:
    from motools.repo.project import Project

Folder = Annotated[Path, typer.Argument(help="The pipeline's folder.", show_default="the current one")]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Pipelines, or folders that hold some.", metavar="[FOLDER]...", show_default="the current one"),
]
Stages = Annotated[str | None, typer.Option(help="Only these: names (a,b) or a range (a:c, :b, c:).", metavar="STAGES")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Write a value into params.yaml first; several, A,B, into its sweep.", metavar="KEY=VALUE"
    ),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="How many steps at once.", show_default="at least eight")
]
User = Annotated[
    str | None, typer.Option(help="Who is recorded as having run it.", envvar="MOTOOLS_USER", show_default="git's user")
]
Force = Annotated[bool, typer.Option("--force", help="Execute even where results are at hand.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and why; run nothing.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Start nothing more after a failure.")]
WithoutRemote = Annotated[
    bool, typer.Option("--without-remote", help="Execute what only the remote may have, without asking it.")
]
On = Annotated[
    str | None,
    typer.Option(
        help="Where steps run: an executor of motools.yaml, or here.", metavar="NAME", show_default="as set up"
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Refuse, instead of waiting for another run.")]
Cancel = Annotated[bool, typer.Option("--cancel-on-interrupt", help="On Ctrl-C, end the jobs at providers too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More details.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def set_aside_unlike(path: Path, mark: bytes, project: Project) -> None:
    """Keep a copy of the file that a command is told to write over, and say so, where it is none of such a command's.

    Args:
        mark: what these have near their beginning.
    """
    from motools.base.files import set_aside
    from motools.base.foreign_text import visible

    if path.is_file():
        with path.open("rb") as file:
            is_ours = mark in file.read(4096)
        if not is_ours:
            kept = set_aside(path, project.private / "replaced", copy=True)
            typer.echo(visible(f"{path} said something else, which is kept as {kept}."), err=True)


_OF_RUN: dict[str, Any] = {
    "stages": Stages,
    "jobs": Jobs,
    "user": User,
    "force": Force,
    "dry_run": DryRun,
    "fail_fast": FailFast,
    "no_wait": NoWait,
    "cancel_on_interrupt": Cancel,
    "without_remote": WithoutRemote,
    "on": On,
    "quiet": Quiet,
    "verbose": Verbose,
    "as_json": Json,
}
"""What each field of `RunArguments` is on the command line."""


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose last parameter, `arguments`, is `RunArguments`: each of its fields becomes an option."""
    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def taking_options(**values: Any) -> None:
        arguments = RunArguments(**{name: values.pop(name) for name in _OF_RUN if name in values})
        command(**values, arguments=arguments)

    own = [p.replace(annotation=hints[n]) for n, p in inspect.signature(command).parameters.items() if n != "arguments"]
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(kind=kind) for each in own]
    more = [
        inspect.Parameter(f.name, kind, default=f.default, annotation=_OF_RUN[f.name]) for f in fields(RunArguments)
    ]
    taking_options.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    taking_options.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
    return taking_options
