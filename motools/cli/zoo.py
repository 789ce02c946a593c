"""Commands on the zoo: what datasets, tasks and workflows are published, and what is known of each."""

from __future__ import annotations

from typing import Annotated

import typer

from motools.cli.pipelines import Json

app = typer.Typer(help="The zoo: published datasets, tasks and workflows.", no_args_is_help=True)


def _group(kind: str) -> typer.Typer:
    group = typer.Typer(help=f"Published {kind}s.", no_args_is_help=True)

    @group.command("list", help=f"List the published {kind}s.")
    def list_entries(as_json: Json = False) -> None:
        from motools import zoo
        from motools.tables import print_json, print_table

        entries = [zoo.about(kind, name) for name in zoo.published(kind)]  # type: ignore[arg-type]
        if as_json:
            print_json([entry.as_dict() for entry in entries])
        else:
            print_table([kind, "description"], [[entry.name, entry.description] for entry in entries])

    @group.command("show", help=f"Show what is known of a {kind}, and how a config names it.")
    def show(name: Annotated[str, typer.Argument(help="Its name.")], as_json: Json = False) -> None:
        from motools import zoo
        from motools.tables import print_json, shown

        about = zoo.about(kind, name).as_dict()  # type: ignore[arg-type]
        point = zoo.published(kind)[name]  # type: ignore[index]
        about["use"] = name if kind == "workflow" else point.value
        if as_json:
            print_json(about)
            return
        for key, value in about.items():
            if value:
                typer.echo(f"{key}: {shown(value)}")

    return group


for _kind in ("dataset", "task", "workflow"):
    app.add_typer(_group(_kind), name=f"{_kind}s")
