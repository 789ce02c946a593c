"""Chat rows: the one place that says what a row of training data may be, for loaders, checks and every trainer.

A row is `{"messages": [{"role", "content"}, ...]}`. What holds for all rows is always checked; what only one trainer
wants or takes stands in the `Rules` that it gives. A key whose value is null is an absent key: a `datasets.Dataset`
fills with nulls what only some messages have.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from motools.errors import did_you_mean, listed

__all__ = ["ANY", "ROLES", "Rules", "WrongRow", "check_row", "parsed", "plain", "text_of", "texts", "unwritable"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SPEAKER = re.compile(r"[^\s<|\\/>]{1,64}")
_SUSPECT = re.compile(rb"NaN|Infinity|\\u[dD][89a-fA-F]")
"""In a line that may hold what Python's parser takes and no other does."""
_INSTEAD = ("tool_calls", "function_call", "refusal")
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

    def check_keys(self, where: str, values: Mapping[str, Any], known: Collection[str] | None) -> None:
        for name in values if known is not None else ():
            if name not in known and values[name] is not None:  # type: ignore[operator]
                hint = did_you_mean(name, known or ())
                raise WrongRow(
                    _at(where, str(name)), f"{self.who} knows no such key.{hint} Known: {listed(known or ())}"
                )


ANY = Rules()


def check_row(row: Any, rules: Rules = ANY) -> None:
    """Raises `WrongRow` where a row is no chat row, or none that these rules let pass."""
    messages = row.get("messages") if isinstance(row, Mapping) else None
    if isinstance(row, Mapping):
        rules.check_keys("", row, rules.row_keys)
    if not isinstance(messages, (list, tuple)) or not messages:
        raise WrongRow("", f'not a chat row: expected {{"messages": [{{"role", "content"}}, ...]}}, found {short(row)}')
    calls = _Calls()
    for number, message in enumerate(messages):
        _check_message(f"messages[{number}]", message, rules)
        if rules.exact:
            calls.follow(f"messages[{number}]", message)
    if not any(message["role"] == "assistant" for message in messages):
        raise WrongRow("messages", "no assistant turn, so there is nothing to learn from it")
    if rules.exact:
        _check_last_word(messages)
        _optional(row, "parallel_tool_calls", "", lambda field, value: _is(field, value, bool, "true or false"))
        _optional(row, "tools", "", _check_tools)
        _optional(row, "functions", "", _check_functions)


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without keys whose value is null, at any depth, but for the content of a message that has another say."""
    return {name: _plain(value, name == "messages") for name, value in row.items() if value is not None}


def _plain(value: Any, of_messages: bool = False) -> Any:
    if isinstance(value, Mapping):
        said = of_messages and any(value.get(name) for name in _INSTEAD)
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
            yield from texts(item, _at(where, str(name)))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from texts(item, f"{where}[{number}]")


def unwritable(value: Any, where: str = "") -> WrongRow | None:
    """The first value of a row that JSON cannot hold."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, (str, bool, int, float, type(None))):
                return WrongRow(where, f"not JSON: the key {name!r:.60} is no text")
            if (found := unwritable(name, where) or unwritable(item, _at(where, str(name)))) is not None:
                return found
    elif isinstance(value, (list, tuple)):
        return next((found for n, item in enumerate(value) if (found := unwritable(item, f"{where}[{n}]"))), None)
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
    try:
        row = json.loads(line.decode(), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise WrongRow("", f"not UTF-8 (at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise WrongRow("", f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise WrongRow("", "nested too deeply") from None
    if _SUSPECT.search(line) and (found := unwritable(row)) is not None:
        raise found
    return row


# -- messages -----------------------------------------------------------------------


def _check_message(where: str, message: Any, rules: Rules) -> None:
    if not isinstance(message, Mapping):
        _expected(where, "role and content", message)
    rules.check_keys(where, message, rules.message_keys)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise WrongRow(f"{where}.role", f"{short(role)} is none of {listed(ROLES)}.{did_you_mean(str(role), ROLES)}")
    weight = message.get("weight")
    if weight is not None and (type(weight) not in ((int,) if rules.exact else (int, float)) or weight not in (0, 1)):
        _expected(f"{where}.weight", "0 or 1", weight)
    if rules.exact:
        _check_exactly(where, message)
    _check_content(f"{where}.content", message, rules)


def _check_content(where: str, message: Mapping[str, Any], rules: Rules) -> None:
    content, role = message.get("content"), message["role"]
    instead = role == "assistant" and any(message.get(name) for name in _INSTEAD)
    if content is None and instead:
        return
    if isinstance(content, str):
        if rules.exact and role == "assistant" and not content.strip() and not instead:
            _expected(where, "an answer", content)
        return
    if not isinstance(content, (list, tuple)):
        _expected(where, "text", content)
    if not content:
        _expected(where, "text or a list of parts", content)
    for number, part in enumerate(content):
        _check_part(f"{where}[{number}]", part, role, rules)


def _check_part(where: str, part: Any, role: str, rules: Rules) -> None:
    if not isinstance(part, Mapping):
        _expected(where, 'a part such as {"type": "text", "text": ...}', part)
    kind = part.get("type")
    takes = None if rules.parts is None else rules.parts.get(role, rules.parts.get("", ()))
    if not isinstance(kind, str) or (takes is not None and kind not in takes):
        wanted = listed(takes or ("text", "image_url", "refusal"))
        whose = f" that {rules.who} takes" if rules.who and isinstance(kind, str) else ""
        raise WrongRow(f"{where}.type", f"{short(kind)} is no part of a message of {role!r}{whose}: expected {wanted}")
    keys = {"text": ("type", "text"), "image_url": ("type", "image_url"), "refusal": ("type", "refusal")}
    rules.check_keys(where, part, keys.get(kind) if rules.message_keys is not None else None)
    if kind in ("text", "refusal"):
        _is(f"{where}.{kind}", part.get(kind), str, "text", empty=not rules.exact)
    elif kind == "image_url":
        image: Any = part.get("image_url")
        _is(f"{where}.image_url", image, Mapping, 'an object {"url": ...}')
        _is(f"{where}.image_url.url", image.get("url"), str, "a URL")


# -- OpenAI's protocol --------------------------------------------------------------


class _Calls:
    """Which calls of tools have been made, and which wait for their answer."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.waiting: dict[str, str] = {}

    def follow(self, where: str, message: Mapping[str, Any]) -> None:
        if message["role"] == "tool":
            given = message.get("tool_call_id")
            _is(f"{where}.tool_call_id", given, str, "the id of a tool call")
            if given not in self.made:
                raise WrongRow(f"{where}.tool_call_id", f"no message before it calls a tool as {given!r}")
            self.waiting.pop(str(given), None)
            return
        for call, field in self.waiting.items():
            raise WrongRow(field, f"the call {call!r} has no answer of a tool before {where}")
        for number, call in enumerate(message.get("tool_calls") or ()):
            self.made.add(call["id"])
            self.waiting[call["id"]] = f"{where}.tool_calls[{number}]"


def _check_last_word(messages: Any) -> None:
    last = messages[-1]["role"]
    if last != "assistant":
        raise WrongRow(f"messages[{len(messages) - 1}].role", f"the last message must be the assistant's, not {last!r}")
    if all(message.get("weight") == 0 for message in messages if message["role"] == "assistant"):
        raise WrongRow("messages", "every message of the assistant has weight 0, so there is nothing to learn")


def _check_exactly(where: str, message: Mapping[str, Any]) -> None:
    role = message["role"]
    for name in ("weight", *_INSTEAD):
        if message.get(name) is not None and role != "assistant":
            raise WrongRow(f"{where}.{name}", f"only a message of the assistant has it, not one of {role!r}")
    _optional(message, "refusal", where, lambda field, value: _is(field, value, str, "text"))
    _optional(message, "tool_calls", where, _check_calls)
    _optional(message, "function_call", where, _check_function)
    if role != "tool" and message.get("tool_call_id") is not None:
        raise WrongRow(f"{where}.tool_call_id", f"only a message of a tool has it, not one of {role!r}")
    if role == "function":
        _check_name(f"{where}.name", message.get("name"))
    _optional(message, "name", where, _check_speaker)


def _check_calls(where: str, calls: Any) -> None:
    if not isinstance(calls, list) or not calls:
        _expected(where, "a list of calls", calls)
    for number, call in enumerate(calls):
        at = f"{where}[{number}]"
        _is(at, call, dict, "an object with id, type and function")
        _EXACT.check_keys(at, call, ("id", "type", "function"))
        _is(f"{at}.id", call.get("id"), str, "text")
        if call.get("type") != "function":
            _expected(f"{at}.type", "'function'", call.get("type"))
        _check_function(f"{at}.function", call.get("function"))


def _check_function(where: str, function: Any) -> None:
    """A call of a function: its name, and its arguments as JSON in a text."""
    _is(where, function, dict, "an object with name and arguments")
    _EXACT.check_keys(where, function, ("name", "arguments"))
    _check_name(f"{where}.name", function.get("name"))
    arguments = function.get("arguments")
    _is(f"{where}.arguments", arguments, str, "a text that is JSON")
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        _expected(f"{where}.arguments", "a text that is JSON", arguments)


_EXACT = Rules("OpenAI")


def _check_tools(where: str, tools: Any) -> None:
    _is(where, tools, list, "a list of tools")
    for number, tool in enumerate(tools):
        at = f"{where}[{number}]"
        _is(at, tool, dict, "an object with type and function")
        if tool.get("type") != "function":
            _expected(f"{at}.type", "'function'", tool.get("type"))
        _check_definition(f"{at}.function", tool.get("function"))


def _check_functions(where: str, functions: Any) -> None:
    _is(where, functions, list, "a list of functions")
    for number, function in enumerate(functions):
        _check_definition(f"{where}[{number}]", function)


def _check_definition(where: str, function: Any) -> None:
    _is(where, function, dict, "an object with name and parameters")
    _check_name(f"{where}.name", function.get("name"))
    _optional(function, "parameters", where, lambda field, value: _is(field, value, dict, "a JSON schema"))


def _check_name(where: str, name: Any) -> None:
    if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
        _expected(where, "1 to 64 letters, digits, _ and -", name)


def _check_speaker(where: str, name: Any) -> None:
    if not isinstance(name, str) or not _SPEAKER.fullmatch(name):
        _expected(where, "1 to 64 characters without spaces and < | \\ / >", name)


# -- words --------------------------------------------------------------------------


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise WrongRow("", f"the key {repeated!r} stands twice in one object")
    return found


def _optional(values: Mapping[str, Any], name: str, where: str, check: Callable[[str, Any], Any]) -> None:
    if values.get(name) is not None:
        check(_at(where, name), values[name])


def _is(where: str, value: Any, kind: type, words: str, empty: bool = False) -> None:
    if not isinstance(value, kind) or (kind is str and not value and not empty):
        _expected(where, words, value)


def _expected(where: str, words: str, found: Any) -> NoReturn:
    raise WrongRow(where, f"expected {words}, found {short(found)}")


def short(value: Any) -> str:
    """A value in a sentence."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
