"""Lineage: from any result back to everything it was made from, and who made each, when and at which commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from motools.atom import records
from motools.atom.atom import OF_ATOM, WHOLE, Atom, at_hand
from motools.atom.outputs import Output, Outputs
from motools.atom.records import Record
from motools.errors import DamagedError
from motools.repo.survey import Survey

__all__ = ["Ancestry", "Branch", "trace"]

NESTED = 20
"""How deep one tree is told; what lies deeper begins another."""


@dataclass(frozen=True)
class Ancestry:
    """An atom, or an output of a custom stage; its record where there is one, the commits that hold it, and its
    parents by input name.

    Attributes:
        parents: an id where the parent is not at hand.
        damaged: the inputs whose stored content is not what it should be.
        commit_gone: whether this repository no longer has the commit that the record names.
        committed: the first commit with this result in which all files are that differed from the one recorded, as they
            were when it was made; None where there is none, or nothing differed.
        or_before: whether the history of this clone begins with the oldest of the commits, as a shallow one's does.
    """

    atom: Atom | Output
    record: Record | None
    commits: list[str]
    parents: dict[str, Ancestry | str] = field(default_factory=dict, repr=False)
    damaged: set[str] = field(default_factory=set)
    commit_gone: bool = False
    committed: str | None = None
    or_before: bool = False

    @property
    def code(self) -> str:
        """At which commit it was made, and what differed from that, in words; "" where nobody recorded it."""
        record = self.record
        if record is None:
            return ""
        if record.commit is None:
            return "before the first commit" + (f"; what it used is in {self.committed[:10]}" if self.committed else "")
        gone = " (a commit that is not in this repository)" if self.commit_gone else ""
        files = ", ".join([*record.changed][:5]) + (", …" if len(record.changed) > 5 else "")
        later = f", which are in {self.committed[:10]}" if self.committed else ""
        changed = f" with uncommitted changes{f' in {files}' if files else ''}{later}" if record.dirty else ""
        return f"code at {record.commit[:10]}{gone}{changed}"

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


def _branch(name: str, node: Ancestry, visited: set[str], cut: list[Ancestry], depth: int) -> Branch:
    visited.add(node.atom.id)
    branches = []
    for given, parent in node.parents.items():
        if isinstance(parent, str):
            branches.append(Branch(given, parent, given in node.damaged))
        elif parent.atom.id in visited or depth == 0:
            cut.append(parent)
            branches.append(Branch(given, parent, again=True))
        else:
            branches.append(_branch(given, parent, visited, cut, depth - 1))
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
        "committed": node.committed,
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
    outputs = Outputs(survey) if isinstance(atom, Output) else None
    ancestors: dict[str, Atom | Output | DamagedError] = {atom.id: atom}
    level: list[Atom | Output] = [atom]
    while level:
        origins = {origin for each in level for origin in each.made_from.values() if origin not in ancestors}
        _fetch(survey, origins)
        level = []
        for origin in sorted(origins):
            try:
                one = _whole(survey, origin) or (outputs.at(origin) if outputs else None)
            except DamagedError as error:
                ancestors[origin] = error
                continue
            if one is not None:
                ancestors[origin] = one
                level.append(one)
    intact = {id: each for id, each in ancestors.items() if not isinstance(each, DamagedError)}
    nodes = _nodes(survey, intact)
    for id, node in nodes.items():
        for name, origin in intact[id].made_from.items():
            node.parents[name] = nodes.get(origin, origin)
            if isinstance(ancestors.get(origin), DamagedError):
                node.damaged.add(name)
    return nodes[atom.id]


def _nodes(survey: Survey, ancestors: Mapping[str, Atom | Output]) -> dict[str, Ancestry]:
    recorded = _recorded(survey, {id: each.md5 for id, each in ancestors.items() if isinstance(each, Atom)})
    gone = survey.missing_commits({record.commit for record in recorded.values() if record and record.commit})
    nodes = {}
    for id, each in ancestors.items():
        record, commits = recorded.get(id), survey.commits(each.md5)
        is_gone = record is not None and record.commit in gone
        or_before = bool(commits) and commits[-1] in survey.shallow
        later = survey.history.with_files(reversed(commits), record.changed) if record and record.changed else None
        nodes[id] = Ancestry(each, record, commits, commit_gone=is_gone, committed=later, or_before=or_before)
    return nodes


def _recorded(survey: Survey, md5s: Mapping[str, str]) -> dict[str, Record | None]:
    """The record of each atom; in a clone it may have to come from the remote, all that one lock file names at once."""
    records.fetch(survey, [out for md5 in md5s.values() for out in survey.outs.get(f"{md5}.dir", ())])
    recorded = {id: records.find(survey, md5) for id, md5 in md5s.items()}
    past = {id: md5s[id] for id in md5s if recorded[id] is None and f"{md5s[id]}.dir" not in survey.outs}
    made_at = {(commit, f"{md5}.dir") for md5 in past.values() for commit in survey.commits(md5)[-1:]}
    records.fetch(survey, [out for commit, oid in made_at for out in survey.locked_at(commit) if out.md5 == oid])
    return recorded | {id: records.find(survey, md5) for id, md5 in past.items()}


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
    lying = {oid for oid in oids if any((out.folder / out.path).exists() for out in survey.outs.get(oid, ()))}
    survey.fetch_files(oids - lying, OF_ATOM)
