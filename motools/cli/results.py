"""The command that shows results as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motools.cli.options import Folders, Json

if TYPE_CHECKING:
    from motools.report.table import Table


def results(
    folders: Folders = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=A,B", help="Only where an axis, folder, name or state is so. May be repeated."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Only these: a name, the end of one, or a pattern. May be repeated."),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="AXIS", help="Means over an axis, such as seed, with intervals over trainings."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="By an axis, a metric, made, cost, ...; -COLUMN: downwards.")
    ] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Also figures that are out of date; their state says so.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every figure as CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for Markdown.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Write every figure as a Parquet file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the results of pipelines as one table.

    A row each: what varies, every mean with its 95 % interval, n, cost, age, state.

    Examples:  motools results · motools results experiments --over seed · motools results --where task=gsm8k --csv
    """
    from motools.base.files import new_file
    from motools.base.foreign_text import markdown_table, visible
    from motools.cli.options import set_aside_unlike
    from motools.cli.tables import print_for_programs, print_json, print_table
    from motools.engine.results_table import results as of_folders
    from motools.errors import UserError
    from motools.repo.project import Project

    forms = [f"--{name}" for name, on in (("csv", csv), ("markdown", markdown), ("json", as_json)) if on]
    if len(forms) > 1:
        raise UserError(f"{forms[0]} and {forms[1]} are two forms of one table: give one of them.")
    table = _chosen(of_folders(*(folders or [Path()]), stale=stale), where or [], metric or [], over or [], sort)
    if parquet is not None:
        set_aside_unlike(parquet, b"PAR1", Project.find((folders or [Path()])[0]))
        with new_file(parquet) as file:
            table.to_pandas().to_parquet(file, index=False)
        typer.echo(visible(f"{parquet}: {len(table.rows)} rows"), err=bool(forms))
        if not forms:
            return
    if as_json:
        print_json(table.as_dicts())
    elif csv:
        print_for_programs(table.to_csv())
    else:
        columns, rows = table.cells()
        if markdown:
            print_for_programs("\n".join([*markdown_table(columns, rows), ""]))
        else:
            print_table(columns, rows)
    for note in [*table.notes, *_told(table)]:
        typer.echo(visible(note), err=True)


def _chosen(table: Table, where: list[str], metrics: list[str], over: list[str], sort: str | None) -> Table:
    from motools.base import yaml12
    from motools.definition.axes import label
    from motools.errors import UserError

    for each in where:
        name, equals, text = each.partition("=")
        if not equals or not text:
            raise UserError(f"--where takes COLUMN=VALUE or COLUMN=A,B, such as fraction=0.1, not {each!r}.")
        values = yaml12.loads(f"[{text}]", f"--where {each}")
        table = table.where({name: [*text.split(","), *(label(value) for value in values)]})
    if metrics:
        table = table.only(*metrics)
    if over:
        table = table.over(*over)
    return table.sorted(sort.removeprefix("-"), sort.startswith("-")) if sort else table


def _told(table: Table) -> list[str]:
    """Why rows have no figures: a sentence for each state but `current`, with the first reason."""
    told = []
    for state in ("stale", "failed", "running", "not run"):
        rows = [row for row in table.rows if row.state == state]
        if rows and state != "running":
            why = next((row.why[0] for row in rows if row.why), "")
            more = f": {why}" if why else ""
            told.append(f"{len(rows)} {state}{more}. `motools status` says what a run would do.")
    return told
