"""A lock file's text in parts, by stage: searched, not parsed, since there may be thousands of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from motools.base import yaml12
from motools.errors import ConfigError
from motools.repo import pipeline

__all__ = ["all_parts", "made_by", "of_stages"]

MANY = 20
"""Stages beyond which all are told apart at once."""
_NEXT = re.compile(rb"\n(?! {4}|\n|$)")
"""Where the part of a stage ends: at a line that is indented less."""


def made_by(name: str, text: bytes) -> dict[str, str]:
    """The stage of a name; or those that made the output of a name, or an atom whose hash begins so."""
    if named := of_stages([name], text):
        return named
    signs = [f"path: {pipeline.atom_path(name)}\n"]
    md5 = name.rpartition("-")[2]
    signs += [f"md5: {md5}"] if len(md5) >= 4 and all(digit in "0123456789abcdef" for digit in md5) else []
    for sign in signs:
        if makers := _with_out(sign.encode(), text):
            return makers
    return {}


def of_stages(stages: Sequence[str], text: bytes) -> dict[str, str]:
    """The parts of some stages; where they are many, all are told apart at once."""
    if len(stages) > MANY:
        blocks = all_parts(text)
        return {stage: blocks[stage] for stage in stages if stage in blocks}
    parts = {}
    for stage in stages:
        for key in _keys(stage):
            at = text.find(key)
            if at >= 0:
                parts[stage] = _block(text, at + len(key) - 1)
                break
    return parts


@cache
def _keys(stage: str) -> list[bytes]:
    """How a lock file may spell the line of a stage's name: in quotes where YAML would take it for something else."""
    try:
        is_plain = yaml12.loads(stage, "a stage's name") == stage
    except ConfigError:
        is_plain = False
    return [f"\n  {key}:\n".encode() for key in ([stage] if is_plain else [f"'{stage}'", f'"{stage}"'])]


def _with_out(sign: bytes, text: bytes) -> dict[str, str]:
    """The stages that have a text among what they made, not only among what they read."""
    makers = {}
    at = text.find(sign)
    while at >= 0:
        if text.rfind(b"\n    outs:", 0, at) > text.rfind(b"\n    deps:", 0, at):
            begin = text.rfind(b"\n  ", 0, at)
            while begin >= 0 and text[begin + 3 : begin + 4] in (b" ", b"-"):
                begin = text.rfind(b"\n  ", 0, begin)
            end = text.find(b"\n", begin + 1)
            if begin >= 0 and text[end - 1 : end] == b":":
                makers[_key(text[begin + 3 : end - 1].decode(errors="replace"))] = _block(text, end)
        at = text.find(sign, at + 1)
    return makers


def _block(text: bytes, begin: int) -> str:
    """What is indented further than a stage's name, from the end of its line on."""
    end = _NEXT.search(text, begin)
    return text[begin + 1 : end.start() if end else len(text)].decode(errors="replace").rstrip("\n")


def all_parts(text: bytes) -> dict[str, str]:
    """A lock file's text in parts, by stage: a key two spaces in, and what is indented further."""
    parts: dict[str, str] = {}
    begin = text.find(b"\n  ")
    while begin >= 0:
        end = text.find(b"\n", begin + 1)
        line = text[begin + 1 : end if end >= 0 else len(text)]
        if line.endswith(b":") and line[2:3] not in (b" ", b"-") and end >= 0:
            parts[_key(line[2:-1].decode(errors="replace"))] = _block(text, end)
            ends = _NEXT.search(text, end)
            begin = ends.start() if ends else -1
            begin = text.find(b"\n  ", begin) if begin >= 0 else -1
        else:
            begin = text.find(b"\n  ", begin + 1)
    return parts


@cache
def _key(text: str) -> str:
    try:
        return str(yaml12.loads(text, "a stage's name")) if text[:1] in ("'", '"') else text
    except ConfigError:
        return text
