"""Atoms listed, and found by what a person types: an id, the beginning of one, or a path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motools.atom.atom import OF_ATOM, Atom, EvalAtom, at_hand
from motools.atom.naming import named
from motools.atom.outputs import Output, Outputs, is_atom
from motools.errors import AtomError, ConfigError, DamagedError, ProjectError, a_kind, did_you_mean, listed
from motools.repo import pipeline
from motools.repo.project import Project
from motools.repo.survey import Survey

__all__ = ["Listed", "find", "find_atom", "find_evals", "list_atoms"]

_WHOLE_HASH = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Listed:
    """An atom as the lock files of the work tree name it; `stage` is None for a workflow's input."""

    id: str
    kind: str
    name: str
    stage: str | None
    folder: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_atoms(project: Project, kind: str | None = None, unread: list[str] | None = None) -> Iterator[Listed]:
    """The atoms of all pipelines in the work tree; those whose content is not at hand are left out.

    Args:
        unread: takes a sentence for each lock file that cannot be read.
    """
    survey = Survey(project)
    for out in survey.located:
        name = pipeline.name_at(out.path) if out.path.startswith("atoms/") else out.path.rpartition("/")[2]
        in_atoms = is_atom(out) if out.stage is not None else out.folder.name == "atoms" and out.md5.endswith(".dir")
        if not in_atoms:
            continue
        try:
            atom = at_hand(survey, out.md5.removesuffix(".dir"))
        except DamagedError:
            continue
        folder = out.folder.parent if out.stage is None else out.folder
        if atom is not None and kind in (None, atom.kind):
            yield Listed(atom.id, atom.kind, name, out.stage, folder.relative_to(project.root).as_posix())
    if unread is not None:
        unread += survey.unread


def find_atom(text: str, folder: Path) -> Atom:
    """The atom of an id, a prefix of one, or of what names one seen from a folder: an output, a stage, a path, the
    folder of a pipeline that ends in one result, or any of these at a commit, `REV:folder`.

    Raises:
        AtomError: there is no such atom, or there are several.
    """
    atom = find(text, folder)
    if not isinstance(atom, Atom):
        raise AtomError(f"{text} is what the stage {atom.metadata['stage']} has made, and no atom.")
    return atom


def find_evals(text: str, folder: Path) -> dict[str, EvalAtom]:
    """The evaluations that a text names, by what they are called: one, or those that a folder ends in, or that a sweep
    makes of one stage.

    Raises:
        AtomError: there is none, or what it names is no evaluation.
    """
    several = named(text, folder) if ":" in text or not _is_output(text, folder) else []
    atoms = {each.name: _loaded(each.md5) for each in several}
    if len(atoms) > 1:
        evals = {name: atom for name, atom in atoms.items() if isinstance(atom, EvalAtom)}
        if evals:
            return evals
    atom = find_atom(text, folder)
    if not isinstance(atom, EvalAtom):
        raise AtomError(
            f"{text}: {atom.id} is {a_kind(atom.kind)}, not an eval. `motools atoms list --kind eval` has them."
        )
    return {several[0].name if several else text: atom}


def find(text: str, folder: Path) -> Atom | Output:
    """What `find_atom` finds, or the output of a stage that a person wrote, by its path."""
    if (md5 := _is_output(text, folder)) is not None:
        return _loaded(md5)
    path = folder / text
    if ":" not in text and ("/" in text or path.exists() or "." in text):
        try:
            survey = Survey(Project.find(folder))
        except ProjectError:
            return Atom.load(text)
        outputs = Outputs(survey)
        if (located := outputs.above(path)) is not None:
            if is_atom(located):
                return _loaded(located.md5.removesuffix(".dir"), survey.project)
            return outputs.of(located)
    candidates = named(text, folder)
    if len(candidates) > 1:
        raise AtomError(
            f"{text} is {len(candidates)} results: {listed([each.name for each in candidates], 12)}. Name one of them."
        )
    if candidates:
        return _loaded(candidates[0].md5)
    if path.exists():
        pipeline.read_lock(path if path.is_dir() else folder)  # which may be damaged, and named nothing for that
        raise AtomError(f"{text} is no output of a stage, as far as the lock files tell. Run its pipeline first.")
    try:
        return _loaded(text)
    except AtomError as error:
        raise AtomError(f"{error}{did_you_mean(text, _names(folder))}") from None


def _names(folder: Path) -> list[str]:
    """What results of a folder's pipeline, and its stages, are called; raises `ConfigError` where its lock file cannot
    tell."""
    locked = pipeline.read_lock(folder)
    outs = (path for entry in locked.values() for path in pipeline.locked_outs(entry) if path.startswith("atoms/"))
    return [*locked, *map(pipeline.name_at, outs)]


def _loaded(id: str, project: Project | None = None) -> Atom:
    """The atom of an id or hash; of one that is not here its data stay at the remote until they are asked for."""
    survey = Survey(project or Project.find())
    md5 = id.rpartition("-")[2]
    if _WHOLE_HASH.fullmatch(md5):
        survey.fetch_files({f"{md5}.dir"}, OF_ATOM)
        if survey.problem is not None and at_hand(survey, md5) is None:  # or it would be asked a second time
            raise survey.problem
    return Atom.load(id, project=survey.project)


def _is_output(text: str, folder: Path) -> str | None:
    """The hash of the output of that name in a folder's pipeline; None where it has none."""
    try:
        locked = pipeline.read_lock(folder)
    except ConfigError:  # the ids of other pipelines' atoms are as good as ever
        locked = {}
    for entry in locked.values():
        for out in entry.get("outs") or []:
            if isinstance(out, dict) and out.get("path") == pipeline.atom_path(text) and "md5" in out:
                return str(out["md5"]).removesuffix(".dir")
    return None
