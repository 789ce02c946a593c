"""YAML as DVC reads and writes it: 1.2 scalars (`1e-4` is a number, `yes` is a word), through PyYAML's C code.

DVC uses ruamel.yaml; this reads the same values several times faster and starts without importing it. What is nested
too deep, or stands for too much through its aliases, is refused before anything is built of it.
"""

from __future__ import annotations

import io
import pickle
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from motools.errors import ConfigError

try:
    from yaml import CSafeDumper as BaseDumper
    from yaml import CSafeLoader as BaseLoader
except ImportError:  # PyYAML built without libyaml: slower, same results
    from yaml import SafeDumper as BaseDumper  # type: ignore[assignment]
    from yaml import SafeLoader as BaseLoader  # type: ignore[assignment]

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


_CONFLICT = re.compile(r"^<{7}(?: |$)", re.MULTILINE)
_YAML_1_1 = re.compile(r"\ufeff?(?:[ \t]*(?:#.*)?\r?\n)*%YAML[ \t]+1\.[01]\b")


class Conflicted(ConfigError):
    """A file that a merge has left its conflict in."""


def _scalars_of_1_2(cls: T) -> T:
    cls.yaml_implicit_resolvers = {}  # type: ignore[attr-defined]
    for name, pattern, first in _SCALARS:
        cls.add_implicit_resolver(  # type: ignore[attr-defined]
            f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), list(first)
        )
    return cls


@_scalars_of_1_2
class _Loader(BaseLoader):
    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._checked: set[Any] = set()

    def flatten_mapping(self, node: Any) -> None:
        """As PyYAML's, but a key that stands twice is an error, as it is for DVC."""
        if node not in self._checked:  # it comes again, with the keys it merged, where another mapping merges it
            self._checked.add(node)
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                value = key.tag if key.tag.endswith((":merge", ":value")) else self.construct_object(key)
                if value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(value)
        super().flatten_mapping(node)  # type: ignore[misc]


def _int(text: str) -> int:
    text = text.replace("_", "")
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(text[:2], 10)  # in 1.2 a leading zero is no octal
    return sign * int(text[2:] if base != 10 else text, base)


def _float(text: str) -> float:
    text = text.replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _constructor(build: Any) -> Any:
    return lambda loader, node: build(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _constructor(_int))
_Loader.add_constructor("tag:yaml.org,2002:float", _constructor(_float))

DEPTH = 100
"""How deep a text may be nested; far above, libyaml's own builder and some of what reads the values end the process."""
ALIASED = 100_000
"""How many values the aliases of a text may stand for in all."""

_PLAIN: dict[str, Any] = {
    "tag:yaml.org,2002:int": _int,
    "tag:yaml.org,2002:float": _float,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:null": lambda text: None,
}
_MISSING = object()


class _Frame:
    """A list or mapping that is being read: what it holds so far, and how many values and levels that is."""

    __slots__ = ("anchor", "height", "key", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value, self.anchor, self.key, self.size, self.height = value, anchor, _MISSING, 1, 1


def _read(text: str, source: str) -> Any:
    """The values of a text, built as its events come, without PyYAML's nodes, which take most of its time and memory.

    Returns:
        `_MISSING` where there is something that is left to PyYAML: tags, merged keys, dates, all that is an error.

    Raises:
        ConfigError: it is too deep, holds itself, or its aliases stand for too much.
    """
    loader = _Loader(text)
    try:
        return _built(loader, source)
    finally:
        loader.dispose()


def _built(loader: Any, source: str) -> Any:
    resolvers = _Loader.yaml_implicit_resolvers
    anchors: dict[str, tuple[Any, int, int]] = {}  # value, size, height
    open_anchors: set[str | None] = set()
    stack: list[_Frame] = []
    result, odd, aliased = _MISSING, False, 0
    while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value, size, height = event.value, 1, 0
            if event.tag is not None:
                odd = True
            elif event.implicit[0] and value.isdecimal() and value.isascii():  # most of any long list
                value = int(value[:4000])
                odd = odd or len(event.value) > 4000  # more than Python reads
            elif event.implicit[0]:
                for tag, rule in resolvers.get(value[:1], ()):
                    if rule.match(value):
                        try:
                            value = _PLAIN[tag](value)
                        except (KeyError, ValueError):
                            odd = True
                        break
            if event.anchor is not None:
                odd = odd or event.anchor in anchors
                anchors[event.anchor] = value, size, height
        elif kind is yaml.SequenceStartEvent or kind is yaml.MappingStartEvent:
            odd = odd or event.tag is not None or event.anchor in anchors
            stack.append(_Frame([] if kind is yaml.SequenceStartEvent else {}, event.anchor))
            open_anchors.add(event.anchor)
            if len(stack) > DEPTH:
                raise _too_deep(source, event)
            continue
        elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
            frame = stack.pop()
            value, size, height = frame.value, frame.size, frame.height
            if frame.anchor is not None:
                open_anchors.discard(frame.anchor)
                anchors[frame.anchor] = value, size, height
        elif kind is yaml.AliasEvent:
            if event.anchor in open_anchors:
                raise _refused(source, event, f"*{event.anchor} stands inside of what it stands for")
            odd = odd or event.anchor not in anchors
            value, size, height = anchors.get(event.anchor, (None, 1, 0))
            aliased += size
            if aliased > ALIASED:
                raise _refused(source, event, f"its aliases stand for more than {ALIASED:,} values")
            if len(stack) + height > DEPTH:
                raise _too_deep(source, event)
        else:
            odd = odd or (kind is yaml.DocumentStartEvent and result is not _MISSING)
            continue
        if not stack:
            result = value
            continue
        frame = stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if type(frame.value) is list:
            frame.value.append(value)
        elif frame.key is _MISSING:
            known = height > 0 or kind is yaml.AliasEvent or value in frame.value
            odd, frame.key = odd or known, None if known else value
        else:
            frame.value[frame.key], frame.key = value, _MISSING
    return _MISSING if odd else None if result is _MISSING else result


def _too_deep(source: str, event: Any) -> ConfigError:
    return _refused(source, event, f"nested more than {DEPTH} levels deep")


def _refused(source: str, event: Any, why: str) -> ConfigError:
    mark = event.start_mark
    return ConfigError(f"{source}, line {mark.line + 1}, column {mark.column + 1}: {why}. Write it flatter.")


@_scalars_of_1_2
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


def loads(text: str, source: str = "the text") -> Any:
    """The values DVC would read from `text`; None where it is empty.

    Raises:
        ConfigError: it is not YAML, or nobody could read it; the message gives `source`, line and column.
    """
    if _YAML_1_1.match(text):
        raise ConfigError(f"{source}: it asks for YAML 1.1, in which yes is true. Delete its line %YAML 1.1.")
    try:
        value = _read(text, source)
        return yaml.load(text, Loader=_Loader) if value is _MISSING else value
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:  # the last two: `!!bool maybe`
        if mark := _CONFLICT.search(text):
            raise Conflicted(
                f"{source}, line {text.count(chr(10), 0, mark.start()) + 1}: a merge has left its conflict here. Edit "
                f"it, or take one side whole with `git checkout --ours {source}` (or --theirs); then `git add` it."
            ) from None
        raise ConfigError(f"{source}{_problem(error)}.") from None


def _problem(error: Exception) -> str:
    """Where YAML is wrong, and how."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f": not valid YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    said = " ".join(filter(None, [error.context, error.problem]))
    if error.problem == "but found another document":
        said = "a line `---` begins a second document, and a file holds one. Delete that line or what follows"
    return f"{place}: not valid YAML: {said}"


def load(path: Path) -> Any:
    """`loads` of a file; None where there is no such file."""
    try:
        return pickle.loads(_packed(path.read_text(encoding="utf-8"), str(path)))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not valid YAML: it is not UTF-8 text.") from None


@lru_cache(maxsize=8)
def _packed(text: str, name: str) -> bytes:
    """A run reads its few files again and again; unpacking one is twenty times faster than parsing it."""
    return pickle.dumps(loads(text, name))


def compose(text: str) -> Any:
    """The nodes of a text, which know where they stand in it."""
    return yaml.compose(text, Loader=_Loader)


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
