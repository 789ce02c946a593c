"""Rows: read from JSONL, sampled by seed, made chat rows, and knowing which published files they come from."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from motools.errors import UserError, listed

T = TypeVar("T")
Row = dict[str, Any]

LONGEST_LINE = 64 << 20
"""Bytes of one line beyond which a file is no JSONL file."""

PAIRS = (("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("instruction", "output"))
"""Fields of one question and one answer that are taken for a user turn and an assistant turn."""
TURN = (
    "role",
    "content",
    "name",
    "weight",
    "trainable",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
    "reasoning_content",
    "thinking",
)
"""What is kept of a message: what trainers of chat models know."""
BESIDE = ("tools", "functions", "parallel_tool_calls")
"""What is kept of a row beside its messages."""
CONTEXT = ("input", "context")
"""Fields of a pair that belong to its question, and come after it with an empty line between, as in Alpaca's rows."""
SYSTEM = ("system", "system_prompt")
"""Fields that are the text of a system turn."""
OTHER_TURNS = ("history", "conversations", "conversation")
"""Fields that hold turns in forms that are not read here: a row that has one would lose them."""


@dataclass(frozen=True)
class Origin:
    """A published file that rows come from: enough to fetch the same bytes again.

    Attributes:
        url: where it is published, whatever mirror was used.
        revision: the commit, or the branch where nobody has pinned it.
        content: `git:<blob id>` or `sha256:<hex>` of the bytes that were used.
    """

    url: str
    revision: str
    content: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Rows(list[Row]):
    """A list of rows that knows its published files; `prepare_dataset` puts them into the atom's metadata.

    What list methods make of it (a slice, a sum) is a plain list: `Rows.of` gives it its sources again.
    """

    def __init__(self, rows: Iterable[Row] = (), sources: Iterable[Origin] = ()) -> None:
        super().__init__(rows)
        self.sources = tuple(dict.fromkeys(sources))

    @classmethod
    def of(cls, rows: Iterable[Row], *parts: Any) -> Rows:
        """Rows made of others: they have the sources of all parts, each once, in the order of the parts."""
        return cls(rows, [source for part in parts for source in getattr(part, "sources", ())])


def rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, one by one; empty lines are skipped.

    Raises:
        UserError: a line is not a JSON object; the message has its number.
    """
    with path.open("rb") as file:
        yield from parsed(file, str(path))


def parsed(lines: Any, where: str) -> Iterator[Row]:
    """The rows in an open binary file; `where` names it in messages. Raises as `rows`."""
    number = 0
    while line := lines.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise UserError(f"{where}, line {number}: longer than {LONGEST_LINE} bytes, so this is no JSONL file.")
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:  # bad UTF-8 as well as bad JSON
            raise UserError(f"{where}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}, line {number}: {row!r:.60} is not a JSON object.")
        yield row


def chat(row: Mapping[str, Any], where: str) -> Row:
    """A published row as a chat row: `{"messages": [{"role", "content"}, ...]}`, and its tools where it has any.

    Kept: system turns, and rows of assistant turns only. Made into turns: the pairs of fields in `PAIRS`, with what
    belongs to them (`CONTEXT`, `SYSTEM`). Left out: other fields, such as ids and labels.

    Raises:
        UserError: it is neither, no assistant turn is in it, or turns of it would be lost; the message begins with
            `where`.
    """
    row = {name: value for name, value in row.items() if value is not None}  # as `datasets` fills what is not there
    if lost := [name for name in OTHER_TURNS if row.get(name)]:
        raise UserError(f"{where}: what stands under {listed(lost)} would be lost: make messages of it in a loader.")
    messages = row.get("messages")
    if messages is None:
        pair = next((p for p in PAIRS if all(isinstance(row.get(name), str) for name in p)), None)
        if pair is None:
            pairs = listed(f"{question}+{answer}" for question, answer in PAIRS)
            raise UserError(f"{where}: neither messages nor one of {pairs} is among its fields: {listed(sorted(row))}.")
        asked = "\n\n".join([row[pair[0]], *_texts(row, CONTEXT, where)])
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": row[pair[1]]}]
    if not isinstance(messages, list) or not all(isinstance(turn, Mapping) and "role" in turn for turn in messages):
        raise UserError(f"{where}: messages are {messages!r:.80}, not a list of role and content.")
    if not any(turn["role"] == "assistant" for turn in messages):
        raise UserError(f"{where}: no assistant turn, so there is nothing to learn from it.")
    if system := "\n\n".join(_texts(row, SYSTEM, where)):
        if messages[0]["role"] != "system":
            messages = [{"role": "system", "content": system}, *messages]
        elif messages[0].get("content") != system:
            raise UserError(f"{where}: there is a system turn, and beside it {system!r:.60}, which would be lost.")
    turns = [{name: turn[name] for name in TURN if turn.get(name) is not None} for turn in messages]
    return {"messages": turns, **{name: row[name] for name in BESIDE if name in row}}


def _texts(row: Mapping[str, Any], names: Sequence[str], where: str) -> list[str]:
    """The texts of those of the fields that a row has; empty ones say nothing."""
    texts = {name: row[name] for name in names if row.get(name)}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise UserError(f"{where}: what stands under {name!r} is no text and would be lost: {value!r:.60}.")
    return [text for text in texts.values() if text.strip()]


def sample(every: Iterable[T], sample_size: int | None, seed: int) -> list[T]:
    """`sample_size` of the rows, chosen by `seed`, in their published order; None is all of them.

    Raises:
        UserError: there are fewer rows than asked for, or the size or the seed cannot be one.
    """
    pool: Sequence[T] = list(every)
    return [pool[index] for index in chosen(len(pool), sample_size, seed)]


def chosen(available: int, sample_size: int | None, seed: int) -> Sequence[int]:
    """The indices that `sample` takes, in order."""
    check_seed(seed)
    if sample_size is None:
        return range(available)
    if isinstance(sample_size, bool) or not isinstance(sample_size, int) or sample_size < 1:
        raise UserError(f"sample_size must be a whole number, 1 or more, or null for every row, not {sample_size!r}.")
    if sample_size > available:
        raise UserError(f"sample_size is {sample_size}, but there are {available} rows; null takes them all.")
    return sorted(random.Random(seed).sample(range(available), sample_size))


def check_seed(seed: Any) -> None:
    """Refuse what is no seed: Python drops the sign of -1, so it would be 1 under another name."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed must be a whole number, 0 or more, not {seed!r}.")
