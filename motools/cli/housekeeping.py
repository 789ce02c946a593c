"""Commands that remove: rm, an experiment; gc, what of the cache nothing needs. Both say first what is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from motools.cli.asking import agreed
from motools.cli.options import Json, Quiet
from motools.errors import UserError

if TYPE_CHECKING:
    from motools.atom.garbage import Garbage
    from motools.repo.project import Project

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be removed; remove nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
History = Annotated[bool, typer.Option("--history", help="Also what only commits name: they have no results then.")]


def rm(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="A folder, or FOLDER@AXIS=VALUE,... for instances of a sweep.")
    ],
    history: History = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove an experiment and what only it needs.

    Its folder, and what of the cache nothing else needs.

    Of a sweep, results of values that params.yaml no longer has: motools rm experiments/a@fraction=0.1

    Results that commits name stay in the cache, unless --history is given.

    Examples:  motools rm experiments/a · motools rm experiments/a@seed=3 --yes · motools rm experiments/a -n --json
    """
    from motools.engine.removing import plan_removal, remove

    planned = plan_removal(experiment, commits=not history)
    told = _told(planned.garbage, planned.project)
    where = _shown(planned.folder)
    what = {"folder": where, "stages": planned.stages, "unsaved": planned.unsaved, **told}
    lines = [f"{where}: {'the whole folder' if planned.stages is None else ', '.join(planned.stages)}"]
    if planned.unsaved:
        lines.append(f"no commit has: {', '.join(planned.unsaved[:10])}{' ...' if planned.unsaved[10:] else ''}")
    lines += _lines(told)
    if _agreed(what, lines, planned.project, Asking(yes, dry_run, quiet, as_json), partial(remove, planned)):
        _end(what, f"{where}: removed.", quiet, as_json)


def gc(
    history: History = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove from the cache what nothing needs.

    No folder, no commit and no lineage: results of other parameters, of old code.

    Going back to such parameters would execute again. Atoms that were made by hand stay.

    Of the project's own notes, those of files and of jobs that are gone go, too.

    Examples:  motools gc · motools gc --dry-run --json · motools gc --yes
    """
    from motools.atom import garbage
    from motools.engine.leftovers import leftovers, remove_leftovers
    from motools.repo.project import Project

    project = Project.find()
    unneeded, left = garbage.of_project(project, commits=not history), leftovers(project)
    told = {**_told(unneeded, project), "notes": len(left.notes), "jobs": len(left.jobs)}

    def act() -> None:
        remove_leftovers(project)  # first: the results that go now have named some
        garbage.sweep(project, unneeded)

    if not (unneeded.objects or unneeded.entries or left.notes or left.jobs):
        _end(told, "Everything in the cache is needed.", quiet, as_json)
    elif _agreed(told, _lines(told), project, Asking(yes, dry_run, quiet, as_json), act):
        _end(told, f"{told['size_told']} removed." if told["objects"] else "Removed.", quiet, as_json)


def _told(unneeded: Garbage, project: Project) -> dict[str, Any]:
    """What is lost, as JSON has it."""
    from motools.repo.remote import told_size
    from motools.repo.settings import read_settings

    results = [{"step": each.step, "made": each.started, "seconds": each.seconds} for each in unneeded.results]
    spent = unneeded.spent(read_settings(project))
    return {
        "objects": len(unneeded.objects),
        "size": unneeded.size,
        "size_told": told_size(unneeded.size),
        "results": results,
        "spent": spent.as_dict(),
        "spent_told": str(spent) if spent.tokens else "",
        "committed": unneeded.committed,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    from motools.base.ages import age

    lines = [f"{told['objects']} objects of the cache, {told['size_told']}"] if told["objects"] else []
    if told["results"]:
        made = [age(result["made"]) for result in told["results"]]
        took = f", which took {told['spent_told']}" if told["spent_told"] else ""
        when = made[0] if made[0] == made[-1] else f"{made[-1]} to {made[0]}"
        lines.append(f"{len(made)} results{took} (made {when}): asked for again, they would be executed again")
    if told["committed"]:
        lines.append(f"{told['committed']} objects stay, since commits name them (--history removes them too)")
    if told.get("notes"):
        lines.append(f"notes of files that steps had left beside their outputs and that are gone: {told['notes']}")
    if told.get("jobs"):
        lines.append(f"jobs of `motools jobs list` that have ended, with their logs: {told['jobs']}")
    return lines


class Asking(NamedTuple):
    """How a person wants to be asked."""

    yes: bool
    dry_run: bool
    quiet: bool
    as_json: bool


def _agreed(told: dict[str, Any], lines: list[str], project: Project, how: Asking, act: Callable[[], object]) -> bool:
    """Say what is lost, ask, and do it; whether it was done."""
    from motools.base.foreign_text import visible
    from motools.cli.tables import print_json
    from motools.engine.reporter import Silent
    from motools.engine.run_lock import one_run

    if not (how.quiet or how.as_json):
        typer.echo("To be removed:" if not how.dry_run else "Would be removed:")
        for line in lines:
            typer.echo(visible(f"  {line}"))
    if how.dry_run:
        if how.as_json:
            print_json({**told, "removed": False})
        return False
    if not how.yes:
        if not sys.stdin.isatty():
            raise UserError("This removes for good, and nobody is here to be asked: add --yes, or look with --dry-run.")
        if not agreed("Remove it?"):
            return False
    with one_run(project, Silent(), wait=False):
        act()
    return True


def _end(told: dict[str, Any], line: str, quiet: bool, as_json: bool) -> None:
    from motools.base.foreign_text import visible
    from motools.cli.tables import print_json

    if as_json:
        print_json({**told, "removed": any(told.get(what) for what in ("objects", "folder", "notes", "jobs"))})
    elif not quiet:
        typer.echo(visible(line))


def _shown(folder: Path) -> str:
    return os.path.relpath(folder)
