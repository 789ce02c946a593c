"""Lineage: from any result back to everything it was made from, and who made each, when and at which commit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from motools import pipeline, records
from motools.atom import WHOLE, Atom, at_hand
from motools.errors import AtomError, ConfigError, DamagedError, MotoolsError, ProjectError
from motools.records import Record
from motools.repo import Located, Project
from motools.store import hash_file
from motools.survey import Survey

__all__ = ["Ancestry", "Branch", "Listed", "Output", "find", "find_atom", "list_atoms", "trace"]

NESTED = 20
"""How deep one tree is told; what lies deeper begins another."""


@dataclass(frozen=True)
class Output:
    """What a stage that a person wrote into dvc.yaml has made, as dvc.lock names it.

    Attributes:
        id: its path below the project's root.
        metadata: its stage, command and hash.
        made_from: path of a dependency -> the id of the atom or output that it is; else how dvc.lock names the file.
    """

    id: str
    project: Project
    md5: str
    metadata: Mapping[str, Any]
    made_from: Mapping[str, str]
    kind: str = "output"


@dataclass(frozen=True)
class Ancestry:
    """An atom, or an output of a person's own stage; its record where there is one, the commits that hold it, and its
    parents by input name.

    Attributes:
        parents: an id where the parent is not at hand.
        damaged: the inputs whose stored content is not what it should be.
        commit_gone: whether this repository no longer has the commit that the record names.
        or_before: whether the history of this clone begins with the oldest of the commits, as a shallow one's does.
    """

    atom: Atom | Output
    record: Record | None
    commits: list[str]
    parents: dict[str, Ancestry | str] = field(default_factory=dict, repr=False)
    damaged: set[str] = field(default_factory=set)
    commit_gone: bool = False
    or_before: bool = False

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values: each result is told once, and elsewhere is a mapping of its id alone.

        What lies deeper than `NESTED` levels stands under `further`.
        """
        first, *more = [_as_dict(tree) for tree in self.trees()]
        return first | ({"further": more} if more else {})

    def trees(self) -> Iterator[Branch]:
        """This ancestry as trees in which each result is told once; but for the first they begin where one is cut."""
        told: set[str] = set()
        cut = [self]
        for node in cut:  # which grows meanwhile
            if node.atom.id not in told:
                yield _branch("", node, told, cut, NESTED)


@dataclass(frozen=True)
class Branch:
    """A place in a tree: an input's name, what it is, and its own inputs; `again` where that is told elsewhere."""

    name: str
    node: Ancestry | str
    damaged: bool = False
    again: bool = False
    branches: list[Branch] = field(default_factory=list)


def _branch(name: str, node: Ancestry, told: set[str], cut: list[Ancestry], depth: int) -> Branch:
    told.add(node.atom.id)
    branches = []
    for given, parent in node.parents.items():
        if isinstance(parent, str):
            branches.append(Branch(given, parent, given in node.damaged))
        elif parent.atom.id in told or depth == 0:
            cut.append(parent)
            branches.append(Branch(given, parent, again=True))
        else:
            branches.append(_branch(given, parent, told, cut, depth - 1))
    return Branch(name, node, branches=branches)


def _as_dict(branch: Branch) -> dict[str, Any]:
    node = branch.node
    assert isinstance(node, Ancestry)
    if branch.again:
        return {"id": node.atom.id}
    parents = {b.name: b.node if isinstance(b.node, str) else _as_dict(b) for b in branch.branches}
    return {
        "id": node.atom.id,
        "kind": node.atom.kind,
        "metadata": dict(node.atom.metadata),
        "record": asdict(node.record) if node.record else None,
        "commit_gone": node.commit_gone,
        "commits": node.commits,
        "or_before": node.or_before,
        "made_from": parents,
    }


def trace(atom: Atom | Output, survey: Survey | None = None) -> Ancestry:
    """Walk back from a result, in the project that it is of; needs no index, since an atom names what it was made from.

    Each ancestor is visited once. One that is damaged, or not to be had, ends its own branch only.
    """
    survey = survey or Survey(atom.project)
    survey.look_ahead()
    outputs = _Outputs(survey) if isinstance(atom, Output) else None
    found: dict[str, Atom | Output | DamagedError] = {atom.id: atom}
    level: list[Atom | Output] = [atom]
    while level:
        origins = {origin for each in level for origin in each.made_from.values() if origin not in found}
        _fetch(survey, origins)
        level = []
        for origin in sorted(origins):
            try:
                one = _whole(survey, origin) or (outputs.at(origin) if outputs else None)
            except DamagedError as error:
                found[origin] = error
                continue
            if one is not None:
                found[origin] = one
                level.append(one)
    known = {id: each for id, each in found.items() if not isinstance(each, DamagedError)}
    nodes = _nodes(survey, known)
    for id, node in nodes.items():
        for name, origin in known[id].made_from.items():
            node.parents[name] = nodes.get(origin, origin)
            if isinstance(found.get(origin), DamagedError):
                node.damaged.add(name)
    return nodes[atom.id]


def _nodes(survey: Survey, found: Mapping[str, Atom | Output]) -> dict[str, Ancestry]:
    recorded = {id: records.find(survey, each.md5) for id, each in found.items() if isinstance(each, Atom)}
    gone = survey.missing_commits({record.commit for record in recorded.values() if record and record.commit})
    nodes = {}
    for id, each in found.items():
        record, commits = recorded.get(id), survey.commits(each.md5)
        is_gone = record is not None and record.commit in gone
        or_before = bool(commits) and commits[-1] in survey.shallow
        nodes[id] = Ancestry(each, record, commits, commit_gone=is_gone, or_before=or_before)
    return nodes


def _whole(survey: Survey, origin: str) -> Atom | None:
    """The atom of a whole id; what fits a part of one is not what an atom was made from."""
    md5 = origin.rpartition("-")[2]
    atom = at_hand(survey, md5) if _is_md5(md5) else None
    return atom if atom is not None and atom.id == origin else None


def _is_md5(text: str) -> bool:
    return len(text) == WHOLE and all(digit in "0123456789abcdef" for digit in text)


def _fetch(survey: Survey, origins: set[str]) -> None:
    """Bring what says what atoms are, and none of their data, from the remote: all of a level at once."""
    oids = {f"{md5}.dir" for md5 in (origin.rpartition("-")[2] for origin in origins) if _is_md5(md5)}
    if lacking := survey.project.missing(oids) - survey.outs.keys():
        survey.fetch(lacking)
        store = survey.project.store
        here = [oid for oid in lacking if store.path(oid).exists()]
        survey.fetch({about for oid in here if (about := store.tree(oid).get("atom.json"))})


class _Outputs:
    """The outputs of stages, by their paths below the project's root."""

    def __init__(self, survey: Survey) -> None:
        self.survey, self.root = survey, survey.project.root
        self._stages = cache(_stages)
        self._locked = cache(pipeline.read_lock)

    @cached_property
    def _located(self) -> dict[str, Located]:
        return {self._name(self._place(out) / out.path): out for out in self.survey.located if out.stage is not None}

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(os.path.normpath(path), self.root)).as_posix()

    def _place(self, out: Located) -> Path:
        """The folder that a stage's paths start from: the pipeline's, or the `wdir` that dvc.yaml gives the stage."""
        stage = self._stages(out.folder).get(str(out.stage).partition("@")[0])
        within = stage.get("wdir") if isinstance(stage, dict) else None
        return out.folder / within if isinstance(within, str) and "$" not in within else out.folder

    def above(self, path: Path) -> Located | None:
        """The output that a path is, or lies in."""
        name = self._name(path)
        names = [name, *(parent.as_posix() for parent in Path(name).parents)]
        return next((self._located[each] for each in names if each in self._located), None)

    def at(self, id: str) -> Output | None:
        """The output of a path that `Output.made_from` names; None where it is no path of one."""
        out = self._located.get(id)
        return self.of(out) if out is not None and not _is_atom(out) else None

    def of(self, out: Located) -> Output:
        entry = self._locked(out.folder).get(str(out.stage), {})
        made_from = {}
        for dep in entry.get("deps") or []:
            if isinstance(dep, dict) and "path" in dep:
                made_from[str(dep["path"])] = self._origin(self._place(out) / str(dep["path"]), str(dep.get("md5", "")))
        about = {"stage": out.stage, "command": entry.get("cmd"), "md5": out.md5}
        return Output(self._name(self._place(out) / out.path), self.survey.project, out.md5, about, made_from)

    def _origin(self, path: Path, md5: str) -> str:
        """The id of what a dependency is now; where that is no longer what the stage has read, the file as it was."""
        source, name = self.above(path), self._name(path)
        if source is None:
            return f"{name} ({md5 or 'no hash'})"
        inside = os.path.relpath(path, self._place(source) / source.path)
        if md5 != (source.md5 if inside == "." else self._md5_in(source, Path(inside).as_posix())):
            return f"{name} ({md5}, which {source.stage} has made anew)"
        if not _is_atom(source):
            return self._name(self._place(source) / source.path)
        try:
            atom = at_hand(self.survey, source.md5.removesuffix(".dir"))
        except DamagedError:
            atom = None
        return atom.id if atom is not None else f"{name} ({md5})"

    def _md5_in(self, source: Located, inside: str) -> str | None:
        try:
            return self.survey.project.store.tree(source.md5).get(inside)
        except (FileNotFoundError, MotoolsError):
            path = self._place(source) / source.path / inside
            return hash_file(path) if path.is_file() else None


def _is_atom(out: Located) -> bool:
    return out.path == pipeline.atom_path(out.path.rpartition("/")[2]) and out.md5.endswith(".dir")


def _stages(folder: Path) -> Mapping[str, Any]:
    try:
        return pipeline.read_stages(folder)
    except ConfigError:
        return {}


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
        name = out.path.rpartition("/")[2]
        in_atoms = _is_atom(out) if out.stage is not None else out.folder.name == "atoms" and out.md5.endswith(".dir")
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
    """The atom of an id, a prefix of one, the name of an output in a folder's pipeline, or the path of one."""
    found = find(text, folder)
    if not isinstance(found, Atom):
        raise AtomError(f"{text} is what the stage {found.metadata['stage']} has made, and no atom.")
    return found


def find(text: str, folder: Path) -> Atom | Output:
    """What `find_atom` finds, or the output of a stage that a person wrote, by its path."""
    try:
        locked = pipeline.read_lock(folder)
    except ConfigError:  # the ids of other pipelines' atoms are as good as ever
        locked = {}
    for entry in locked.values():
        for out in entry.get("outs") or []:
            if isinstance(out, dict) and out.get("path") == pipeline.atom_path(text) and "md5" in out:
                return Atom.load(str(out["md5"]).removesuffix(".dir"))
    path = folder / text
    if "/" in text or path.exists() or "." in text:
        try:
            survey = Survey(Project.find(folder))
        except ProjectError:
            return Atom.load(text)
        outputs = _Outputs(survey)
        if (located := outputs.above(path)) is not None:
            if _is_atom(located):
                return Atom.load(located.md5.removesuffix(".dir"), project=survey.project)
            return outputs.of(located)
        if path.exists():
            raise AtomError(f"{text} is no output of a stage, as far as the lock files tell. Run its pipeline first.")
    return Atom.load(text)
