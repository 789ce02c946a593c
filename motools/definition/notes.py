"""What people say of an experiment: notes and tags, in a file of its folder that git keeps and no step reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from motools.base import secrets, yaml12
from motools.base.files import replace_file
from motools.errors import ConfigError
from motools.repo import pipeline
from motools.repo.project import Project
from motools.repo.walking import is_walked

__all__ = ["FILE", "Note", "Notes", "of_project", "read", "write"]

FILE = "notes.yaml"
_TAG = re.compile(r"[\w.:/+-]+")
_HEAD = "# Notes and tags of this experiment, for people: `motools note`. No step reads them.\n"


@dataclass(frozen=True)
class Note:
    """What somebody has said; `at` is UTC time in ISO 8601, to the second."""

    at: str
    by: str
    text: str


@dataclass(frozen=True)
class Notes:
    """All that is said of an experiment, oldest first."""

    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        return {"tags": list(self.tags), "notes": [asdict(note) for note in self.notes]}


def read(folder: Path) -> Notes:
    """What is said of the experiment in a folder; raises `ConfigError` where its file is none of ours."""
    path = folder / FILE
    content = yaml12.load(path) or {}
    try:
        notes = [Note(str(each["at"]), str(each["by"]), str(each["text"])) for each in content.get("notes") or []]
        return Notes(tuple(map(str, content.get("tags") or [])), tuple(notes))
    except (AttributeError, TypeError, KeyError):
        raise ConfigError(f"{path} is no file of notes: it has tags, a list, and notes with at, by and text.") from None


def write(folder: Path, user: str, text: str | None, tags: Iterable[str] = (), without: Iterable[str] = ()) -> Notes:
    """Add a note and tags to what is said of an experiment, and take tags away.

    Raises:
        ConfigError: the folder is no experiment, a tag is no word, one to be taken away is not there, or what is
            said holds a key.
    """
    if not (folder / pipeline.PARAMS).is_file():
        raise ConfigError(f"{folder.resolve()} is no experiment: it has no {pipeline.PARAMS}.")
    if text is not None and not text.strip():
        raise ConfigError("The note is empty. Write what is to be known: motools note TEXT.")
    why = secrets.screen()
    for said in (text or "", *tags):
        if (leak := why(said)) is not None:
            raise ConfigError(f"The note {leak}, and {FILE} is for all to read. Write it without.")
    before = read(folder)
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ConfigError(f"{tag!r} cannot be a tag: one is a word of letters, digits and . _ : / + -.")
    for tag in without:
        if tag not in before.tags:
            raise ConfigError(f"There is no tag {tag!r} to take away; there are: {', '.join(before.tags) or 'none'}.")
    kept = [tag for tag in dict.fromkeys([*before.tags, *tags]) if tag not in set(without)]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    more = (Note(now, user, text.strip()),) if text is not None else ()
    notes = Notes(tuple(kept), before.notes + more)
    replace_file(folder / FILE, _HEAD + yaml12.dumps(notes.as_dict()))
    return notes


def of_project(project: Project, tags: Iterable[str] = ()) -> Mapping[Path, Notes]:
    """Every experiment of a project of which something is said, and that has all of these tags, in order of folders."""
    by_folder = {}
    for parent, folders, names in os.walk(project.root):
        if FILE in names and pipeline.PARAMS in names:
            notes = read(Path(parent))
            if set(tags) <= set(notes.tags):
                by_folder[Path(parent)] = notes
        folders[:] = [name for name in sorted(folders) if is_walked(parent, name, set())]
    return dict(sorted(by_folder.items()))
