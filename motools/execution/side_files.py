"""Files of data that steps leave in the project beside their outputs, and which step has made which.

What only a pattern of the code names counts for those that come after its maker, and wakes nobody else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from motools.base.files import replace_file
from motools.compiler.step_call import StepCall
from motools.definition.instances import axes_in, base_of
from motools.definition.workflow import Workflow
from motools.repo.project import Project

__all__ = ["made_apart", "note_made", "notes_of_gone"]


def made_apart(call: StepCall, workflow: Callable[[], Workflow]) -> Set[str]:
    """The files that this step or others of its pipeline have made and nobody that comes before it.

    Args:
        workflow: gives the call's; asked only about files that the pipeline's steps have made.
    """
    return _MadeApart(call, workflow)


class _MadeApart(Set[str]):
    """Looked up file by file: a step asks about few, and there may be notes of many."""

    def __init__(self, call: StepCall, workflow: Callable[[], Workflow]) -> None:
        self._call = call
        self._workflow = workflow

    def __contains__(self, path: object) -> bool:
        place = self._call.place
        notes = (_read(place.project, note) for note in _folder_of(place.project, str(path)).glob("[!.]*"))
        makers = [step for _, folder, step in filter(None, notes) if folder == place.name]
        return bool(makers) and not any(_leads_to(maker, self._call, self._before) for maker in makers)

    def __iter__(self) -> Iterator[str]:
        project = self._call.place.project
        paths = {each[0] for note in _folder(project).glob("*/[!.]*") if (each := _read(project, note))}
        return (path for path in paths if path in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @cached_property
    def _before(self) -> set[str]:
        return self._workflow().before(base_of(self._call.name))


def _leads_to(maker: str, call: StepCall, before: Collection[str]) -> bool:
    """Whether a step comes before that of a call, and for the same values of what varies in both."""
    axes, others = axes_in(call.name), axes_in(maker)
    return base_of(maker) in before and all(axes[axis] == others[axis] for axis in axes.keys() & others.keys())


def note_made(call: StepCall, paths: Iterable[str]) -> None:
    """Keep that a step has made files, or one beside it at the same time has."""
    project, who = call.place.project, (call.place.name, call.name)
    for path in paths:
        with suppress(OSError):
            note = [os.path.relpath(path, project.root), *who, os.stat(path).st_mtime_ns]
            replace_file(_folder_of(project, path) / _digest(*who), json.dumps(note))


def notes_of_gone(project: Project) -> list[Path]:
    """The notes of files that are gone, or that somebody else has written since."""
    return sorted(note for note in _folder(project).glob("*/[!.]*") if _read(project, note) is None)


def _read(project: Project, note: Path) -> tuple[str, str, str] | None:
    """The file, its maker's folder and step; None where that is not what lies there now."""
    with suppress(OSError, ValueError, TypeError):
        path, folder, step, written = json.loads(note.read_text(encoding="utf-8"))
        path = os.path.join(project.root, path)
        if os.stat(path).st_mtime_ns == written:
            return path, folder, step
    return None


def _folder(project: Project) -> Path:
    return project.private / "made"


def _folder_of(project: Project, path: str) -> Path:
    """Where the notes of one file lie, so that they are found without a look at those of others."""
    return _folder(project) / _digest(os.path.relpath(path, project.root))


def _digest(*words: str) -> str:
    return hashlib.md5("\0".join(words).encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
