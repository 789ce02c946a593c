"""Chat rows as lines of a file, each refused with its place where it is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from motools.base.chat import row_checks
from motools.base.chat.row_checks import check_row
from motools.base.chat.rules import ANY, Rules, WrongRow
from motools.base.chat.text import parsed, plain, too_deep, unwritable
from motools.base.foreign_text import is_deep
from motools.errors import StepError

__all__ = ["chat_rows", "line_of", "refuse_wrong_row"]


def refuse_wrong_row(row: Any, where: str) -> None:
    """Refuse what is no chat row, as this package has it; raises `StepError` that names the row and the field."""
    line_of(row, where)


def line_of(row: Any, where: str) -> str:
    try:
        row_checks.check_row(row)
        return _text(row) + "\n"
    except WrongRow as wrong:
        place = f"{where}, {wrong.field}" if wrong.field else where
        raise StepError(f"{place}: {wrong.problem.rstrip('.')}.") from None


def _text(row: Mapping[str, Any]) -> str:
    """A row as a line of JSONL, without nulls."""
    try:
        content = plain(row)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        text.encode()
    except RecursionError:
        raise too_deep() from None
    except (TypeError, ValueError) as error:
        raise unwritable(row) or WrongRow("", f"not JSON: {error}") from None
    if is_deep(content, text):
        raise too_deep()
    return text


def chat_rows(path: Path, rules: Rules = ANY) -> Iterator[list[dict[str, Any]]]:
    """The messages of every row of a JSONL file, one row at a time, without nulls; empty lines are skipped.

    Raises:
        StepError: a line is not a chat row, or there is none; the message has its number and the field.
    """
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            count += 1
            try:
                row = parsed(line)
                check_row(row, rules)
            except WrongRow as wrong:
                raise StepError(f"{path.name}, line {number}: {str(wrong).rstrip('.')}.") from None
            yield (plain(row) if b"null" in line else row)["messages"]
    if not count:
        raise StepError(f"{path.name} has no rows, so there is nothing to train on.")
