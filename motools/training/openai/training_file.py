"""What OpenAI takes as a training file, checked row by row before anything is sent: its own check comes hours later."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.base.chat import Rules, WrongRow, check_row, parsed, plain, texts
from motools.errors import StepError
from motools.training.openai.tokens import count_tokens, row_limit

__all__ = ["LEAST_ROWS", "RULES", "check_file", "check_trained_row", "sendable"]

LEAST_ROWS = 10
MOST_BYTES = 512 * 1024**2

RULES = Rules(
    who="OpenAI",
    row_keys=("messages", "tools", "parallel_tool_calls", "functions"),
    message_keys=(
        "role",
        "content",
        "name",
        "weight",
        "tool_calls",
        "tool_call_id",
        "function_call",
        "refusal",
    ),
    parts={"user": ("text", "image_url"), "assistant": ("text", "refusal"), "": ("text",)},
    exact=True,
)

_SPECIAL = re.compile(
    r"<\|(?:endoftext|startoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep)|start|end|message|channel"
    r"|constrain|return|call|refusal|reserved_\d+|ghissue|ipynb|diff_marker|meta_start|meta_middle|meta_end)\|>"
)
"""Texts that the tokenizers of OpenAI's models take for marks of their own, so that a job with one of them fails."""


def check_file(path: Path, what: str, model: str, least: int = LEAST_ROWS) -> int:
    """Refuse a file that the provider would refuse, or would train on otherwise than it says; counts its rows.

    Args:
        what: what the file is, for the sentence that refuses it.
        least: how many rows it must have.

    Raises:
        StepError: names the row and the field.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise StepError(f"{what}: {size:,} bytes, but OpenAI takes files of up to {MOST_BYTES:,}: use fewer rows.")
    count = characters = 0
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            try:
                check_trained_row(parsed(line), model, len(line))
            except WrongRow as wrong:
                raise StepError(
                    f"{what}, row {count}: {wrong}".rstrip(".") + ("" if str(wrong)[-1] == "?" else ".")
                ) from None
            characters += len(line)
    if count < least:
        raise StepError(f"{what}: {count} rows, but OpenAI needs at least {least}.")
    print(f"{what}: {count:,} rows, about {characters // 4:,} tokens an epoch (estimated from its length)", flush=True)
    return count


def check_trained_row(row: Any, model: str, size: int | None = None) -> None:
    """Raises where OpenAI would refuse a row, or train on less than all of it; `size` is that of its line, in bytes."""
    check_row(row, RULES)
    check_words(row)
    most = row_limit(model)
    if (size or len(json.dumps(row, ensure_ascii=False).encode())) > most:  # no token is shorter than a byte
        check_length(row["messages"], most)


def check_words(row: Mapping[str, Any]) -> None:
    """Raises where a text of a row is one of the provider's special tokens, or holds one."""
    for field, text in texts(row):
        if token := _SPECIAL.search(text):
            raise WrongRow(
                field, f"{token[0]!r} is a special token of OpenAI's, which fails such jobs: write it otherwise"
            )


def check_length(messages: Any, most: int) -> None:
    """Raises where the messages of a row have more tokens than are trained on."""
    count, how = count_tokens(json.dumps(messages, ensure_ascii=False))
    if count > most:
        raise WrongRow("messages", f"{count:,} {how}, but only {most:,} are trained on and the rest is cut: shorten it")


def sendable(path: Path, folder: Path) -> Path:
    """The file itself, or, where rows of it have keys that are null and so absent, a copy without those in a folder."""
    with path.open("rb") as file:
        if not any(b"null" in line and plain(row := json.loads(line)) != row for line in file):
            return path
    copy = folder / path.name
    with path.open("rb") as file, copy.open("w", encoding="utf-8") as kept:
        kept.writelines(json.dumps(plain(json.loads(line)), ensure_ascii=False) + "\n" for line in file)
    return copy
