"""The command that says which hosts a person trusts with their keys."""

from __future__ import annotations

from typing import Annotated

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json


def trust(
    host: Annotated[
        str | None,
        typer.Argument(help="api.example.org, 127.0.0.1:8000 or an address with it.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no longer.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show the hosts that are trusted.")] = False,
    as_json: Json = False,
) -> None:
    """Let your keys be sent to a host that a project names.

    Or that a model or a committed .env names; for you alone, in all projects.

    Hosts that your own environment names need no such word.

    Examples:  motools trust api.example.org · motools trust --list · motools trust --remove api.example.org
    """
    from motools.base import trusted_hosts
    from motools.cli.tables import print_json, print_table
    from motools.errors import UserError

    if host is not None:
        done = trusted_hosts.forget(host) if remove else trusted_hosts.allow(host)
        typer.echo(visible(f"{done}: {'no longer trusted' if remove else 'trusted with your keys'}"), err=as_json)
    elif not listing:
        raise UserError("Name a host: motools trust api.example.org. `motools trust --list` shows those you trust.")
    if listing or as_json:
        hosts = dict.fromkeys(trusted_hosts.allowed(), "motools trust") | trusted_hosts.named_in_environment()
        hosts |= dict.fromkeys(trusted_hosts.SHIPPED, "MOTools itself")
        if as_json:
            print_json([{"host": name, "named_by": why} for name, why in hosts.items()])
        else:
            print_table(["host", "named by"], list(hosts.items()))
