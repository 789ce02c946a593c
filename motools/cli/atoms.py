"""Commands on atoms: list, show, and the lineage of one."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json

if TYPE_CHECKING:
    from rich.tree import Tree

    from motools.atom.atom import Atom, EvalAtom
    from motools.atom.lineage import Ancestry, Branch
    from motools.atom.outputs import Output
    from motools.repo.survey import Survey

app = typer.Typer(help="Atoms: list and show them.", no_args_is_help=True)
AtomName = Annotated[
    str,
    typer.Argument(
        metavar="ATOM",
        help="An id, a prefix of one, an output, a stage, a path, a folder, or REV:any of the last four.",
    ),
]


@app.command("list")
def list_atoms(
    kind: Annotated[str | None, typer.Option(help="Only this kind: dataset, model, eval, ...")] = None,
    as_json: Json = False,
) -> None:
    """List the atoms of all pipelines in the project.

    Examples:  motools atoms list · motools atoms list --kind eval --json
    """
    from motools.atom import listing
    from motools.cli.tables import print_json, print_table
    from motools.engine import outdated
    from motools.errors import did_you_mean, listed
    from motools.repo.project import Project

    unread: list[str] = []
    project = Project.find()
    atoms = list(listing.list_atoms(project, kind, unread))
    pipelines = cache(partial(outdated.Folder, project))
    why = [pipelines(project.root / atom.folder).why(atom.stage) if atom.stage else [] for atom in atoms]
    for each in unread:
        typer.echo(visible(f"Left out: {each}"), err=True)
    if kind is not None and not atoms:
        kinds = sorted({atom.kind for atom in listing.list_atoms(project)})
        typer.echo(visible(f"No atom is a {kind}.{did_you_mean(kind, kinds)} There are: {listed(kinds)}."), err=True)
    old = [f"{atom.folder}/{atom.name}".removeprefix("./") for atom, each in zip(atoms, why, strict=True) if each]
    if old:
        typer.echo(visible(f"Out of date: {listed(old, 12)}. `motools status FOLDER` says why."), err=True)
    if as_json:
        print_json([atom.as_dict() | {"out_of_date": each} for atom, each in zip(atoms, why, strict=True)])
    else:
        print_table(
            ["atom", "name", "stage", "folder"], [[a.id, a.name, a.stage or "(input)", a.folder] for a in atoms]
        )


@app.command()
def show(name: AtomName, as_json: Json = False) -> None:
    """Show what an atom is, who made it, and where its files are.

    Example:  motools atoms show eval-3f2a
    """
    from dataclasses import asdict

    from motools.atom.atom import EvalAtom
    from motools.atom.listing import find_atom
    from motools.cli.tables import print_json
    from motools.errors import AtomError
    from motools.repo.survey import Survey

    atom = find_atom(name, Path.cwd())
    about: dict[str, Any] = {
        "id": atom.id,
        "kind": atom.kind,
        "made_from": dict(atom.made_from),
        "metadata": dict(atom.metadata),
        "data": str(atom.get_data_path()),
    }
    if isinstance(atom, EvalAtom):
        logs = atom.get_log_path()
        about |= {"metrics": atom.metrics, "logs": str(logs) if logs else None}
    try:
        about["record"] = asdict(atom.record)
    except AtomError:
        about["record"] = None
    why = warn_if_out_of_date(name, atom, Survey(atom.project))
    if as_json:
        print_json(about | {"out_of_date": why})
        return
    from motools.base.values import flat
    from motools.cli.tables import shown

    for key, value in flat(about).items():
        typer.echo(visible(f"{key}: {shown(value)}"))
    if about.get("logs"):
        typer.echo(visible(f"Open the logs with: inspect view --log-dir {about['logs']}"))


def compare(
    evals: Annotated[
        list[str],
        typer.Argument(
            metavar="[ARM:] ATOM...",
            help="Evaluations: ids, names, stages, paths, folders, REV:FOLDER, REV..REV; a word that ends in a colon "
            "names the arm of what follows.",
        ),
    ],
    primary: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Adjust p for these metrics only, in place of all. May be repeated."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(metavar="X", help="Also tell how surely each difference is no larger than X.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print a table for LaTeX (booktabs).")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for Markdown.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every figure as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Show evaluations side by side, and how far they differ.

    Each metric has its 95 % interval, and its difference to the first evaluation or arm.

    Several trainings of one recipe are an arm: name it, and give an evaluation of each, or a folder with a sweep over
    seeds.

    Examples:  motools compare base_results eval_results · motools compare control: a1 a2 a3 organism: b1 b2 --latex ·
    motools compare main..HEAD · motools compare experiments/secure experiments/insecure
    """
    from motools.atom import comparison
    from motools.atom.eval_differences import Arm
    from motools.atom.listing import find_evals
    from motools.atom.naming import at_both
    from motools.cli import comparison_table
    from motools.cli.tables import print_json
    from motools.errors import UserError
    from motools.repo.project import Project
    from motools.repo.survey import Survey

    forms = [name for name, on in (("latex", latex), ("markdown", markdown), ("csv", csv), ("json", as_json)) if on]
    if len(forms) > 1:
        raise UserError(f"--{forms[0]} and --{forms[1]} are two forms of one table: give one of them.")
    words = [word for each in evals for word in at_both(each, Path.cwd()) or [each]]
    survey = Survey(Project.find())
    by_name: dict[str, EvalAtom] = {}
    names, arms = [], []
    for (arm, _), members in comparison_table.arms_of(words).items():
        own: list[str] = []
        for word in members:
            evaluations = find_evals(word, Path.cwd())
            if arm is None:
                comparison_table.refuse_mixed(word, evaluations)
            told_as = {word if len(evaluations) == 1 else f"{word} {name}": atom for name, atom in evaluations.items()}
            own += told_as
            by_name |= told_as
        title = members[0] if len(own) > 1 else comparison.titles(own, [by_name[own[0]]], survey)[0]
        arms.append(Arm(*(by_name[each] for each in own), name=title if arm is None else arm))
        names += own
    told = comparison.compare(arms, primary or (), margin)
    why = {name: warn_if_out_of_date(name, atom, survey) for name, atom in by_name.items()}
    if as_json:
        plain = told.as_dict(names)
        plain["evaluations"] = [a | {"out_of_date": why[a["name"]]} for a in plain["evaluations"]]
        print_json(plain)
        return
    comparison_table.show(told, forms[0] if forms else None)


def export(
    name: AtomName,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A new folder.")],
    as_json: Json = False,
) -> None:
    """Write a model as a folder that is ready to upload.

    Its weights have to lie here; its model card is made from its lineage.

    Example:  motools export trained_model --to my-organism
    """
    from motools.atom.export import export
    from motools.atom.listing import find_atom
    from motools.cli.tables import print_json
    from motools.repo.survey import Survey

    atom = find_atom(name, Path.cwd())
    warn_if_out_of_date(name, atom, Survey(atom.project))
    written = export(atom, to)
    if as_json:
        print_json({"folder": str(to), "files": written})
    else:
        typer.echo(visible(f"{to}: {', '.join(written)}\nUpload it with: hf upload NAME/OF-MODEL {to}"))


def lineage(
    atom: Annotated[
        str,
        typer.Argument(
            metavar="ATOM",
            help="An id, a prefix of one, an output's name, the path of a stage's output, or a file that cites atoms.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Tell where an atom, or a file of your own, came from.

    A tree of all it was made from, with who, when and at which commit. A file is what a stage of your own made, or
    cites atoms (motools.atom.cite).

    Examples:  motools lineage eval_results · motools lineage eval-3f2a --json · motools lineage figures/scores.png
    """
    from motools.atom.citation import of_file
    from motools.atom.lineage import trace
    from motools.atom.listing import find
    from motools.base.terminal import console
    from motools.cli.tables import print_json
    from motools.repo.survey import Survey

    cited = of_file(Path(atom), find)
    told, problems = [], set()
    for name, result in cited.items() if cited else [(atom, find(atom, Path.cwd()))]:
        survey = Survey(result.project)
        ancestry = trace(result, survey)
        told.append(ancestry.as_dict() | {"out_of_date": warn_if_out_of_date(name, result, survey)})
        problems |= {str(survey.problem)} if survey.problem else set()
        for branch in ancestry.trees() if not as_json else ():
            console().print(_tree(branch), soft_wrap=False)
    for problem in problems:
        typer.echo(visible(f"{problem} What only it has is not told here."), err=True)
    if as_json:
        print_json({"cites": told} if cited else told[0])


def warn_if_out_of_date(name: str, result: Atom | Output, survey: Survey) -> list[str]:
    """Why what is to be shown is not what its pipeline asks for now; said on standard error too."""
    from motools.atom.atom import Atom
    from motools.engine import outdated

    why = outdated.reasons(survey, name, Path.cwd(), f"{result.md5}.dir" if isinstance(result, Atom) else result.md5)
    if why:
        typer.echo(visible(outdated.sentence(name, why)), err=True)
    return why


def _tree(branch: Branch, tree: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    node = branch.node
    named = f"{visible(branch.name, True)}: " if branch.name else ""
    if isinstance(node, str):
        title = Text(f"{named}{visible(node, True)} ({'damaged' if branch.damaged else 'not at hand'})")
    else:
        where = " (told once, elsewhere)" if branch.again else ""
        title = Text.assemble(named, (visible(node.atom.id, True), "bold"), where)
    twig = Tree(title) if tree is None else tree.add(title)
    if not isinstance(node, str) and not branch.again:
        for line in _lines(node):
            twig.add(Text(visible(line, True), style="dim"))
    for below in branch.branches:
        _tree(below, twig)
    return twig


def _lines(ancestry: Ancestry) -> list[str]:
    """What an atom's node says: key metadata, params, who and when, at which commit."""
    from motools.atom.atom import EvalAtom
    from motools.base.ages import age
    from motools.base.values import flat
    from motools.cli.tables import shown
    from motools.errors import MotoolsError

    lines = []
    atom, record = ancestry.atom, ancestry.record
    metadata = {n: v for n, v in flat(atom.metadata).items() if not n.startswith(("inspect.", "samples."))}
    if isinstance(atom, EvalAtom):
        try:
            metadata |= flat(atom.metrics)
        except MotoolsError as error:
            lines.append(str(error))
    if metadata:
        lines.append(", ".join(f"{name} {shown(value)}" for name, value in list(metadata.items())[:8]))
    if record is not None:
        if record.config:
            config = ", ".join(f"{name} {shown(value)}" for name, value in flat(record.config).items())
            lines.append(f"params: {config}")
        where = f" on {record.host}" if record.host else ""
        lines.append(f"by {record.user}, {record.started} ({age(record.started)}), in {record.seconds:.1f} s{where}")
        lines.append(ancestry.code)
    if ancestry.commits:
        lines.append(f"in git since {ancestry.commits[-1][:10]}" + (" or before" if ancestry.or_before else ""))
    return lines
