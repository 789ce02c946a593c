"""How long a training row is and may be, in tokens; counted where that needs no download, else estimated."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["CHARACTERS_A_TOKEN", "count_tokens", "encoding", "row_limit"]

CHARACTERS_A_TOKEN = 4
"""In English text, by OpenAI's own rule of thumb: an estimate."""

ROW_TOKENS = {"gpt-3.5-turbo": 16_385}
"""How long a row may be, by the beginning of a model's name; the provider cuts a longer one, and says nothing."""
OTHER_ROW_TOKENS = 65_536

NAME = "o200k_base"
FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"  # where tiktoken keeps its vocabulary
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"


def row_limit(model: str) -> int:
    """How many tokens of a row the provider trains on."""
    base = model.removeprefix("openai/").removeprefix("ft:")
    return next((limit for start, limit in ROW_TOKENS.items() if base.startswith(start)), OTHER_ROW_TOKENS)


def count_tokens(text: str) -> tuple[int, str]:
    """How many tokens a text has, and the words for them, which say so where it is an estimate."""
    vocabulary = encoding()
    if vocabulary is None:
        return at_most(text), f"tokens (an estimate on the safe side: tiktoken's {NAME} is not on this machine)"
    return len(vocabulary.encode(text, disallowed_special=())), "tokens"


_PIECE = re.compile(r"[!-~]{40,}| ?[A-Z]?[a-z]+| ?[A-Z]+|[0-9]{1,3}|\s+|[^\x00-\x7f]|.", re.ASCII)


def at_most(text: str) -> int:
    """More tokens, as a rule, than a text has.

    A word counts as one for every six letters, three digits or a mark as one, what has forty characters without a
    space (a hash, base64) as that many, and a character of another script as many as it has bytes, less one. A row
    that is too long is cut in silence, so it had better be wrong this way.
    """
    count = 0
    for piece in _PIECE.findall(text):
        if not piece.isascii():
            count += len(piece.encode("utf-8", "replace")) - 1
        else:
            count += len(piece) if len(piece) >= 40 else -(-len(piece.strip()) // 6) or 1
    return count


@cache
def encoding() -> Any:
    """tiktoken's encoding of recent models where its vocabulary is on this machine, or None: nothing is downloaded."""
    try:
        import tiktoken
    except ImportError:
        return None
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder == "":
        return None
    try:
        with Path(folder or Path(tempfile.gettempdir(), "data-gym-cache"), FILE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    # A damaged one tiktoken would fetch anew.
    return tiktoken.get_encoding(NAME) if digest == SHA256 else None
