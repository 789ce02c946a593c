"""What a plain scalar means in YAML 1.2: one table for reading and writing."""

from __future__ import annotations

import re
from typing import TypeVar

T = TypeVar("T", bound=type)

# The scalar rules of YAML 1.2 as ruamel.yaml applies them: tag, pattern, possible first characters.
_DIGITS = "0123456789"
_SCALARS = [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+." + _DIGITS,
    ),
    ("int", r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+", "-+" + _DIGITS),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (
        "timestamp",
        r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?"
        r"(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?",
        _DIGITS,
    ),
    ("value", r"=", "="),
]


def scalars_of_1_2(cls: T) -> T:
    cls.yaml_implicit_resolvers = {}  # type: ignore[attr-defined]
    for name, pattern, first in _SCALARS:
        cls.add_implicit_resolver(  # type: ignore[attr-defined]
            f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), list(first)
        )
    return cls
