"""What differs from one reader of chat rows to another, and the sentence that refuses a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from motools.errors import did_you_mean, listed

__all__ = ["ANY", "ROLES", "Rules", "WrongRow"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
INSTEAD = ("tool_calls", "function_call", "refusal")
"""What the assistant may say in place of a text."""


class WrongRow(Exception):
    """`field` of a row, such as `messages[0].content`, is not what it must be."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field, self.problem = field, problem


@dataclass(frozen=True)
class Rules:
    """What a trainer wants beyond what holds for all rows.

    Attributes:
        who: the trainer, as sentences call it.
        row_keys: the keys that it knows of a row; None: it does not mind others.
        message_keys: the same of a message, and of its parts and calls.
        parts: the kinds of parts that it takes in a message, by role, with `""` for other roles; None: any.
        exact: whether it holds rows to OpenAI's protocol: weights, names, calls and their answers, the last word.
    """

    who: str = ""
    row_keys: tuple[str, ...] | None = None
    message_keys: tuple[str, ...] | None = None
    parts: Mapping[str, tuple[str, ...]] | None = None
    exact: bool = False

    def check_keys(self, where: str, values: Mapping[str, Any], allowed: Collection[str] | None) -> None:
        for name in values if allowed is not None else ():
            if name not in allowed and values[name] is not None:  # type: ignore[operator]
                hint = did_you_mean(name, allowed or ())
                raise WrongRow(
                    field_at(where, str(name)), f"{self.who} knows no such key.{hint} Known: {listed(allowed or ())}"
                )


ANY = Rules()


# -- words --------------------------------------------------------------------------


def field_at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def check_optional(values: Mapping[str, Any], name: str, where: str, check: Callable[[str, Any], Any]) -> None:
    if values.get(name) is not None:
        check(field_at(where, name), values[name])


def check_is(where: str, value: Any, kind: type, words: str, empty: bool = False) -> None:
    if not isinstance(value, kind) or (kind is str and not value and not empty):
        expected(where, words, value)


def expected(where: str, words: str, value: Any) -> NoReturn:
    raise WrongRow(where, f"expected {words}, found {short(value)}")


def short(value: Any) -> str:
    """A value in a sentence."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
