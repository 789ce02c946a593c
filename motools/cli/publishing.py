"""Commands that give atoms to others: publish, at a hub, which says first what they will read; artifact, by a name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motools.cli.asking import agreed
from motools.cli.atoms import AtomName, warn_if_out_of_date
from motools.cli.options import Json, Quiet

if TYPE_CHECKING:
    from motools.atom.publish import Publication


def publish(
    name: AtomName,
    to: Annotated[str, typer.Option("--to", metavar="OWNER/NAME", help="The repository at the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be published; send nothing.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Publish a dataset or a model at the Hugging Face Hub.

    Its files, with a card made from its lineage, as one commit; what is there already is not sent again.

    The repository is private, unless --public is given. The token is HF_TOKEN, or that of `hf auth login`.

    Examples:  motools publish trained_model --to ada/organism · motools publish dataset-3f2a --to ada/rows -n
    """
    from motools.atom import publish as publishing
    from motools.atom.hub import Hub
    from motools.atom.listing import find_atom
    from motools.base.foreign_text import visible
    from motools.cli.tables import print_json
    from motools.errors import UserError
    from motools.repo.dotenv import load_env
    from motools.repo.survey import Survey

    atom = find_atom(name, Path.cwd())
    load_env(atom.project.root)
    warn_if_out_of_date(name, atom, Survey(atom.project))
    hub = Hub()
    planned = publishing.look(atom, to, hub, public)
    if not (quiet or as_json) or (dry_run and not as_json):
        for line in _told(planned, dry_run):
            typer.echo(visible(line))
    for file in planned.suspicious:
        typer.echo(visible(f"Look at {file}: something in it looks like the key of an account."), err=True)
    commit = None
    if not dry_run and not planned.is_there:
        if not yes:
            if not sys.stdin.isatty():
                raise UserError("Nobody is here to be asked: add --yes to publish it, or look with --dry-run.")
            if not agreed("Publish it?"):
                return
        commit = publishing.publish(planned, hub)
    if as_json:
        print_json(planned.as_dict() | {"commit": commit})
    elif not quiet and not dry_run:
        done = f"published, commit {commit[:10]}" if commit else "it is there already, and nothing was sent"
        typer.echo(visible(f"{planned.address}: {done}."))


def artifact(
    output: AtomName,
    name: Annotated[str | None, typer.Argument(help="Its name.", show_default="the output's")] = None,
    as_json: Json = False,
) -> None:
    """Give an output a name that versions can be of.

    Under `artifacts` in its dvc.yaml, where DVC and GTO look: gto register NAME, dvc artifacts get URL NAME.

    Examples:  motools atoms artifact trained_model · motools atoms artifact train_model@seed=0 organism
    """
    from motools.atom.artifact import declare
    from motools.atom.listing import find_atom
    from motools.base.foreign_text import visible
    from motools.cli.tables import print_json

    done = declare(find_atom(output, Path.cwd()), Path.cwd(), name)
    if as_json:
        print_json({**done._asdict(), "file": str(done.file)})
    else:
        typer.echo(visible(f"{done.name}: {done.path}. Commit {done.file}, then type: gto register {done.registered}"))


def _told(planned: Publication, dry_run: bool) -> Iterator[str]:
    from motools.repo.remote import told_size

    readers = "everybody can read it" if planned.public else "private: only whom its owner lets in can read it"
    yield f"{'Would be' if dry_run else 'To be'} published: {planned.atom.id}"
    yield f"  {planned.address}, {'there already' if planned.exists else f'a new {planned.kind} repository'}; {readers}"
    for name, state in planned.states.items():
        size = f"  {told_size(planned.size(name))}" if name in planned.files else ""
        yield f"  {state:<8} {name}{size}"
    yield "Its card, README.md:"
    yield from (f"  | {line}" for line in planned.card.splitlines())
