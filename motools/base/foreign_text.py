"""What others may have written: JSON is read within limits, and text is shown with its control characters spelt out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = [
    "DEPTH",
    "finite",
    "is_deep",
    "markdown",
    "markdown_block",
    "markdown_code",
    "markdown_table",
    "read_json",
    "typed",
    "visible",
    "visible_json",
]

DEPTH = 100
"""How deep JSON may be nested: what prints and compares values goes down it by recursion."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # with these a terminal is told to erase, recolour, or type
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # and with these text is shown in another order
    "\u2028\u2029\ufeff\ud800-\udfff]"
)
_BREAKS = {ord("\n"): "\\n", ord("\t"): "\\t"}


def read_json(text: bytes | str) -> Any:
    """The value of a JSON text, null for NaN; raises `ValueError` where it is none, or nested too deep."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if is_deep(value, text):
        raise ValueError(f"nested more than {DEPTH} levels deep")
    return value


def is_deep(value: Any, text: bytes | str) -> bool:
    """Whether a JSON value is nested deeper than `DEPTH`, its text being given."""
    begin = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    level = [value] if sum(map(text.count, begin)) > DEPTH else []  # type: ignore[arg-type]
    for _ in range(DEPTH + 1):
        level = [part for whole in level for part in _parts(whole)]
    return bool(level)


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def visible(text: str, in_line: bool = False) -> str:
    """A text that a terminal shows as it is: control characters written as `\\x1b`, lines and tabs kept.

    Args:
        in_line: one cell of a line; ends of lines and tabs are written as `\\n` and `\\t` too.
    """
    text = _HIDDEN.sub(_escaped, text)
    return text.translate(_BREAKS) if in_line else text


def markdown(text: str) -> str:
    """A text as words of Markdown, in a table's cell too: nothing in it is markup."""
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]#~$" else letter for letter in visible(text, True))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table of such texts."""
    for cells in (columns, None, *rows):
        inside = ["---"] * len(columns) if cells is None else map(markdown, cells)
        yield f"| {' | '.join(inside)} |"


def markdown_code(text: str) -> str:
    """The same as code, in a table's cell too."""
    text = visible(text, True).replace("|", "\\|") or " "
    fence = "`" * (_longest_run(text) + 1)
    gap = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def markdown_block(text: str) -> str:
    """The same as lines of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def typed(text: str) -> str:
    """A word of the command line in letters, also where an ASCII locale has taken it for bytes."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def visible_json(value: Any) -> str:
    """JSON with such characters as `\\u001b`, which reads back the same; what is no number is null, as JSON has it."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(value), indent=2, ensure_ascii=False, default=str)
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def finite(value: Any) -> Any:
    """A JSON value, null for the numbers in it that JSON cannot say: an infinite one (`1e999`), and what is none."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
