"""Tools, functions and calls of them in chat rows, as OpenAI's API has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from motools.base.chat.rules import INSTEAD, Rules, WrongRow, check_is, check_optional, expected

_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SPEAKER = re.compile(r"[^\s<|\\/>]{1,64}")


# -- OpenAI's protocol --------------------------------------------------------------


class Calls:
    """Which calls of tools have been made, and which wait for their answer."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.waiting: dict[str, str] = {}

    def follow(self, where: str, message: Mapping[str, Any]) -> None:
        if message["role"] == "tool":
            given = message.get("tool_call_id")
            check_is(f"{where}.tool_call_id", given, str, "the id of a tool call")
            if given not in self.made:
                raise WrongRow(f"{where}.tool_call_id", f"no message before it calls a tool as {given!r}")
            self.waiting.pop(str(given), None)
            return
        for call, field in self.waiting.items():
            raise WrongRow(field, f"the call {call!r} has no answer of a tool before {where}")
        for number, call in enumerate(message.get("tool_calls") or ()):
            self.made.add(call["id"])
            self.waiting[call["id"]] = f"{where}.tool_calls[{number}]"


def check_exactly(where: str, message: Mapping[str, Any]) -> None:
    role = message["role"]
    for name in ("weight", *INSTEAD):
        if message.get(name) is not None and role != "assistant":
            raise WrongRow(f"{where}.{name}", f"only a message of the assistant has it, not one of {role!r}")
    check_optional(message, "refusal", where, lambda field, value: check_is(field, value, str, "text"))
    check_optional(message, "tool_calls", where, _check_calls)
    check_optional(message, "function_call", where, _check_function)
    if role != "tool" and message.get("tool_call_id") is not None:
        raise WrongRow(f"{where}.tool_call_id", f"only a message of a tool has it, not one of {role!r}")
    if role == "function":
        _check_name(f"{where}.name", message.get("name"))
    check_optional(message, "name", where, _check_speaker)


def _check_calls(where: str, calls: Any) -> None:
    if not isinstance(calls, list) or not calls:
        expected(where, "a list of calls", calls)
    for number, call in enumerate(calls):
        at = f"{where}[{number}]"
        check_is(at, call, dict, "an object with id, type and function")
        _EXACT.check_keys(at, call, ("id", "type", "function"))
        check_is(f"{at}.id", call.get("id"), str, "text")
        if call.get("type") != "function":
            expected(f"{at}.type", "'function'", call.get("type"))
        _check_function(f"{at}.function", call.get("function"))


def _check_function(where: str, function: Any) -> None:
    """A call of a function: its name, and its arguments as JSON in a text."""
    check_is(where, function, dict, "an object with name and arguments")
    _EXACT.check_keys(where, function, ("name", "arguments"))
    _check_name(f"{where}.name", function.get("name"))
    arguments = function.get("arguments")
    check_is(f"{where}.arguments", arguments, str, "a text that is JSON")
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        expected(f"{where}.arguments", "a text that is JSON", arguments)


_EXACT = Rules("OpenAI")


def check_tools(where: str, tools: Any) -> None:
    check_is(where, tools, list, "a list of tools")
    for number, tool in enumerate(tools):
        at = f"{where}[{number}]"
        check_is(at, tool, dict, "an object with type and function")
        if tool.get("type") != "function":
            expected(f"{at}.type", "'function'", tool.get("type"))
        _check_definition(f"{at}.function", tool.get("function"))


def check_functions(where: str, functions: Any) -> None:
    check_is(where, functions, list, "a list of functions")
    for number, function in enumerate(functions):
        _check_definition(f"{where}[{number}]", function)


def _check_definition(where: str, function: Any) -> None:
    check_is(where, function, dict, "an object with name and parameters")
    _check_name(f"{where}.name", function.get("name"))
    check_optional(function, "parameters", where, lambda field, value: check_is(field, value, dict, "a JSON schema"))


def _check_name(where: str, name: Any) -> None:
    if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
        expected(where, "1 to 64 letters, digits, _ and -", name)


def _check_speaker(where: str, name: Any) -> None:
    if not isinstance(name, str) or not _SPEAKER.fullmatch(name):
        expected(where, "1 to 64 characters without spaces and < | \\ / >", name)
