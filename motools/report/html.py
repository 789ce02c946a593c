"""HTML that is put together from values: whatever a text holds, it is shown and never obeyed."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any

from motools.base.foreign_text import visible

__all__ = ["LONGEST", "Html", "cut", "el", "join", "plain", "raw", "table"]

LONGEST = 4000
"""Characters that are shown of one text."""
_VOID = ("meta", "link", "br", "hr", "img", "col")
_NO_CHARACTERS = re.compile(
    "[\ufdd0-\ufdef" + "".join(f"{chr(p + 0xFFFE)}{chr(p + 0xFFFF)}" for p in range(0, 0x110000, 0x10000)) + "]"
)


class Html(str):
    """Markup that stands as it is; every other text is escaped."""

    __slots__ = ()


def plain(text: Any) -> str:
    """A text without what would act: control, bidi and other hidden characters are spelt out, as on a terminal."""
    shown = visible(str(text).replace("\r\n", "\n"))
    return _NO_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", shown)


def cut(text: Any, longest: int = LONGEST) -> Html:
    """A text from others, with a note where it is too long to be shown whole."""
    text = str(text)
    if len(text) <= longest:
        return Html(escape(plain(text)))
    note = f"(cut: {len(text):,} characters, of which {longest:,} are shown)"
    return Html(f'{escape(plain(text[:longest]))}… <span class="note">{note}</span>')


def el(tag: str, *children: Any, **attributes: Any) -> Html:
    """An element; `class_` is its class, None a child or an attribute that is left out, True one without a value."""
    told = ""
    for name, value in attributes.items():
        if value is not None and value is not False:
            name = name.rstrip("_").replace("_", "-")
            told += f" {name}" if value is True else f' {name}="{escape(plain(value))}"'
    if tag in _VOID:
        return Html(f"<{tag}{told}>")
    return Html(f"<{tag}{told}>{join(*children)}</{tag}>")


def join(*children: Any) -> Html:
    """Markup and texts, one after another."""
    return Html("".join(raw(child) for child in children if child is not None))


def raw(child: Any) -> str:
    return str(child) if isinstance(child, Html) else escape(plain(child))


def table(columns: list[Any], rows: list[list[Any]], caption: str | None = None, numbers: bool = True) -> Html:
    """A table whose first column names its rows; on a phone each row is a card, its cells named by their columns."""
    head = el("thead", el("tr", *(el("th", column, scope="col") for column in columns)))
    body = []
    for first, *rest in rows:
        cells = [
            el("td", cell, data_label=_text(column), class_="empty" if cell in ("", None) else None)
            for column, cell in zip(columns[1:], rest, strict=True)
        ]
        body.append(el("tr", el("th", first, scope="row"), *cells))
    title = el("caption", caption) if caption else None
    whole = el("table", title, head, el("tbody", *body), class_="numbers" if numbers else None)
    return el("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption or "table")


def _text(column: Any) -> str:
    text = unescape(re.sub("<[^>]*>", " ", column)) if isinstance(column, Html) else str(column)
    return text.strip().replace("_", "_\u200b")  # where a long name may be broken
