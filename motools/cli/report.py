"""The command that writes results as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motools.cli.options import Folders, Json


def report(
    folders: Folders = None,
    to: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    control: Annotated[
        str | None,
        typer.Option(
            metavar="ARM", help="What the others are compared with.", show_default="the base model, or the first"
        ),
    ] = None,
    in_distribution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK", help="A task that asks what the training taught, as held_out does. May be repeated."
        ),
    ] = None,
    without_charts: Annotated[bool, typer.Option("--without-charts", help="Tables and texts only.")] = False,
    as_json: Json = False,
) -> None:
    """Write the results of pipelines as one page.

    No network, no JavaScript, the same bytes from the same results.

    Examples:  motools report · motools report experiments/a experiments/b -o report.html
    """
    from functools import cache, partial

    from motools.base.files import replace_file
    from motools.base.foreign_text import visible
    from motools.cli.options import set_aside_unlike
    from motools.cli.tables import print_json
    from motools.engine import outdated
    from motools.errors import listed
    from motools.repo.project import Project
    from motools.repo.settings import read_settings
    from motools.report.collect import collect
    from motools.report.page import page

    asked = folders or [Path()]
    project = Project.find(asked[0])
    standing = cache(partial(outdated.Folder, project))
    results = collect(project, asked, lambda folder, stage: standing(folder).why(stage), control, in_distribution or ())
    names = [n for each in results.folders if (n := each.relative_to(project.root).as_posix()) != "."]
    words = ["motools", "report", *names, *(["--control", control] if control else [])]
    words += [word for task in in_distribution or () for word in ("--in-distribution", task)]
    words += ["--without-charts"] if without_charts else []
    text = page(results, read_settings(project), words, not without_charts)
    to.parent.mkdir(parents=True, exist_ok=True)
    set_aside_unlike(to, b"Content-Security-Policy", project)
    replace_file(to, text)
    old = [f"{entry.folder}/{entry.output}".removeprefix("./") for entry in results.entries if entry.why]
    if old:
        typer.echo(
            visible(f"Out of date, as the page says: {listed(old, 12)}. `motools status FOLDER` says why."), err=True
        )
    if as_json:
        print_json({"page": str(to), "results": len(results.entries), "out_of_date": old, "missing": results.missing})
    else:
        typer.echo(visible(f"{to}: {len(results.entries)} results, {len(text.encode()) / 1000:.0f} kB"))
