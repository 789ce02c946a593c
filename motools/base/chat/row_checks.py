"""One chat row, checked: its messages, their content, and its last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motools.base.chat.calls import Calls, check_exactly, check_functions, check_tools
from motools.base.chat.rules import ANY, INSTEAD, ROLES, Rules, WrongRow, check_is, check_optional, expected, short
from motools.errors import did_you_mean, listed

__all__ = ["check_row"]


def check_row(row: Any, rules: Rules = ANY) -> None:
    """Raises `WrongRow` where a row is no chat row, or none that these rules let pass."""
    messages = row.get("messages") if isinstance(row, Mapping) else None
    if isinstance(row, Mapping):
        rules.check_keys("", row, rules.row_keys)
    if not isinstance(messages, (list, tuple)) or not messages:
        raise WrongRow("", f'not a chat row: expected {{"messages": [{{"role", "content"}}, ...]}}, found {short(row)}')
    calls = Calls()
    for number, message in enumerate(messages):
        _check_message(f"messages[{number}]", message, rules)
        if rules.exact:
            calls.follow(f"messages[{number}]", message)
    if not any(message["role"] == "assistant" for message in messages):
        raise WrongRow("messages", "no assistant turn, so there is nothing to learn from it")
    if rules.exact:
        _check_last_word(messages)
        check_optional(
            row, "parallel_tool_calls", "", lambda field, value: check_is(field, value, bool, "true or false")
        )
        check_optional(row, "tools", "", check_tools)
        check_optional(row, "functions", "", check_functions)


# -- messages -----------------------------------------------------------------------


def _check_message(where: str, message: Any, rules: Rules) -> None:
    if not isinstance(message, Mapping):
        expected(where, "role and content", message)
    rules.check_keys(where, message, rules.message_keys)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise WrongRow(f"{where}.role", f"{short(role)} is none of {listed(ROLES)}.{did_you_mean(str(role), ROLES)}")
    weight = message.get("weight")
    if weight is not None and (type(weight) not in ((int,) if rules.exact else (int, float)) or weight not in (0, 1)):
        expected(f"{where}.weight", "0 or 1", weight)
    if rules.exact:
        check_exactly(where, message)
    _check_content(f"{where}.content", message, rules)


def _check_content(where: str, message: Mapping[str, Any], rules: Rules) -> None:
    content, role = message.get("content"), message["role"]
    instead = role == "assistant" and any(message.get(name) for name in INSTEAD)
    if content is None and instead:
        return
    if isinstance(content, str):
        if rules.exact and role == "assistant" and not content.strip() and not instead:
            expected(where, "an answer", content)
        return
    if not isinstance(content, (list, tuple)):
        expected(where, "text", content)
    if not content:
        expected(where, "text or a list of parts", content)
    for number, part in enumerate(content):
        _check_part(f"{where}[{number}]", part, role, rules)


def _check_part(where: str, part: Any, role: str, rules: Rules) -> None:
    if not isinstance(part, Mapping):
        expected(where, 'a part such as {"type": "text", "text": ...}', part)
    kind = part.get("type")
    takes = None if rules.parts is None else rules.parts.get(role, rules.parts.get("", ()))
    if not isinstance(kind, str) or (takes is not None and kind not in takes):
        wanted = listed(takes or ("text", "image_url", "refusal"))
        whose = f" that {rules.who} takes" if rules.who and isinstance(kind, str) else ""
        raise WrongRow(f"{where}.type", f"{short(kind)} is no part of a message of {role!r}{whose}: expected {wanted}")
    keys = {"text": ("type", "text"), "image_url": ("type", "image_url"), "refusal": ("type", "refusal")}
    rules.check_keys(where, part, keys.get(kind) if rules.message_keys is not None else None)
    if kind in ("text", "refusal"):
        check_is(f"{where}.{kind}", part.get(kind), str, "text", empty=not rules.exact)
    elif kind == "image_url":
        image: Any = part.get("image_url")
        check_is(f"{where}.image_url", image, Mapping, 'an object {"url": ...}')
        check_is(f"{where}.image_url.url", image.get("url"), str, "a URL")


def _check_last_word(messages: Any) -> None:
    last = messages[-1]["role"]
    if last != "assistant":
        raise WrongRow(f"messages[{len(messages) - 1}].role", f"the last message must be the assistant's, not {last!r}")
    if all(message.get("weight") == 0 for message in messages if message["role"] == "assistant"):
        raise WrongRow("messages", "every message of the assistant has weight 0, so there is nothing to learn")
