"""What was used in an execution, as a value, and as the log that outlives a crash."""

from __future__ import annotations

import base64
import json
import os
import stat
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.observe.digests import kind_of, listing, path_digest

__all__ = ["Events", "Source", "read_log"]


CUT = 0o744
"""The mode of a log to which something could not be written."""


@dataclass(frozen=True)
class Source:
    """A file of the project as it was compiled."""

    data: bytes
    module: str
    is_package: bool


@dataclass
class Events:
    """What was used, each with what it was found to be when it was used first.

    Attributes:
        ran: path and qualified name of executed functions; without a name, a path and a line of its top level.
        files: path -> digest of what was read, None where there was no such file.
        exists: path -> file, dir or None: what was only asked for.
        folders: path -> digest of the names in it.
        env: name -> digest of the value, None where it was not set, "" where it is nobody's business.
        in_c: path -> digest of what a library has looked for that it may have opened in C, or have written there.
        named: `module:name` of what was unpickled by its name.
        unseen: what happened where nobody could look, in words.
        written: files and folders that the step itself made or wrote.
        changed: files that were read twice and were not the same.
        sources: path -> the file as it was compiled; written down only where a later attempt may have to know it.
        loaded: as `ran`, of the functions that were executed while the workflow was loaded; likewise.
        whole: not empty where all of `sources` and `loaded` was written down, so that nothing of them can be missing.
        roots: the projects that it was an execution in, one for each attempt whose log this is.
        cut: whether something could not be written down, so that nobody knows all that was used.
        by: for what was used while a module was loaded, the file and line of its statement; and None where it was
            used otherwise, too.
    """

    ran: set[tuple[str, str, int]] = field(default_factory=set)
    files: dict[str, str | None] = field(default_factory=dict)
    exists: dict[str, str | None] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    in_c: dict[str, str | None] = field(default_factory=dict)
    named: dict[str, None] = field(default_factory=dict)
    unseen: dict[str, None] = field(default_factory=dict)
    written: dict[str, None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    sources: dict[str, Source] = field(default_factory=dict)
    loaded: set[tuple[str, str, int]] = field(default_factory=set)
    whole: dict[str, None] = field(default_factory=dict)
    roots: dict[str, None] = field(default_factory=dict)
    cut: bool = False
    by: dict[tuple[str, str], set[tuple[str, int] | None]] = field(default_factory=dict, compare=False)

    def add(self, kind: str, name: str, value: Any, by: tuple[str, int] | None = None) -> None:
        if kind in ("ran", "loaded"):
            getattr(self, kind).add((name, *value))
        elif kind == "source":
            self.sources[name] = Source(zlib.decompress(base64.b64decode(value[0])), *value[1:])
        elif kind == "file":
            if self.files.setdefault(name, value) != value:
                self.changed.add(name)
        else:
            getattr(self, "folders" if kind == "folder" else kind).setdefault(name, value)
        self.by.setdefault((kind, name), set()).add(by)

    def settle(self) -> None:
        """Of what the step itself has written, that counts which it has left: it would find that if it ran again."""
        for path in self.written:
            if path in self.files:
                self.files[path] = path_digest(path)
            if path in self.exists:
                self.exists[path] = kind_of(path, self.exists[path])
            if (folder := os.path.dirname(path)) in self.folders:
                self.folders[folder] = listing(folder, self.folders[folder].endswith("+"))


def read_log(log: Path) -> Events:
    """What was written down; the last line of a killed process may be cut."""
    events = Events()
    try:
        events.cut = stat.S_IMODE(log.stat().st_mode) == CUT
        lines = log.read_bytes().split(b"\n")
    except FileNotFoundError:
        return events
    for line in lines:
        try:
            kind, name, value, by = json.loads(line)
            events.add(kind, name, value, tuple(by) if by else None)
        except (ValueError, TypeError, KeyError):
            continue
    return events
