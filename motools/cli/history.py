"""The command that tells what a result was before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from motools.cli.options import Json


def history(
    what: Annotated[
        str, typer.Argument(metavar="STEP|ATOM|METRIC", help="A step, an output, an atom's id, or a metric or its end.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="Only this pipeline.", show_default="all of the project")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell every value that a result or metric had, and why.

    In the commits of all branches, with what had changed for it.

    Examples:  motools history evaluate_model · motools history includes.accuracy experiments/a
    """
    from motools.atom.history import history
    from motools.base.foreign_text import visible
    from motools.base.values import short_id
    from motools.cli.tables import print_json, print_table, shown
    from motools.repo.project import Project
    from motools.repo.survey import Survey

    project = Project.find(folder or Path())
    place = None if folder is None else Path(os.path.relpath(folder.resolve(), project.root)).as_posix()
    steps = history(survey := Survey(project), what, place)
    if survey.problem is not None:
        typer.echo(visible(f"{survey.problem} What only it has is not told here."), err=True)
    if as_json:
        print_json([step.as_dict() for step in steps])
        return
    rows = []
    for step in steps:
        ids = " ".join(map(short_id, step.atoms.values()))
        value = ids if step.value is None else f"{shown(step.value)} {ids}"
        made = "" if step.made is None else step.made
        if step.rewritten:
            made += f" at {str(step.made_at)[:10]}, since amended or squashed"
        commit = step.commit[:10] + (" or before" if step.or_before else "")
        changes = "; ".join(step.changes) or "first"
        rows.append([step.date[:10], commit, step.author, step.folder, step.stage, value, changes, made, step.subject])
    print_table(["date", "commit", "author", "folder", "step", "result", "what changed", "made by", "message"], rows)
