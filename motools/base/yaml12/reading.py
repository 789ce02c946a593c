"""YAML as DVC reads and writes it: 1.2 scalars (`1e-4` is a number, `yes` is a word), through PyYAML's C code.

DVC uses ruamel.yaml; this reads the same values several times faster and starts without importing it. What is nested
too deep, or stands for too much through its aliases, is refused before anything is built of it.
"""

from __future__ import annotations

import pickle
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from motools.base.yaml12.scalars import scalars_of_1_2
from motools.errors import ConfigError

try:
    from yaml import CSafeLoader as BaseLoader
except ImportError:  # PyYAML built without libyaml: slower, same results
    from yaml import SafeLoader as BaseLoader  # type: ignore[assignment]

_CONFLICT = re.compile(r"^<{7}(?: |$)", re.MULTILINE)
_YAML_1_1 = re.compile(r"\ufeff?(?:[ \t]*(?:#.*)?\r?\n)*%YAML[ \t]+1\.[01]\b")


class Conflicted(ConfigError):
    """A file that a merge has left its conflict in."""


@scalars_of_1_2
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


DIGITS = 3500
"""How many a whole number may have: what is not written in tens has up to a fifth more there, of which Python writes
4,300."""


def _int(text: str) -> int:
    text = text.replace("_", "")
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-")
    if len(text) > DIGITS:
        raise ValueError(f"a number of more than {DIGITS:,} digits")
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
                value = int(value[:DIGITS])
                odd = odd or len(event.value) > DIGITS
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
            odd_key = height > 0 or kind is yaml.AliasEvent or value in frame.value
            odd, frame.key = odd or odd_key, None if odd_key else value
        else:
            frame.value[frame.key], frame.key = value, _MISSING
    return _MISSING if odd else None if result is _MISSING else result


def _too_deep(source: str, event: Any) -> ConfigError:
    return _refused(source, event, f"nested more than {DEPTH} levels deep")


def _refused(source: str, event: Any, why: str) -> ConfigError:
    mark = event.start_mark
    return ConfigError(f"{source}, line {mark.line + 1}, column {mark.column + 1}: {why}. Write it flatter.")


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
        raise ConfigError(f"{source}{_problem(error, text)}.") from None


_PROBLEMS = {
    "but found another document": "a line `---` begins a second document, and a file holds one. Delete that line or "
    "what follows",
    "did not find expected key": "this line does not go on with what is above it. Indent it like the keys that it "
    "belongs to, and close what is open",
    "mapping values are not allowed in this context": "a colon stands where no key can be. Indent the line like those "
    "above, or put a text with `: ` in it into quotes",
    "found undefined alias": "`*` begins the name of an alias, and there is none of this name. Put a text that begins "
    "with it into quotes",
    "found character that cannot start any token": "no text begins with this character. Put it into quotes",
    "could not find expected ':'": "a key needs a colon and a space after it, `key: value`. Indent a text that goes on",
    "found unexpected end of stream": "a quote is opened here, and closed nowhere. Close it",
    "did not find expected ',' or ']'": "a bracket is opened here, and not closed. Close it, and put commas in between",
    "did not find expected ',' or '}'": "a brace is opened here, and not closed. Close it, and put commas in between",
}
"""What the parser says -> what a person can do about it."""
_OPEN = list(_PROBLEMS)[-4:]
"""Those that are noticed far behind the place where something is wrong."""


def _problem(error: Exception, text: str) -> str:
    """Where YAML is wrong, and how."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f": not valid YAML: {' '.join(str(error).split())}"
    mark = (error.context_mark if error.problem in _OPEN else None) or error.problem_mark
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    said = _PROBLEMS.get(error.problem or "", " ".join(filter(None, [error.context, error.problem])))
    if mark and re.match(rf"(?:.*\n){{{mark.line}}}.{{{mark.column}}}\t", text):
        said = "a tab stands here, and YAML is indented with spaces. Put spaces in its place"
    return f"{place}: not valid YAML: {said}"


def load(path: Path) -> Any:
    """`loads` of a file; None where there is no such file."""
    try:
        return pickle.loads(_packed(path.read_text(encoding="utf-8"), str(path)))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not valid YAML: it is not UTF-8 text. Save it as UTF-8.") from None


@lru_cache(maxsize=8)
def _packed(text: str, name: str) -> bytes:
    """A run reads its few files again and again; unpacking one is twenty times faster than parsing it."""
    return pickle.dumps(loads(text, name))


def compose(text: str) -> Any:
    """The nodes of a text, which know where they stand in it."""
    return yaml.compose(text, Loader=_Loader)
