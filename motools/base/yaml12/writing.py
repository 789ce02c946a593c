"""Writing YAML 1.2: for people, and byte for byte as DVC writes its lock files."""

from __future__ import annotations

import io
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
