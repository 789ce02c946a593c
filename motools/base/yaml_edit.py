"""Editing YAML text: values change; comments, order and layout stay as a person wrote them.

What is written reads the same in YAML 1.1 and 1.2.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from motools.base import yaml12
from motools.base.values import same_values
from motools.errors import ConfigError


def updated(text: str, wanted: Mapping[str, Any]) -> str:
    """The text of a mapping, saying what is wanted, in its own order; what is new stands where `wanted` has it."""
    text = text if text.endswith("\n") else f"{text}\n"
    try:
        edit = _Edit(text)
        edit.mapping(yaml12.compose(text), yaml12.loads(text), wanted)
        if same_values(yaml12.loads(edited := edit.result()), wanted):
            return edited
    except (_TooIntricate, ConfigError):  # what came out is no YAML: no less intricate
        pass
    rewritten = _rewritten(text, wanted)
    if same_values(yaml12.loads(rewritten), wanted):
        return rewritten
    return "\n".join([*(line for name, value in wanted.items() for line in lines(name, value)), ""])


def lines(name: str, value: Any, indent: int = 0) -> Iterator[str]:
    """A key and its value in the layout of our own files, as lines."""
    start = f"{' ' * indent}{_inline(name)}:"
    if not _is_block(value):
        yield f"{start} {_inline(value)}"
        return
    yield start
    yield from _block(value, indent + 2)


def _block(value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from lines(name, item, indent)
        return
    for item in value:
        first, *more = _block(item, indent + 2) if _is_block(item) else [" " * (indent + 2) + _inline(item)]
        yield f"{' ' * indent}- {first[indent + 2 :]}"
        yield from more


def _is_block(value: Any) -> bool:
    return isinstance(value, (Mapping, list)) and bool(value)


def _inline(value: Any, flow: bool = False) -> str:
    flow = flow or isinstance(value, (Mapping, list)) or "\n" in str(value)
    text = yaml12.dumps([value], flow=flow).rstrip("\n")
    return text[1:-1] if flow else text[2:]


class _TooIntricate(Exception):
    """A layout that is not edited here: anchors, tags, several keys a line and the like."""


class _Edit:
    """Replacements in a text, by the places of YAML nodes."""

    def __init__(self, text: str) -> None:
        if any(odd in text for odd in ("\ufeff", "\x85", "\u2028", "\u2029")) or "\r" in text.replace("\r\n", ""):
            raise _TooIntricate  # line breaks to YAML, not to everyone
        self.text = text
        self.starts = [0]
        for line in text.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.edits: dict[tuple[int, int], str] = {}

    def result(self) -> str:
        text = self.text
        for (start, end), new in sorted(self.edits.items(), reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def mapping(self, node: Any, before: Any, wanted: Mapping[str, Any]) -> None:
        """Make a block mapping say what is wanted."""
        if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
            raise _TooIntricate
        indent = node.value[0][0].start_mark.column
        nodes = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.start_mark.column != indent or key.value not in before:
                raise _TooIntricate
            nodes[key.value] = (key, value)
        line = node.value[0][0].start_mark.line
        for name, value in wanted.items():
            if name not in nodes:
                self._insert(line, lines(name, value, indent))
                continue
            key, old = nodes[name]
            self._value(key, old, before[name], value, indent)
            line = _last_line(key, old, self) + 1
        for name, (key, old) in nodes.items():
            if name not in wanted:
                self._replace(self.starts[key.start_mark.line], self.starts[_last_line(key, old, self) + 1], "")

    def _value(self, key: Any, node: Any, before: Any, wanted: Any, indent: int) -> None:
        if same_values(before, wanted):
            return
        if isinstance(node, yaml.MappingNode) and isinstance(wanted, Mapping) and wanted and node.value:
            if not node.flow_style:
                self.mapping(node, before, wanted)
                return
            if [each.value for each, _ in node.value] == list(wanted):
                for each, value in node.value:
                    self._inline(value, before[each.value], wanted[each.value])
                return
        if isinstance(node, yaml.SequenceNode) and isinstance(wanted, list) and len(wanted) == len(node.value):
            new = [i for i, item in enumerate(wanted) if not same_values(before[i], item)]
            if all(isinstance(node.value[i], yaml.ScalarNode) and not _is_block(wanted[i]) for i in new):
                for i in new:
                    self._inline(node.value[i], before[i], wanted[i])
                return
        self._whole(key, node, wanted, indent)

    def _inline(self, node: Any, before: Any, wanted: Any) -> None:
        """Put another value in the place of one on a line."""
        if same_values(before, wanted):
            return
        start, end = self._span(node)
        if start == end or getattr(node, "style", None) in ("|", ">"):
            raise _TooIntricate
        self._replace(start, end, _inline(wanted, flow=True))

    def _whole(self, key: Any, node: Any, wanted: Any, indent: int) -> None:
        """Put another value after a key, whatever was there."""
        colon = self.text.index(":", self._at(key.end_mark)) + 1
        new = "" if _is_block(wanted) else f" {_inline(wanted)}"
        start, end = self._span(node)
        last = _last_line(key, node, self)
        if getattr(node, "style", None) in ("|", ">"):
            self._replace(colon, self.starts[last + 1] - 1, new)
        elif isinstance(node, yaml.ScalarNode) or node.flow_style:
            self._replace(colon, end if end > start else colon, new)
        else:  # what follows the key on its line is a comment
            self._replace(colon, colon, new)
            self._replace(self.starts[key.end_mark.line + 1], self.starts[last + 1], "")
        if _is_block(wanted):
            self._insert(last + 1, _block(wanted, indent + 2))

    def _at(self, mark: Any) -> int:
        return int(self.starts[mark.line] + mark.column)

    def _span(self, node: Any) -> tuple[int, int]:
        return self._at(node.start_mark), self._at(node.end_mark)

    def _insert(self, line: int, new: Iterator[str]) -> None:
        at = self.starts[line]
        self.edits[at, at] = self.edits.get((at, at), "") + "".join(f"{each}\n" for each in new)

    def _replace(self, start: int, end: int, new: str) -> None:
        if (start, end) in self.edits:
            raise _TooIntricate
        self.edits[start, end] = new


def _last_line(key: Any, node: Any, edit: _Edit) -> int:
    """The last line that belongs to a value: not the comments and blank lines after it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, node = last if isinstance(last, tuple) else (last, last)
        return _last_line(key, node, edit)
    line: int = max(node.end_mark.line, key.end_mark.line)
    if getattr(node, "style", None) in ("|", ">"):
        line -= node.end_mark.column == 0
        while not edit.text[edit.starts[line] : edit.starts[line + 1]].strip():
            line -= 1
    return line


# -- through ruamel.yaml, for what is too intricate ------------------------------


def _rewritten(text: str, wanted: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML  # keeps most comments, but not the last digit of every float; 0.05 s to import

    rewriter = YAML()
    rewriter.width = 10**6
    rewriter.indent(mapping=2, sequence=4, offset=2)
    content = rewriter.load(text)
    _update(content, wanted)
    stream = io.StringIO()
    rewriter.dump(content, stream)
    return stream.getvalue()


def _update(content: Any, wanted: Mapping[str, Any]) -> None:
    """Make a commented mapping say what is wanted, touching only what differs."""
    for name in [name for name in content if name not in wanted]:
        del content[name]
    for name, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(content.get(name), Mapping):
            _update(content[name], value)
        elif name not in content or not same_values(_plain(content[name]), value):
            content[name] = value


def _plain(value: Any) -> Any:
    """A value of ruamel's as a plain one, with its type seen exactly."""
    return yaml12.loads(yaml12.dumps(json.loads(json.dumps(value, default=str))))
