"""How far two judgements of the same answers agree: of two judges, or of a judge and people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from motools.atom.columns import scores_of
from motools.base.foreign_text import read_json
from motools.errors import UserError, listed

__all__ = ["Agreement", "agreements", "judgements_of", "read_labels"]

Judgements = Mapping[tuple[Any, ...], Mapping[str, Any]]
"""(task, sample id, epoch) -> score -> value; None where there is none."""


@dataclass(frozen=True)
class Agreement:
    """How two judgements of one score agree.

    Attributes:
        score: its name; where the judges are of two kinds, that of the first.
        pairs: answers that both have judged.
        exact: the share of these to which both gave the same value.
        alpha: Krippendorff's, 1 for agreement throughout, 0 for that of chance; None where no pair is left.
        level: what alpha takes the values for: `nominal` words or 0 and 1, `interval` numbers.
        means: of the first and of the second, over the pairs; None of words.
        apart: the mean of the distances between the two numbers; None of words.
        unjudged: answers that only the second, and that only the first has judged.
        table: of a nominal score, how often which two values met: `first -> second -> count`.
    """

    score: str
    pairs: int
    exact: float | None
    alpha: float | None
    level: Literal["nominal", "interval"]
    means: tuple[float, float] | None
    apart: float | None
    unjudged: tuple[int, int]
    table: Mapping[str, Mapping[str, int]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judgements_of(samples: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the samples of an evaluation were given, each score under `scorer` or `scorer.score`."""
    by_answer = {}
    for sample in samples:
        scores: dict[str, Any] = {}
        for scorer, told in scores_of(sample).items():
            value = told.get("value")
            if isinstance(value, Mapping):
                scores |= {f"{scorer}.{name}": each for name, each in value.items()}
            else:
                scores[scorer] = value
        by_answer[(sample.get("task"), str(sample.get("id")), sample.get("epoch", 1))] = scores
    return by_answer


def read_labels(path: Path, judgements: Judgements) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Labels that people gave: JSONL rows with `id`, maybe `epoch` and `task`, and a value under each score's name.

    A score may be named by its last part alone, where only one has it.

    Args:
        judgements: those that they are compared with.

    Raises:
        UserError: a row is of no answer there, or names no score of it.
    """
    names = {name for scores in judgements.values() for name in scores}
    by_answer: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = read_json(line)
            fitting = [key for key in judgements if _is_of(row, key)]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UserError(f"{path}, row {number}: not a JSON object with an `id`.") from None
        if len(fitting) != 1:
            hint = "there is no such answer" if not fitting else "several answers fit: give `epoch` and `task`, too"
            raise UserError(f"{path}, row {number}: {hint}.")
        given = {name: value for name, value in row.items() if name not in ("id", "epoch", "task")}
        labels = {full: given[short] for short in given for full in names if full in (short, _whole(short, names))}
        if not labels:
            raise UserError(f"{path}, row {number}: it has none of the scores {listed(sorted(names))}.")
        by_answer[fitting[0]] = labels
    if not by_answer:
        raise UserError(f"{path} has no labels.")
    return by_answer


def _is_of(row: Mapping[str, Any], key: tuple[Any, ...]) -> bool:
    task, id, epoch = key
    return bool(str(row["id"]) == id and row.get("epoch", epoch) == epoch and row.get("task", task) == task)


def _whole(short: str, names: Iterable[str]) -> str | None:
    fitting = [name for name in names if name.rpartition(".")[2] == short]
    return fitting[0] if len(fitting) == 1 else None


def agreements(one: Judgements, other: Judgements) -> list[Agreement]:
    """How the two agree on each score that both have; a sampled score is set beside the one that it stands for.

    Raises:
        UserError: they have no answer, or no score, in common.
    """
    shared = [key for key in one if key in other]
    if not shared:
        raise UserError("They have no answer in common: no sample of the one has the id and epoch of one of the other.")
    names = {_plain(name): name for key in shared for name in other[key]}
    mine = dict.fromkeys(name for key in shared for name in one[key] if _plain(name) in names)
    if not mine:
        raise UserError("They have no score in common, so there is nothing to compare.")
    return [_agreement(name, list(_pairs(name, names[_plain(name)], shared, one, other))) for name in mine]


def _plain(name: str) -> str:
    return ".".join(part.removesuffix("_sampled") for part in name.split("."))


def _pairs(
    mine: str, theirs: str, keys: Iterable[Any], one: Judgements, other: Judgements
) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        if mine in one[key] and theirs in other[key]:
            yield one[key][mine], other[key][theirs]


def _agreement(name: str, given: Sequence[tuple[Any, Any]]) -> Agreement:
    pairs = [(first, second) for first, second in given if first is not None and second is not None]
    unjudged = (
        sum(first is None and second is not None for first, second in given),
        sum(second is None and first is not None for first, second in given),
    )
    values = [value for pair in pairs for value in pair]
    numbers = all(isinstance(value, (int, float)) for value in values)
    nominal = not numbers or {*values} <= {0, 1}
    counts = Counter((_word(first), _word(second)) for first, second in pairs) if nominal else Counter()
    table: dict[str, dict[str, int]] = {}
    for (first, second), count in sorted(counts.items()):
        table.setdefault(first, {})[second] = count
    some = bool(pairs)
    return Agreement(
        score=name,
        pairs=len(pairs),
        exact=fmean(first == second for first, second in pairs) if some else None,
        alpha=_alpha(pairs, "nominal" if nominal else "interval") if some else None,
        level="nominal" if nominal else "interval",
        means=(fmean(first for first, _ in pairs), fmean(second for _, second in pairs)) if some and numbers else None,
        apart=fmean(abs(first - second) for first, second in pairs) if some and numbers else None,
        unjudged=unjudged,
        table=table,
    )


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _alpha(pairs: Sequence[tuple[Any, Any]], level: Literal["nominal", "interval"]) -> float:
    from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha

    plain = [[_word(each) if level == "nominal" else each for each in pair] for pair in pairs]
    measure: Any = krippendorff_alpha(level)
    return float(measure([SampleScore(score=Score(value=each)) for each in plain]))
