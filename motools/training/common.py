"""What trainers share: reading chat rows, and naming the model they made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motools.chat import ANY, Rules, WrongRow, check_row, parsed, plain
from motools.errors import StepError

__all__ = ["chat_rows", "model_name"]


def chat_rows(path: Path, rules: Rules = ANY) -> Iterator[list[dict[str, Any]]]:
    """The messages of every row of a JSONL file, one row at a time, without nulls; empty lines are skipped.

    Raises:
        StepError: a line is not a chat row, or there is none; the message has its number and the field.
    """
    number = 0
    with path.open("rb") as file:
        for line in file:
            number += 1
            if not line.strip():
                continue
            try:
                row = parsed(line)
                check_row(row, rules)
            except WrongRow as wrong:
                raise StepError(f"{path.name}, line {number}: {str(wrong).rstrip('.')}.") from None
            yield (plain(row) if b"null" in line else row)["messages"]
    if not number:
        raise StepError(f"{path.name} has no rows, so there is nothing to train on.")


def model_name(provider: str, word: str, digest: str) -> str:
    """`provider/word-<12 hex>`: a name that changes with the model; odd characters of the word become `-`."""
    plain = re.sub(r"[^\w.]+", "-", word).strip("-") or "model"
    return f"{provider}/{plain}-{digest[:12]}"
