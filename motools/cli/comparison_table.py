"""The table of `motools compare`: on a terminal, and as LaTeX, Markdown and CSV for a paper."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from motools.base.foreign_text import markdown, markdown_table, visible
from motools.cli.tables import fits, print_for_programs, print_table, shown
from motools.definition.instances import axes_in, base_of
from motools.errors import UserError, listed

if TYPE_CHECKING:
    from motools.atom.comparison import Comparison, Line
    from motools.atom.eval_differences import Difference
    from motools.statistics import Ends

Rows = list[dict[str, str]]


def arms_of(words: Sequence[str]) -> dict[tuple[str | None, int], list[str]]:
    """(name, place) -> its evaluations, by the words of the command line: `control: a b organism: c d`, or `a b`.

    Raises:
        UserError: an arm without an evaluation, a name that stands twice, an evaluation before the first name.
    """
    if not any(word.endswith(":") for word in words):
        return {(None, place): [word] for place, word in enumerate(words)}
    arms: dict[str, list[str]] = {}
    for word in words:
        if word.endswith(":"):
            if word in arms:
                raise UserError(f"The arm {word[:-1]!r} stands twice: name all of its evaluations behind one.")
            arms[word] = []
        elif not arms:
            raise UserError(f"{word} stands before the first arm: write the name of its arm, with a colon, before it.")
        else:
            [*arms.values()][-1].append(word)
    for arm, members in arms.items():
        if not members:
            raise UserError(f"The arm {arm[:-1]!r} has no evaluation: write them after its name.")
    return {(name[:-1], place): members for place, (name, members) in enumerate(arms.items())}


def refuse_mixed(word: str, evals: Mapping[str, object]) -> None:
    """Raises `UserError` where the evaluations that a word names differ by more than the seed: they are no one arm."""
    axes = [{k: v for k, v in axes_in(name).items() if k.rpartition(".")[2] != "seed"} for name in evals]
    bases = list(dict.fromkeys(base_of(name) for name in evals))
    varied = [name for name in dict.fromkeys(n for each in axes for n in each) if len({e.get(name) for e in axes}) > 1]
    if len(bases) > 1:
        raise UserError(
            f"{word} has several kinds of evaluations, {listed(bases)}: name one, such as {_of(word, bases[0])}."
        )
    if varied:
        one = f"{bases[0]}@{','.join(f'{name}={text}' for name, text in axes[0].items())}"
        raise UserError(
            f"{word} has {len(evals)} evaluations that differ by {listed(varied)}, and are no trainings of one recipe. "
            f"Name those of one, such as {_of(word, one)}."
        )


def _of(word: str, name: str) -> str:
    """A result of what a word names, in words of the same form."""
    rev, colon, place = word.partition(":")
    place = name if (place if colon else rev) in (".", "") or "@" in word else f"{place if colon else rev}/{name}"
    return f"{rev}:{place}" if colon else place


def show(comparison: Comparison, form: str | None) -> None:
    """Print it; the notes stand below, and on standard error where what is printed is for a program."""
    if form == "csv":
        print_for_programs(_csv(comparison))
    elif form == "markdown":
        print_for_programs(
            "\n".join([*_markdown(_rows(comparison)), *(f"\n{markdown(note)}" for note in comparison.notes), ""])
        )
        return
    elif form == "latex":
        print_for_programs(
            "\n".join([*_latex(_rows(comparison)), *(f"% {visible(note, True)}" for note in comparison.notes), ""])
        )
        return
    else:
        rows = _rows(comparison)
        for part in _parts(rows) if rows else ():
            print_table([*part[0]], [[*row.values()] for row in part])
    for note in comparison.notes:
        print(visible(note), file=sys.stderr)


def _rows(comparison: Comparison) -> Rows:
    """Each line's cells by column, without the columns that are empty in all of them."""
    rows = [dict(_cells(line, comparison.margin)) for line in comparison.lines]
    kept = [column for column in (rows[0] if rows else ()) if any(row[column] for row in rows)]
    return [{column: row[column] for column in kept} for row in rows]


def _parts(rows: Rows) -> list[Rows]:
    """One table; two, of the arms and of their differences, where it is too wide for the terminal."""
    columns = [*rows[0]]
    if "difference" not in columns or fits(columns, [[*row.values()] for row in rows]):
        return [rows]
    first = columns.index("difference")
    arms = [{column: row[column] for column in columns[:first]} for row in rows]
    named = columns[:2] + columns[first:]
    return [arms, [{column: row[column] for column in named} for row in rows if row["difference"]]]


def _cells(line: Line, margin: float | None) -> Iterator[tuple[str, str]]:
    yield "metric", line.metric
    yield "arm", line.arm
    yield "value", "" if line.value is None else shown(line.value)
    yield "95 % interval", "" if line.n is None else _interval(line.questions)
    yield "over trainings", "" if line.n is None or len(line.values) < 2 else _interval(line.trainings)
    yield "n", _number(line.n)
    yield "clusters", _number(line.clusters)
    yield "trainings", str(len(line.values)) if len(line.values) > 1 else ""
    difference = line.difference
    yield "difference", "" if difference is None else shown(difference.value)
    questions, trainings = (None, None) if difference is None else (difference.questions, difference.trainings)
    yield "its 95 % interval", "" if questions is None else _interval(questions.ends)
    yield "its interval over trainings", "" if trainings is None else _interval(trainings.ends)
    yield "p", _number(difference and difference.larger("p"))
    yield "Holm's p", _number(difference and difference.p_holm)
    if margin is not None:
        yield f"p, no more than {margin:g}", _number(difference and difference.larger("p_within"))
        yield "Holm's p of that", _number(difference and difference.p_within_holm)
    yield "at most", _number(difference and difference.larger("at_most"))
    yield "detectable", _number(difference and difference.larger("detectable"))
    yield "samples", "" if difference is None else _samples(difference)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.2g}" if isinstance(value, float) else str(value)


def _interval(ends: Ends | None) -> str:
    return "no spread" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


def _samples(difference: Difference) -> str:
    without = f", {difference.left_out} left out" if difference.left_out else ""
    seeds = ", by seed" if difference.same_seeds else ""
    return f"{difference.drawn} {'paired' if difference.paired else 'unpaired'}{seeds}{without}"


def _csv(comparison: Comparison) -> str:
    """Every figure of every line; the columns never depend on the figures."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [dict(_figures(line)) for line in comparison.lines]
    writer.writerows([[*rows[0]], *([*row.values()] for row in rows)] if rows else [])
    return text.getvalue()


def _figures(line: Line) -> Iterator[tuple[str, Any]]:
    told = line.as_dict()
    difference = told.pop("difference") or {}
    told = {name: visible(value, True) if isinstance(value, str) else value for name, value in told.items()}
    yield from told.items()
    yield "difference", difference.get("value")
    for unit, said in (("", difference), ("trainings_", difference.get("trainings") or {})):
        for figure in ("low", "high", "p", "p_within", "at_most", "detectable"):
            yield f"difference_{unit}{figure}", said.get(figure)
    for figure in ("p_holm", "p_within_holm", "paired", "same_seeds", "left_out"):
        yield f"difference_{figure}", difference.get(figure)


def _markdown(rows: Rows) -> Iterator[str]:
    return markdown_table([*rows[0]], ([*row.values()] for row in rows)) if rows else iter(())


_LATEX: Mapping[str, str] = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _latex(rows: Rows) -> Iterator[str]:
    if rows:
        words = {"metric", "arm", "samples"}
        yield "% needs \\usepackage{booktabs}"
        yield f"\\begin{{tabular}}{{{''.join('l' if column in words else 'r' for column in rows[0])}}}"
        yield "\\toprule"
        yield _latex_row([*rows[0]])
        yield "\\midrule"
        before = rows[0]["metric"]
        for row in rows:
            if row["metric"] != before:
                yield "\\addlinespace"
            before = row["metric"]
            yield _latex_row([*row.values()])
        yield "\\bottomrule"
        yield "\\end{tabular}"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(letter, letter) for letter in visible(cell, True)) for cell in cells) + r" \\"
