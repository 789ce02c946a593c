"""Lineage: from any atom back to everything it was made from, and who made each, when and at which commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motools import pipeline
from motools.atom import Atom
from motools.errors import AtomError
from motools.records import Record
from motools.repo import Project

__all__ = ["Ancestry", "Listed", "find_atom", "list_atoms", "trace"]


@dataclass(frozen=True)
class Ancestry:
    """An atom, its record where there is one, the commits that hold it, and its parents by input name."""

    atom: Atom
    record: Record | None
    commits: list[str]
    parents: Mapping[str, Ancestry | str]  # an id where the parent is not at hand

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.atom.id,
            "kind": self.atom.kind,
            "metadata": dict(self.atom.metadata),
            "record": asdict(self.record) if self.record else None,
            "commits": self.commits,
            "made_from": {n: p if isinstance(p, str) else p.as_dict() for n, p in self.parents.items()},
        }


def trace(atom: Atom) -> Ancestry:
    """Walk back from an atom; needs no index, since an atom names what it was made from."""
    try:
        record: Record | None = atom.record
    except AtomError:
        record = None
    parents: dict[str, Ancestry | str] = {}
    for name, origin in atom.made_from.items():
        try:
            parents[name] = trace(Atom.load(origin))
        except AtomError:
            parents[name] = origin
    return Ancestry(atom, record, atom.commits(), parents)


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


def list_atoms(project: Project, kind: str | None = None) -> Iterator[Listed]:
    """The atoms of all pipelines in the work tree; those whose content is not at hand are left out."""
    for out in project.outs():
        name = out.path.rpartition("/")[2]
        in_atoms = out.path == pipeline.atom_path(name) or (out.stage is None and out.folder.name == "atoms")
        if not in_atoms or not out.md5.endswith(".dir"):
            continue
        try:
            atom = Atom.load(out.md5.removesuffix(".dir"), project=project)
        except AtomError:
            continue
        folder = out.folder.parent if out.stage is None else out.folder
        if kind in (None, atom.kind):
            yield Listed(atom.id, atom.kind, name, out.stage, folder.relative_to(project.root).as_posix())


def find_atom(text: str, folder: Path) -> Atom:
    """The atom of an id, a prefix of one, or the name of an output in a folder's pipeline."""
    locked = pipeline.read_lock(folder)
    for entry in locked.values():
        for out in entry.get("outs", []):
            if out.get("path") == pipeline.atom_path(text) and "md5" in out:
                return Atom.load(str(out["md5"]).removesuffix(".dir"))
    return Atom.load(text)
