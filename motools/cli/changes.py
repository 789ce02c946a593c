"""The command that tells what differs between two states of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.cli.options import Json

if TYPE_CHECKING:
    from motools.repo.project import Project
    from motools.report.changes import Changes


def diff(
    revisions: Annotated[
        str | None,
        typer.Argument(
            metavar="[A..B]",
            help="Two commits; A...B: B and where it left A; A alone: A and the work tree.",
            show_default="the last commit and the work tree",
        ),
    ] = None,
    with_plan: Annotated[
        bool, typer.Option("--plan", help="Also what a run would do here; this imports the workflows.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    as_json: Json = False,
) -> None:
    """Say what differs between two states of the project.

    In parameters, data, metrics, samples and cost.

    Examples:  motools diff · motools diff main...HEAD --markdown --plan · motools diff v1..v2 --json
    """
    from motools.base.foreign_text import visible
    from motools.cli.tables import print_for_programs, print_json
    from motools.errors import UserError
    from motools.repo.project import Project
    from motools.repo.settings import read_settings
    from motools.report import changes
    from motools.report.changes_markdown import told
    from motools.training.dataset_facts import differences

    if markdown and as_json:
        raise UserError("--markdown and --json are two forms of one answer: give one of them.")
    project = Project.find()
    settings = read_settings(project)
    delta = changes.changes(project, *changes.revisions(project, revisions), settings, differences)
    plans = _plans(project, delta) if with_plan else None
    if as_json:
        plain: dict[str, Any] = delta.as_dict()
        if plans is not None:
            named = {
                f: [dict(zip(("stage", "action", "why"), each, strict=True)) for each in p] for f, p in plans.items()
            }
            plain["plans"] = named
        print_json(plain)
    elif markdown:
        print_for_programs(told(delta, settings.currency, plans))
    else:
        print(visible(told(delta, settings.currency, plans).partition("\n")[2]), end="")


def _plans(project: Project, delta: Changes) -> dict[str, list[tuple[str, str, str]]]:
    """Folder -> stage, action, why: what a run would do in the pipelines that differ and are here."""
    from motools.cli.pipelines import tell_import
    from motools.cli.running import why
    from motools.engine.options import RunOptions
    from motools.engine.prepared import prepare_folder
    from motools.engine.run import estimates, plan
    from motools.repo import pipeline
    from motools.repo.settings import read_settings

    settings = read_settings(project)
    planned: dict[str, list[tuple[str, str, str]]] = {}
    for each in delta.pipelines:
        folder: Path = project.root / each.folder
        if not (folder / pipeline.PARAMS).is_file():
            continue
        tell_import(folder)
        prepared = prepare_folder(folder)
        plans = plan(prepared, RunOptions())
        guesses = estimates(prepared, plans)
        planned[each.folder] = [
            (p.stage, p.action, "; ".join([why(p), *([guesses[p.stage].told(settings)] if p.stage in guesses else [])]))
            for p in plans
        ]
    return planned
