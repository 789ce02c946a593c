"""What there is to know of a dataset before it is trained on: how much, how long, what is learned, what is wrong."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from motools.base.chat import WrongRow, check_row, parsed, plain, text_of
from motools.errors import StepError
from motools.training import Trainer, find_trainer
from motools.training.tokens import Counter, problem_of
from motools.zoo import published

__all__ = ["Difference", "Facts", "Overlap", "describe", "differences", "overlap", "problems"]

SHOWN = 5
"""How many examples of a kind are told."""


@dataclass
class Facts:
    """A dataset in figures.

    Attributes:
        rows: chat rows; `wrong` says what is wrong with the lines that are none.
        messages: how many there are of each role.
        unit: what lengths are counted in, and why, where these are not the model's tokens.
        lengths: of rows: least, median, mean, 95 % are not longer, most, and all together.
        loss: how much of all carries loss, in the same unit; `silent` rows have nothing that does.
        duplicates: rows that stand there before; `answers_differ` counts prompts with more than one answer.
    """

    rows: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    unit: str = ""
    why: str = ""
    lengths: dict[str, float] = field(default_factory=dict)
    loss: int = 0
    silent: int = 0
    duplicates: int = 0
    answers_differ: int = 0
    wrong: list[str] = field(default_factory=list)
    wrong_rows: int = 0
    examples: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def describe(path: Path, counter: Counter, examples: int = 2) -> Facts:
    """A dataset's figures, and its first rows with what carries loss in marks."""
    facts = Facts(unit=counter.unit, why=counter.why)
    roles, turns, seen = Tally[str](), Tally[str](), set[bytes]()
    answers: dict[bytes, bytes] = {}
    differing: set[bytes] = set()
    lengths = []
    for number, row in _rows(path):
        try:
            if isinstance(row, WrongRow):
                raise row
            check_row(row)
            messages = plain(row)["messages"]
            length, loss = counter.lengths(messages)
            if len(facts.examples) < examples:
                facts.examples.append(counter.marked(messages))
        except (WrongRow, StepError) as problem:
            facts.wrong_rows += 1
            if len(facts.wrong) < SHOWN:
                facts.wrong.append(f"line {number}: {_said(problem)}")
            continue
        facts.rows += 1
        roles.update(message["role"] for message in messages)
        turns[str(sum(message["role"] == "assistant" for message in messages))] += 1
        lengths.append(length)
        facts.loss += loss
        facts.silent += not loss
        digest, prompt, answer = _digests(row, messages)
        facts.duplicates += digest in seen
        seen.add(digest)
        if answers.setdefault(prompt, answer) != answer:
            differing.add(prompt)
    facts.messages, facts.turns = dict(roles), dict(sorted(turns.items(), key=lambda turn: int(turn[0])))
    facts.lengths = _spread(lengths)
    facts.answers_differ = len(differing)
    return facts


def problems(path: Path, names: Iterable[str] | None, model: str | None, counter: Counter) -> dict[str, list[str]]:
    """Trainer -> what it would refuse of a dataset, a sentence a row; empty where it would take it.

    Args:
        names: trainers; None: all that are installed.
    """
    trainers = {name: find_trainer(name) for name in (published("trainer") if names is None else names)}
    by_trainer: dict[str, list[str]] = {name: [] for name in trainers}
    count = 0
    for number, row in _rows(path):
        count += 1
        of_model = None if isinstance(row, WrongRow) else _of_model(row, counter)
        for name, trainer in trainers.items():
            problem = row if isinstance(row, WrongRow) else _of_trainer(row, trainer, model) or of_model
            if problem is not None:
                by_trainer[name].append(f"line {number}: {_said(problem)}")
    for name, trainer in trainers.items():
        least = getattr(trainer, "least_rows", 1)
        if count < least:
            by_trainer[name].append(f"{count} rows, but it needs at least {least}")
    return by_trainer


def _of_trainer(row: Any, trainer: Trainer, model: str | None) -> WrongRow | None:
    try:
        check_row(row)
        if (check := getattr(trainer, "check_row", None)) is not None:
            check(row, model or "")
    except WrongRow as wrong:
        return wrong
    return None


def _of_model(row: Any, counter: Counter) -> StepError | None:
    """What the model's own tokenizer and template have against a row."""
    if counter.tokenizer is None:
        return None
    try:
        check_row(row)
        length, _ = counter.lengths(plain(row)["messages"])
    except WrongRow:
        return None  # told as such
    except StepError as error:
        return error
    if counter.longest is not None and length > counter.longest:
        return StepError(f"{length:,} tokens, but the model takes {counter.longest:,}: shorten it, or leave it out.")
    return None


@dataclass(frozen=True)
class Difference:
    """What two datasets have in common and what not, in rows; `answered_otherwise` are prompts of both whose answers
    differ. `order` says whether common rows stand in another order."""

    rows: tuple[int, int]
    common: int
    only_first: int
    only_second: int
    answered_otherwise: int
    order: bool
    examples: dict[str, list[str]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def differences(first: Path, second: Path) -> Difference:
    """Compare two datasets row by row, wherever the rows stand; a row that stands twice counts twice.

    Raises:
        StepError: a line is no chat row.
    """
    both = [list(_sound(path)) for path in (first, second)]
    tallies = [Tally(digest for digest, *_ in rows) for rows in both]
    only = [tallies[0] - tallies[1], tallies[1] - tallies[0]]
    answers: list[dict[bytes, set[bytes]]] = [{}, {}]
    for by_prompt, rows in zip(answers, both, strict=True):
        for _, prompt, answer, _ in rows:
            by_prompt.setdefault(prompt, set()).add(answer)
    otherwise = {prompt for prompt in answers[0].keys() & answers[1].keys() if answers[0][prompt] != answers[1][prompt]}
    kept = [[digest for digest, *_ in rows if digest not in left] for rows, left in zip(both, only, strict=True)]
    return Difference(
        rows=(len(both[0]), len(both[1])),
        common=(tallies[0] & tallies[1]).total(),
        only_first=only[0].total(),
        only_second=only[1].total(),
        answered_otherwise=len(otherwise),
        order=kept[0] != kept[1],
        examples={
            name: [text for digest, _, _, text in rows if digest in left][:SHOWN]
            for name, rows, left in zip(("only_first", "only_second"), both, only, strict=True)
        },
    )


@dataclass(frozen=True)
class Overlap:
    """How many samples of a task have a prompt that a row of the dataset has, too."""

    task: str
    samples: int
    common: int
    examples: list[str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def overlap(path: Path, prompts: Mapping[str, Sequence[str]]) -> list[Overlap]:
    """What an evaluation will ask that the training has seen: prompts (by task) that a user says in a row, but for case
    and spaces. Lines that are no chat rows are passed over."""
    said = {
        _normal(text_of(message))
        for _, row in _rows(path)
        if not isinstance(row, WrongRow) and _is_row(row)
        for message in row["messages"]
        if message["role"] == "user"
    }
    overlaps = []
    for task, asked in prompts.items():
        common = [prompt for prompt in asked if _normal(prompt) in said]
        overlaps.append(Overlap(task, len(asked), len(common), common[:SHOWN]))
    return overlaps


def _is_row(row: Any) -> bool:
    try:
        check_row(row)
    except WrongRow:
        return False
    return True


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Lines by their number: each a JSON value, or what is wrong with it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, parsed(line)
                except WrongRow as wrong:
                    yield number, wrong


def _sound(path: Path) -> Iterator[tuple[bytes, bytes, bytes, str]]:
    for number, row in _rows(path):
        try:
            if isinstance(row, WrongRow):
                raise row
            check_row(row)
        except WrongRow as wrong:
            raise StepError(f"{path.name}, line {number}: {_said(wrong)}.") from None
        messages = plain(row)["messages"]
        text = "\n".join(f"{message['role']}: {text_of(message)}" for message in messages)
        yield *_digests(row, messages), text


def _digests(row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> tuple[bytes, bytes, bytes]:
    """Of a row, of what comes before its last answer, and of that."""
    last = max(number for number, message in enumerate(messages) if message["role"] == "assistant")
    return _digest(plain(row)), _digest(messages[:last]), _digest(messages[last:])


def _digest(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:16]


def _said(problem: Exception) -> str:
    text = problem_of(problem) if isinstance(problem, StepError) else str(problem)
    return text.rstrip(".")


def _spread(lengths: Sequence[int]) -> dict[str, float]:
    if not lengths:
        return {}
    ordered = sorted(lengths)
    return {
        "least": ordered[0],
        "median": statistics.median(ordered),
        "mean": round(statistics.fmean(ordered), 1),
        "95 %": ordered[max(0, -(-len(ordered) * 95 // 100) - 1)],
        "most": ordered[-1],
        "all": sum(ordered),
    }
