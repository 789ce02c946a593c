"""Chat rows as text: a line parsed, what cannot be written, the words of a row."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from motools.base.chat.rules import INSTEAD, WrongRow, field_at, short
from motools.base.foreign_text import DEPTH, is_deep

__all__ = ["parsed", "plain", "text_of", "texts", "unwritable"]

_SUSPECT = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}|\\u[dD][89a-fA-F]")
"""In a line that may hold what Python's parser takes and no other does."""


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without keys whose value is null, at any depth, but for the content of a message that has another say."""
    return {name: _plain(value, name == "messages") for name, value in row.items() if value is not None}


def _plain(value: Any, of_messages: bool = False) -> Any:
    if isinstance(value, Mapping):
        said = of_messages and any(value.get(name) for name in INSTEAD)
        kept = {name: _plain(item) for name, item in value.items() if item is not None}
        return {**kept, "content": None} if said and value.get("content", 0) is None else kept
    if isinstance(value, (list, tuple)):
        return [_plain(item, of_messages) for item in value]
    return value


def text_of(message: Mapping[str, Any]) -> str:
    """What a message says in words: its text, the texts of its parts, or its refusal."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    said = [str(part.get("text") or part.get("refusal") or "") for part in content or ()]
    return "".join(said) or str(message.get("refusal") or "")


def texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a row, with the field that it stands in."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, field_at(where, str(name)))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from texts(item, f"{where}[{number}]")


def unwritable(value: Any, where: str = "") -> WrongRow | None:
    """The first value of a row that JSON cannot hold."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, (str, bool, int, float, type(None))):
                return WrongRow(where, f"not JSON: the key {name!r:.60} is no text")
            if (wrong := unwritable(name, where) or unwritable(item, field_at(where, str(name)))) is not None:
                return wrong
    elif isinstance(value, (list, tuple)):
        return next((wrong for n, item in enumerate(value) if (wrong := unwritable(item, f"{where}[{n}]"))), None)
    elif isinstance(value, float) and not math.isfinite(value):
        return WrongRow(where, f"not JSON: {json.dumps(value)} is no number there")
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            return WrongRow(
                where, f"not JSON: {value[error.start]!r} at character {error.start + 1} is half a character"
            )
    elif value is not None and not isinstance(value, (bool, int, float)):
        return WrongRow(where, f"not JSON: a {type(value).__name__}, {short(value)}")
    return None


def parsed(line: bytes) -> Any:
    """A line of a JSONL file, read as strictly as providers read it."""
    if not line.strip():
        raise WrongRow("", "an empty line; expected a JSON object")
    if line.startswith(codecs.BOM_UTF8):
        raise WrongRow("", "it begins with a byte order mark: save the file as UTF-8 without one")
    try:
        row = json.loads(line.decode(), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise WrongRow("", f"not UTF-8 (at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise WrongRow("", f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:  # a number of thousands of digits
        raise WrongRow("", f"not JSON: {str(error).partition(';')[0]}") from None
    except RecursionError:
        raise too_deep() from None
    if is_deep(row, line):
        raise too_deep()
    if _SUSPECT.search(line) and (wrong := unwritable(row)) is not None:
        raise wrong
    return row


def too_deep() -> WrongRow:
    return WrongRow("", f"nested too deeply, more than {DEPTH} levels")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        repeated = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise WrongRow("", f"the key {repeated!r} stands twice in one object")
    return members
