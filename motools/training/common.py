"""What trainers share: reading chat rows, and naming the model they made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motools.errors import StepError

__all__ = ["ROLES", "chat_rows", "model_name"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def chat_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The messages of every row of a JSONL file, one row at a time; empty lines are skipped.

    Raises:
        StepError: a line is not a chat row; the message has its number.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:  # bad UTF-8 as well as bad JSON
                raise StepError(f"{path.name}, line {number}: not JSON ({error}).") from error
            if problem := _problem(row):
                raise StepError(f"{path.name}, line {number}: {problem}.")
            yield row["messages"]


def _problem(row: Any) -> str | None:
    """What keeps a row from being a chat row, or None."""
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return 'expected {"messages": [{"role": ..., "content": ...}, ...]}'
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else 0
        if not isinstance(content, str | None):
            return f"{message!r:.80} is not a message with a role and a text as content"
        if message.get("role") not in ROLES:
            return f"the role {message.get('role')!r} is none of {', '.join(ROLES)}"
        if message.get("weight", 1) not in (0, 1):
            return f"the weight {message['weight']!r} is neither 0 nor 1"
    return None


def model_name(provider: str, word: str, digest: str) -> str:
    """`provider/word-<12 hex>`: a name that changes with the model; odd characters of the word become `-`."""
    plain = re.sub(r"[^\w.]+", "-", word).strip("-") or "model"
    return f"{provider}/{plain}-{digest[:12]}"
