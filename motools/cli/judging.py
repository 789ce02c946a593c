"""Commands on judgements: judge again what lies in an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motools.cli.atoms import AtomName
from motools.cli.options import Json, User

Grader = Annotated[str | None, typer.Option(metavar="MODEL", help="Who judges: the model of the role grader.")]


def rescore(
    name: AtomName,
    grader: Grader = None,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE=MODEL", help="The model of another role.")] = None,
    scorer: Annotated[
        str | None, typer.Option(metavar="NAME", help="module:function, file.py:function or package/scorer.")
    ] = None,
    scorer_args: Annotated[str | None, typer.Option(metavar="JSON", help="Its arguments.")] = None,
    task_args: Annotated[
        str | None, typer.Option(metavar="JSON", help="Arguments of the task whose scorer it is.")
    ] = None,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Judge the answers of an evaluation again; ask no model.

    It makes a new atom, from the old one. Without --scorer the task's own scorer judges, as its code is now.

    Example:  motools rescore eval_results --grader openai/gpt-6-luna
    """
    from motools.atom.atom import EvalAtom
    from motools.atom.listing import find_atom
    from motools.cli.tables import print_json
    from motools.errors import AtomError, a_kind
    from motools.evals.inspect.rescoring import Rescoring, rescore
    from motools.repo.dotenv import load_env

    atom = find_atom(name, Path.cwd())
    if not isinstance(atom, EvalAtom):
        raise AtomError(f"{atom.id} is {a_kind(atom.kind)}, and only evaluations are judged.")
    load_env(atom.project.root)
    roles = dict(_role(each) for each in role or ()) | ({"grader": grader} if grader else {})
    given = None if task_args is None else _mapping("--task-args", task_args)
    how = Rescoring(scorer, _mapping("--scorer-args", scorer_args or "{}"), roles, given)
    made = rescore(atom, how, user or atom.project.user)
    if as_json:
        print_json({"id": made.id, "made_from": dict(made.made_from), "metrics": made.metrics})
        return
    typer.echo(made.id)
    typer.echo(f"Compare with: motools compare {atom.id[:17]} {made.id[:17]}")


def _role(text: str) -> tuple[str, str]:
    from motools.errors import UserError

    name, _, model = text.partition("=")
    if not name or "/" not in model:
        raise UserError(f"--role must be ROLE=PROVIDER/MODEL, such as grader=openai/gpt-6-luna, not {text!r}.")
    return name, model


def _mapping(option: str, text: str) -> dict[str, object]:
    import json

    from motools.errors import UserError

    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise UserError(f'{option} must be a JSON object, such as \'{{"template": "..."}}\', not {text!r}.')
    return arguments


app = typer.Typer(help="Judges: how far their judgements agree.", no_args_is_help=True)


@app.command()
def check(
    atom: AtomName,
    other: Annotated[
        str | None,
        typer.Argument(metavar="[OTHER]", help="The same answers as another has judged them (`motools rescore`)."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="In place of OTHER: JSONL rows {id, SCORE: value} of people's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how far a judge agrees with others, or with people.

    On the same answers.

    Example:  motools judge check eval_results eval-3f2a
    """
    from motools.atom.atom import EvalAtom
    from motools.atom.listing import find_atom
    from motools.cli.tables import print_json, print_table
    from motools.errors import AtomError, UserError, a_kind
    from motools.evals.inspect.agreement import agreements, judgements_of, read_labels

    if (other is None) == (labels is None):
        raise UserError("Name a second evaluation, or a file of labels: --labels FILE.")
    atoms = [find_atom(each, Path.cwd()) for each in (atom, other) if each is not None]
    judged = []
    for each in atoms:
        if not isinstance(each, EvalAtom):
            raise AtomError(f"{each.id} is {a_kind(each.kind)}, and only evaluations are judged.")
        judged.append(judgements_of(each.samples()))
    if labels is not None:
        if not labels.is_file():
            raise UserError(f"There is no file {labels}.")
        judged.append(read_labels(labels, judged[0]))
    result = agreements(*judged)
    if as_json:
        print_json([each.as_dict() for each in result])
        return
    heads = ["score", "pairs", "same", "alpha", "level", "mean", "other mean", "apart", "unjudged", "other unjudged"]
    print_table(
        heads,
        [
            [
                each.score,
                str(each.pairs),
                *(_figure(value) for value in (each.exact, each.alpha)),
                each.level,
                *(_figure(value) for value in (*(each.means or (None, None)), each.apart)),
                *map(str, each.unjudged),
            ]
            for each in result
        ],
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
