"""Commands on the zoo: list what is published, show what is known of it, check that it still is what it was."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json

if TYPE_CHECKING:
    from motools import zoo
    from motools.zoo import checks

app = typer.Typer(help="The zoo: published datasets, tasks, workflows and configs.", no_args_is_help=True)


class Kind(StrEnum):
    dataset = "dataset"
    task = "task"
    workflow = "workflow"
    config = "config"


KindOption = Annotated[Kind | None, typer.Option("--kind", help="Only this kind.")]


def _names(kind: Kind) -> list[str]:
    from motools import zoo

    return list(zoo.configs() if kind is Kind.config else zoo.published(_of(kind)))


def _entries(incomplete: str) -> list[str]:
    return sorted({name for kind in Kind for name in _names(kind) if name.startswith(incomplete)})


def _configs(incomplete: str) -> list[str]:
    return [name for name in _names(Kind.config) if name.startswith(incomplete)]


def _about(kind: Kind, name: str) -> zoo.Description:
    from motools import zoo

    return zoo.about_config(name) if kind is Kind.config else zoo.about(_of(kind), name)


def _of(kind: Kind) -> zoo.Kind:
    return kind.value


def _named(names: list[str], kind: Kind | None) -> list[tuple[Kind, str]]:
    """The entries of these names, or all where none is given, of each kind that has them."""
    from motools.errors import UserError, did_you_mean

    kinds = [kind] if kind else list(Kind)
    every = [(kind, name) for kind in kinds for name in _names(kind)]
    published = {name for _, name in every}
    for name in names:
        if name not in published:
            what = kind.value if kind else "entry"
            raise UserError(
                f"There is no {what} named {name!r}.{did_you_mean(name, published)} List them with: motools zoo list."
            )
    return [entry for entry in every if entry[1] in names] if names else every


@app.command("list")
def list_entries(
    kind: KindOption = None,
    tag: Annotated[str | None, typer.Option(help="Only what has this tag, such as control or offline.")] = None,
    paper: Annotated[str | None, typer.Option(help="Only of this paper: a part of its address or title.")] = None,
    as_json: Json = False,
) -> None:
    """List what is published: kind, name, grade, tags, description.

    The grade says how faithful it is to a paper.

    Examples:  motools zoo list · motools zoo list --kind dataset --tag control · motools zoo list --paper 2502.17424
    """
    from motools import zoo
    from motools.cli.tables import print_json, print_table
    from motools.errors import UserError, did_you_mean, listed

    entries = [(kind, _about(kind, name)) for kind, name in _named([], kind)]
    if tag is not None:
        tags = sorted({tag for _, entry in entries for tag in entry.tags})
        if tag not in tags:
            raise UserError(f"No entry has the tag {tag!r}.{did_you_mean(tag, tags)} There are: {listed(tags)}.")
        entries = [(kind, entry) for kind, entry in entries if tag in entry.tags]
    if paper is not None:
        entries = [
            (k, e)
            for k, e in entries
            if paper.casefold() in f"{e.paper} {zoo.titles().get(e.paper, e.title)}".casefold()
        ]
        if not entries:
            raise UserError(f"No entry is of a paper whose address or title has {paper!r}.")
    if as_json:
        print_json([{"kind": kind.value, **_brief(entry)} for kind, entry in entries])
    else:
        rows = [[kind.value, e.name, e.grade, ", ".join(e.tags), e.description] for kind, e in entries]
        print_table(["kind", "name", "grade", "tags", "description"], rows)


def _brief(entry: zoo.Description) -> dict[str, Any]:
    return {name: value for name, value in entry.as_dict().items() if name != "fidelity"}


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=_entries)],
    kind: KindOption = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the dataset, if need be, to show rows.")] = False,
    fidelity: Annotated[bool, typer.Option("--fidelity", help="What was published, and what is done here.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is known of an entry.

    Source, licence, how to cite it, two rows, how a config names it.

    Where a name is that of a dataset and a task, both are shown. Nothing is downloaded without --fetch.

    Examples:  motools zoo show hello_world --kind dataset · motools zoo show reward_hacking --fidelity
    """
    from motools.cli.tables import print_json, shown

    if fidelity:
        _show_fidelity(_named([name], kind), as_json)
        return
    described = [_described(kind, name, fetch) for kind, name in _named([name], kind)]
    if as_json:
        print_json(described)
        return
    for number, about in enumerate(described):
        if number:
            typer.echo()
        for key, value in about.items():
            if value in (None, "", [], ()):
                continue
            text = shown(value)
            typer.echo(visible(f"{key}:\n{text}" if "\n" in text else f"{key}: {text}"))


def _show_fidelity(entries: list[tuple[Kind, str]], as_json: bool) -> None:
    """A line a value: the kind, the paper's values by name, what it is about, what was published, what is done here."""
    from motools import zoo
    from motools.cli.tables import print_json, print_table

    told = []
    for kind, name in entries:
        entry = _about(kind, name)
        compared = zoo.fidelity_of_config(name)[1] if kind is Kind.config else entry.fidelity
        told += [
            {"kind": kind.value, "grade": entry.grade, "of": of, "what": what, "published": published, "here": here}
            for of, rows in compared.items()
            for what, published, here in rows
        ]
    if as_json:
        print_json([{**row, "differs": row["published"] != row["here"]} for row in told])
        return
    for kind, name in entries:
        if not any(row["kind"] == kind.value for row in told):
            grade = _about(kind, name).grade
            said = grade or "its author says nothing of a grade"
            typer.echo(visible(f"{kind.value} {name}: {said}; nothing is listed."))
    cells = [[*row.values(), "" if row["published"] == row["here"] else "differs"] for row in told]
    if cells:
        print_table(["kind", "grade", "of", "what", "published", "here", ""], cells)


def _described(kind: Kind, name: str, fetch: bool) -> dict[str, Any]:
    from motools import zoo
    from motools.zoo import checks
    from motools.zoo.citation import bibtex

    entry = _about(kind, name)
    about: dict[str, Any] = {"kind": kind.value, **entry.as_dict(), "cite": bibtex(entry)}
    del about["fidelity"]  # which has an option of its own
    if kind is Kind.config:
        del about["version"], about["pinned"]
        about |= {"use": f"--config zoo:{name}", "config": zoo.config_text(name)}
        return about
    point = zoo.published(_of(kind))[name]
    key = {Kind.dataset: "dataset_loader: ", Kind.task: "eval_task: "}.get(kind)
    about["use"] = f"{key}{point.value}" if key else f"motools workflow run {name}"
    if kind is Kind.dataset:
        examples = checks.examples(name, fetch=fetch)
        rows, count = examples if examples else ([], None)
        about |= {"rows": count, "examples": "\n".join(_line(row) for row in rows)}
        if examples is None:
            about["examples"] = "not in the cache; --fetch downloads it"
    about["configs"] = [config for config in zoo.configs() if _is_used(point.value, name, config)]
    return about


def _line(row: Any) -> str:
    import json

    return json.dumps(row, ensure_ascii=False)


def _is_used(value: str, name: str, config: str) -> bool:
    """Whether a config names an entry, by its name or as its entry point does."""
    import re

    from motools import zoo

    text = zoo.config_text(config)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return bool(re.search(rf"(?<![\w.:]){re.escape(value)}(?!\w)|: {re.escape(name)}(?![\w.:-])", body))


@app.command()
def config(name: Annotated[str, typer.Argument(help="The config's name.", autocompletion=_configs)]) -> None:
    """Print a published config, to be changed and run.

    Example:  motools zoo config aesthetic_preferences.tinylm > config.yaml
    """
    from motools import zoo
    from motools.cli.tables import print_for_programs

    print_for_programs(zoo.config_text(name))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Entries; without any, all.", show_default=False)
    ] = None,
    kind: KindOption = None,
    mirror: Annotated[
        Path | None,
        typer.Option(help="Look at the copies in this folder, which `zoo mirror` filled; nothing is requested."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Load entries and compare them with their pins.

    It downloads datasets, unless MOTOOLS_OFFLINE is set. Exits with 1 if a content is wrong; what cannot be reached
    is counted, and no failure. With --mirror, what the folder lacks is a failure too.

    Examples:  motools zoo check gsm8k_spanish hello_world · motools zoo check --mirror zoo-files
    """
    from motools.errors import UserError
    from motools.zoo import checks

    if mirror is None:
        _report(_checked(names, kind), as_json)
        return
    if not mirror.is_dir():
        raise UserError(f"There is no folder {mirror}. Fill one with: motools zoo mirror --to {mirror}.")
    with checks.kept_in(mirror), checks.offline():
        _report(_checked(names, kind), as_json, needs_all=True)


@app.command("mirror")
def fill_mirror(
    to: Annotated[Path, typer.Option("--to", help="The folder; what is there and good is not downloaded again.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Entries; without any, all.", show_default=False)
    ] = None,
    kind: KindOption = None,
    as_json: Json = False,
) -> None:
    """Download all files that entries need into a folder.

    Then they can be checked offline. The folder serves as MOTOOLS_CACHE with MOTOOLS_OFFLINE=1, too, and its GitHub
    files, from a web server, as MOTOOLS_MIRROR. Exits with 1 where a file could not be had.

    Example:  motools zoo mirror --to zoo-files
    """
    from motools.zoo import checks

    to.mkdir(parents=True, exist_ok=True)
    with checks.kept_in(to):
        _report(_checked(names, kind, refresh=False), as_json, needs_all=True)


def _checked(names: list[str] | None, kind: Kind | None, refresh: bool = True) -> list[checks.Checked]:
    import sys

    from motools.compiler.compile import resolved
    from motools.zoo import checks

    results = []
    entries = _named(names or [], kind)
    for number, (of, name) in enumerate(entries, 1):
        print(visible(f"{number}/{len(entries)} {of.value} {name}"), file=sys.stderr, flush=True)
        results.append(checks.check(_of(of), name, refresh, resolved))
    return results


def _report(results: list[checks.Checked], as_json: bool, needs_all: bool = False) -> None:
    import sys

    from motools.cli.tables import print_json, print_table

    if as_json:
        print_json([result.as_dict() for result in results])
    else:
        cells = [[r.kind, r.name, r.status, "" if r.rows is None else r.rows, r.why] for r in results]
        print_table(["kind", "name", "status", "rows", "why"], cells)
        states = [result.status for result in results]
        counts = ", ".join(f"{states.count(state)} {state}" for state in ("good", "wrong", "not reached"))
        sys.stdout.flush()
        print(f"{len(results)} checked: {counts}.", file=sys.stderr)
    if any(result.status == "wrong" or (needs_all and result.status == "not reached") for result in results):
        raise typer.Exit(1)
