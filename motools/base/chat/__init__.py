"""Chat rows: the one place that says what a row of a dataset may be, for loaders, checks and trainers.

It is not pydantic's to say: what a message may hold hangs on its role, on who trains and on the messages before it, and
the sentence that refuses names one field and what to write there, where a union of models would name each that failed.
"""

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
