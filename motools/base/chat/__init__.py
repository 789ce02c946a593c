"""Chat rows: the one place that says what a row of a dataset may be, for loaders, checks and trainers."""

from __future__ import annotations

from motools.base.chat.row_checks import check_row
from motools.base.chat.rules import ANY, ROLES, Rules, WrongRow, short
from motools.base.chat.text import parsed, plain, text_of, texts, unwritable

__all__ = [
    "ANY",
    "ROLES",
    "Rules",
    "WrongRow",
    "check_row",
    "parsed",
    "plain",
    "short",
    "text_of",
    "texts",
    "unwritable",
]
