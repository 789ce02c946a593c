"""Commands that share results through a DVC remote: push, pull."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json, Quiet

To = Annotated[str | None, typer.Option("--remote", "-r", help="Its name.", show_default="the default remote")]


def push(remote: To = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Send all results to a DVC remote.

    Those that the work tree names, and all earlier ones of the step cache.

    Examples:  motools push · motools push --remote backup --json
    """
    _share("push", remote, quiet, as_json)


def pull(remote: To = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Bring all results that a DVC remote has.

    Those that the work tree names, and all earlier ones. `motools run` and `motools status` bring what they need by
    themselves.

    Examples:  motools pull · motools pull --remote backup --json
    """
    _share("pull", remote, quiet, as_json)


def _share(what: str, remote: str | None, quiet: bool, as_json: bool) -> None:
    from motools.cli.tables import print_json
    from motools.repo import sharing
    from motools.repo.project import Project

    move = sharing.push if what == "push" else sharing.pull
    done = move(Project.find(), remote, progress=sys.stderr.isatty() and not (quiet or as_json))
    if as_json:
        print_json(done.as_dict())
    elif not quiet:
        way = "sent to" if what == "push" else "brought from"
        told = f"{done.moved} files {way} {done.remote}; the step cache here has {done.results} results."
        typer.echo(visible(told))
