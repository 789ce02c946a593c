"""Writing YAML 1.2: for people, and byte for byte as DVC writes its lock files."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from motools.base.yaml12.reading import _Loader
from motools.base.yaml12.scalars import scalars_of_1_2

try:
    from yaml import CSafeDumper as BaseDumper
except ImportError:  # PyYAML built without libyaml: slower, same results
    from yaml import SafeDumper as BaseDumper  # type: ignore[assignment]


@scalars_of_1_2
class _Dumper(BaseDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


# A word is written bare only where readers of YAML 1.1 and of 1.2 both take it for a word.
for _first, _rules in BaseDumper.yaml_implicit_resolvers.items():
    _Dumper.yaml_implicit_resolvers.setdefault(_first, []).extend(_rules)


def _write_float(dumper: Any, value: float) -> Any:
    text = repr(value).replace("inf", ".inf").replace("nan", ".nan")
    if "e" in text and "." not in text:  # 1e-05 is a word in YAML 1.1
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _write_str(dumper: Any, value: str) -> Any:
    rules = _Dumper.yaml_implicit_resolvers
    bare = not any(rule.match(value) for _, rule in [*rules.get(value[:1], []), *rules.get(None, [])])
    style = None if bare else "'"
    if "\n" in value:  # as a block of lines, where each reader takes the same for a line
        style = "|" if value.replace("\n", "").isprintable() else '"'
    elif any(character in value for character in "\x85\u2028\u2029"):  # line breaks too, to YAML alone
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(float, _write_float)
_Dumper.add_representer(str, _write_str)


class _LockDumper(_Dumper):
    """The words of DVC's own writer: bare wherever YAML 1.2 reads a word, nothing for null, plain floats."""


_LockDumper.yaml_implicit_resolvers = {first: list(rules) for first, rules in _Loader.yaml_implicit_resolvers.items()}
_LockDumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))
_LockDumper.add_representer(str, BaseDumper.yaml_representers[str])
_LockDumper.add_representer(
    float,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:float", repr(value).replace("inf", ".inf").replace("nan", ".nan")
    ),
)


def dumps(value: Any, flow: bool = False) -> str:
    """Text that DVC and readers of YAML 1.1 read back as `value`, keys in their order.

    Args:
        flow: on one line, with brackets.
    """
    if not flow and (text := _PLAIN_OF_PEOPLE.text(value)) is not None:
        return text
    return yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=10**6,
    )


def dumps_lock(value: Any) -> str:
    """The text that DVC itself would write into dvc.lock."""
    if (plain := _PLAIN_OF_LOCKS.text(value)) is not None:
        return plain
    if not _same_in_c(value):
        from ruamel.yaml import YAML  # DVC's own, where libyaml lays a text out in another way

        stream = io.StringIO()
        yaml12 = YAML()
        yaml12.default_flow_style = False
        yaml12.dump(value, stream)
        return stream.getvalue()
    return yaml.dump(value, Dumper=_LockDumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=80)


def _same_in_c(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_same_in_c(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return all(item is not None and _same_in_c(item) for item in value)
    if not isinstance(value, str):
        return True
    return value.isprintable() and len(value) < 70 and "'" not in value and max(value, default="") < "\uffff"


# -- what is plain -----------------------------------------------------------------

_WORD = r"[\w/.@=+,$-]+(?::[\w/.@=+,$-]+)*"
_PLAIN = re.compile(rf"(?!\.\.\.)(?=[\w/.]){_WORD}(?: {_WORD})*", re.ASCII)
_SHORT, _BROKEN = 60, 78  # characters; of a longer word, or on a longer line, DVC's writer may make a break
_NO_KEY = 100  # characters; a key of many more would be written in a form of its own
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")

_Rules = Mapping[str, list[tuple[str, re.Pattern[str]]]]


class _NotPlain(Exception):
    """There is a value whose text only YAML's own writer knows."""


class _Plain:
    """Writes what is made of short words and numbers alone, as YAML's own writer does, ten times quicker.

    Args:
        rules: by first letter, which words would be read as something else.
        longest: the longest word, in characters.
        broken: of a line from so many characters on only YAML's own writer knows whether there is a break in it.
    """

    def __init__(self, rules: _Rules, longest: int, broken: float) -> None:
        self._rules: Mapping[Any, Any] = rules
        self._longest = longest
        self._broken = broken
        self._cached = lru_cache(maxsize=1 << 13)(self._written)

    def text(self, value: Any) -> str | None:
        """The text of a mapping; None where YAML's own writer has to write it."""
        if type(value) is not dict or not value:
            return None
        lines: list[str] = []
        try:
            self._write(value, "", "", lines)
        except _NotPlain:
            return None
        return "\n".join([*lines, ""]) if max(map(len, lines)) < self._broken else None

    def _write(self, value: dict[Any, Any], first: str, indent: str, lines: list[str]) -> None:
        """A mapping's lines; the first begins with another indent where it is an item of a list."""
        for key, item in value.items():
            begin = first + self._word(key)
            first = indent
            if type(item) is dict and item:
                lines.append(f"{begin}:")
                self._write(item, f"{indent}  ", f"{indent}  ", lines)
            elif type(item) is list and item:
                lines.append(f"{begin}:")
                for each in item:
                    if type(each) is dict and each:
                        self._write(each, f"{indent}- ", f"{indent}  ", lines)
                    else:
                        lines.append(f"{indent}- {self._scalar(each)}")
            else:
                lines.append(f"{begin}: {self._scalar(item)}")

    def _scalar(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return self._cached(value)
        if kind is int:
            return str(value)
        if kind is bool:
            return "true" if value else "false"
        if kind is float and _NUMBER.fullmatch(text := repr(value)):
            return text
        if kind in (dict, list) and not value:
            return "{}" if kind is dict else "[]"
        raise _NotPlain

    def _word(self, value: Any) -> str:
        if type(value) is not str:
            raise _NotPlain
        return self._cached(value)

    def _written(self, value: str) -> str:
        if len(value) > self._longest or not _PLAIN.fullmatch(value):
            raise _NotPlain
        rules = (*self._rules.get(value[0], ()), *self._rules.get(None, ()))
        return f"'{value}'" if any(rule.match(value) for _, rule in rules) else value


_PLAIN_OF_PEOPLE = _Plain(_Dumper.yaml_implicit_resolvers, _NO_KEY, math.inf)
_PLAIN_OF_LOCKS = _Plain(_LockDumper.yaml_implicit_resolvers, _SHORT, _BROKEN)
